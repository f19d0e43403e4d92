use super::{SessionData, Untyped};
use crate::{Result, field::Key};
use std::marker::PhantomData;

/// A session's fields, all of one moment, as a request sees them.
#[derive(Debug)]
pub struct View<'a>(PhantomData<&'a ()>);
impl View<'_> {
    /// A field that is an `Option`: `None` where nothing is stored.
    pub fn optional<T>(&self, _key: Key<T>) -> Result<Option<T>> {
        todo!()
    }
    /// Any other field: what is stored, else its default, else an error.
    pub fn required<T>(&self, _key: Key<T>) -> Result<T> {
        todo!()
    }
}

/// What a struct holds, compared with what the request sees.
#[derive(Debug)]
pub struct Diff<'a>(PhantomData<&'a ()>);
impl Diff<'_> {
    /// A field that is an `Option`: `None` removes it.
    pub fn optional<T>(&mut self, _key: Key<T>, _value: Option<&T>) -> Result<()> {
        todo!()
    }
    /// Any other field.
    pub fn required<T>(&mut self, _key: Key<T>, _value: &T) -> Result<()> {
        todo!()
    }
}

/// `TFields::load`.
pub async fn load<T: SessionData>(_session: &Untyped) -> Result<T> {
    todo!()
}
/// `TFields::store`.
pub async fn store<T: SessionData>(_session: &Untyped, _data: &T) -> Result<()> {
    todo!()
}
