//! Names of fields: typed keys, or strings.

use super::{Def, FieldDef};
use crate::name::FieldName;
use std::{fmt, sync::Arc};

/// A typed key: a field's name and type as a constant such as `Shop::USER_ID`, for code that has no accessor at hand.
///
/// The derive generates one for each field, with the name of the field in capitals and the visibility of the field.
///
/// ```
/// # use level_session_store::schema::{Def, Key};
/// # struct Shop;
/// # static DEF: Def<u64> = Def::new("user_id", "u64").index();
/// # impl Shop { const USER_ID: Key<u64> = Key::new(&DEF); }
/// let key: Key<u64> = Shop::USER_ID; // of the field `user_id: u64`
/// assert_eq!(key.name(), "user_id");
/// assert!(key.def().is_index()); // it is declared `#[session(index)]`
/// ```
pub struct Key<T: 'static> {
    def: &'static Def<T>,
}

impl<T> Key<T> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(def: &'static Def<T>) -> Self {
        Self { def }
    }

    /// The key under which the field is stored, including the namespace of its struct.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.def.erased.key
    }

    /// The key as a slice with one element, for a store.
    #[doc(hidden)]
    #[must_use]
    pub fn name_slice(self) -> &'static [&'static str; 1] {
        std::array::from_ref(&self.def.erased.key)
    }

    /// The declaration of the field.
    #[must_use]
    pub const fn def(self) -> FieldDef {
        self.def.erased
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn typed_def(self) -> &'static Def<T> {
        self.def
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Key<T> {}
impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Key({:?}: {})",
            self.def.erased.key, self.def.erased.type_name
        )
    }
}

/// Names a field in the untyped API: a string, or a typed key.
pub trait FieldKey {
    /// The key.
    fn name(&self) -> FieldName;
}

/// A [`FieldKey`] of a field that holds a `T`: a string names a field of any type, a typed key determines the type.
pub trait AsKey<T>: FieldKey {}

impl<T> FieldKey for Key<T> {
    fn name(&self) -> FieldName {
        FieldName::from_static(self.def.erased.key)
    }
}
impl<T> AsKey<T> for Key<T> {}

macro_rules! string_keys {
    ($($string:ty)*) => {$(
        impl FieldKey for $string {
            fn name(&self) -> FieldName {
                FieldName::from(Arc::<str>::from(&self[..]))
            }
        }
        impl<T> AsKey<T> for $string {}
    )*};
}
string_keys!(&str String &String std::borrow::Cow<'_, str>);

impl FieldKey for FieldName {
    fn name(&self) -> FieldName {
        self.clone()
    }
}
impl<T> AsKey<T> for FieldName {}
