//! Parameters, bounds and where clauses are carried over.

use level_session::{Field, Key, OptField, SessionData};
use serde::{Serialize, de::DeserializeOwned};

#[derive(SessionData)]
#[session(namespace = "of")]
pub struct Of<T: Serialize + DeserializeOwned + Send + Sync + 'static, const N: usize = 2>
where
    Vec<T>: Clone,
{
    pub one: Option<T>,
    #[session(default)]
    pub many: Vec<T>,
    #[session(default = [0; N].to_vec(), ttl = "1m")]
    pub bytes: Vec<u8>,
    #[session(nest)]
    pub inner: Inner<T>,
    #[session(skip)]
    pub rest: std::marker::PhantomData<[T; N]>,
}

#[derive(SessionData)]
pub struct Inner<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub value: T,
}

/// A parameter that only a skipped field uses does not need serde's traits.
#[derive(SessionData)]
pub struct Marked<T: Send + Sync + 'static> {
    pub user: Option<u64>,
    #[session(skip)]
    pub marker: std::marker::PhantomData<T>,
}

/// Never called: the test is that it compiles.
#[allow(dead_code)]
fn generic<T>(fields: &OfFields<T>) -> (OptField<'_, T>, Field<'_, Vec<T>>, OptField<'_, T>)
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static + Clone,
{
    let _: Key<Vec<T>> = Of::<T>::MANY;
    (fields.one(), fields.many(), fields.inner().value())
}

#[test]
fn each_instance_has_the_keys() {
    assert_eq!(Of::<u8>::ONE.name(), "of.one");
    assert_eq!(Of::<String, 4>::SCHEMA.fields().len(), 3);
    assert_eq!(Of::<u8>::MANY.def().type_name(), "Vec<T>");
    struct NotSerde;
    assert_eq!(Marked::<NotSerde>::USER.name(), "user");
}
