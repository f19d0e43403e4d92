//! Indexes on a part of the value of a key.

use level_session_store::{
    Bytes, FieldName, Result,
    value::{self, ValueError},
};
use serde::Serialize;
use serde_json::Value;

/// An index on a part of the value of a key, selected by a JSON pointer (RFC 6901).
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) key: FieldName,
    pub(crate) pointer: String,
}

/// The index entry of a key's value, if the key has an index and the pointer selects a value.
pub(crate) fn entry(indexes: &[Index], key: &FieldName, value: &Value) -> Result<Option<Bytes>> {
    let found = indexes
        .iter()
        .find(|index| index.key == *key)
        .and_then(|index| value.pointer(&index.pointer))
        .filter(|value| !value.is_null());
    found.map(|value| entry_of(key, value)).transpose()
}

/// The index entry of a value.
pub(crate) fn entry_of<T: Serialize + ?Sized>(key: &FieldName, value: &T) -> Result<Bytes> {
    let make = || value::index_entry(&encode(value)?);
    make().map_err(|cause| cause.on_field(key.clone()))
}

/// Encodes a value in its stored form.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, ValueError> {
    value::seal(None, |out| value::encode(value, out))
}
