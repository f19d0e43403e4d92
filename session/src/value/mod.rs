//! A value and its bytes.

use crate::{
    clock::Timestamp,
    error::Error,
    field::{FieldName, Range},
    store::Bytes,
};
use serde::{Serialize, de::DeserializeOwned};

/// Any value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Null
    Null,
}

/// Why a value cannot be written or read.
#[derive(Debug)]
pub struct ValueError;

impl ValueError {
    /// The same as an error of the field.
    pub(crate) fn on_field(self, field: impl Into<FieldName>) -> Error {
        let _ = field.into();
        todo!()
    }
}

/// Appends the body of a value, without its head.
pub(crate) fn encode<T: Serialize + ?Sized>(
    _value: &T,
    _out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    todo!()
}

/// The bytes that a store keeps: a head (format version, flags, expiry if there is one), then what `body` appends.
pub(crate) fn seal(
    _expires: Option<Timestamp>,
    _body: impl FnOnce(&mut Vec<u8>) -> Result<(), ValueError>,
) -> Result<Bytes, ValueError> {
    todo!()
}

/// Reads the head of stored bytes.
pub(crate) fn open(_stored: &[u8]) -> Result<Stored<'_>, ValueError> {
    todo!()
}

/// What a session is found by: the body of a stored value if it is short, else a digest of it.
pub(crate) fn index_entry(_stored: &[u8]) -> Result<Bytes, ValueError> {
    todo!()
}

/// Stored bytes whose head was read.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    pub(crate) expires: Option<Timestamp>,
    pub(crate) body: Body<'a>,
}

impl<'a> Stored<'a> {
    /// The body, unless its TTL has passed at `now`.
    pub(crate) fn live(self, now: Timestamp) -> Option<Body<'a>> {
        self.expires
            .is_none_or(|expires| now < expires)
            .then_some(self.body)
    }
}

/// The body of a stored value.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a>(pub(crate) &'a [u8]);

impl Body<'_> {
    /// Reads it as a `T`.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        todo!()
    }
    /// Reads it as an integer, if it is one.
    pub(crate) fn integer(&self) -> Option<i128> {
        todo!()
    }
}

/// An addition to a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Add {
    /// What is added.
    pub delta: i128,
    /// What the sum must stay in.
    pub range: Range,
    /// What is added to where nothing is stored, or its TTL has passed.
    pub base: i128,
    /// When a counter that starts with this addition ends.
    pub expires: Option<Timestamp>,
}

impl Add {
    /// The bytes to store, given what is stored.
    pub fn apply(&self, _stored: Option<&[u8]>, _now: Timestamp) -> Result<Bytes, ValueError> {
        todo!()
    }
}
