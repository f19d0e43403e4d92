//! Converts a [`Value`] to and from any format of serde.

use super::{
    ser::PAIRS,
    tree::{Value, integer, some},
};
use serde::{
    de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor},
    ser::{Serialize, SerializeMap as _, Serializer},
};
use std::fmt;

/// The maximum number of elements to allocate for because a format announces them.
const MAX_HINT: usize = 1024;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(it) => serializer.serialize_bool(*it),
            // Not every format supports 128-bit integers, so they are used only if necessary.
            Self::Uint(it) => match u64::try_from(*it) {
                Ok(it) => serializer.serialize_u64(it),
                Err(_) => serializer.serialize_u128(*it),
            },
            Self::Int(it) => match i64::try_from(*it) {
                Ok(it) => serializer.serialize_i64(it),
                Err(_) => serializer.serialize_i128(*it),
            },
            Self::F32(it) => serializer.serialize_f32(*it),
            Self::F64(it) => serializer.serialize_f64(*it),
            Self::Str(it) => serializer.serialize_str(it),
            Self::Bytes(it) => serializer.serialize_bytes(it),
            Self::List(it) => it.serialize(serializer),
            Self::Map(it) if it.iter().all(|(key, _)| is_plain_key(key)) => {
                let mut map = serializer.serialize_map(Some(it.len()))?;
                for (key, value) in it {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            // This crate's serializer knows the name and writes a map.
            Self::Map(it) => serializer.serialize_newtype_struct(PAIRS, it),
            Self::Some(it) => serializer.serialize_some(it),
        }
    }
}

/// Whether JSON supports this key.
fn is_plain_key(key: &Value) -> bool {
    matches!(
        key,
        Value::Str(_) | Value::Uint(_) | Value::Int(_) | Value::Bool(_)
    )
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer).map(some)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        Value::deserialize(inner)
    }
    fn visit_bool<E: Error>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }
    fn visit_u64<E: Error>(self, it: u64) -> Result<Value, E> {
        Ok(Value::Uint(it.into()))
    }
    fn visit_u128<E: Error>(self, it: u128) -> Result<Value, E> {
        Ok(Value::Uint(it))
    }
    fn visit_i64<E: Error>(self, it: i64) -> Result<Value, E> {
        Ok(integer(it.into()))
    }
    fn visit_i128<E: Error>(self, it: i128) -> Result<Value, E> {
        Ok(integer(it))
    }
    fn visit_f32<E: Error>(self, it: f32) -> Result<Value, E> {
        Ok(Value::F32(it))
    }
    fn visit_f64<E: Error>(self, it: f64) -> Result<Value, E> {
        Ok(Value::F64(it))
    }
    fn visit_str<E: Error>(self, it: &str) -> Result<Value, E> {
        Ok(Value::Str(it.to_owned()))
    }
    fn visit_string<E: Error>(self, it: String) -> Result<Value, E> {
        Ok(Value::Str(it))
    }
    fn visit_bytes<E: Error>(self, it: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(it.to_owned()))
    }
    fn visit_byte_buf<E: Error>(self, it: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(it))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut elements = Vec::with_capacity(list.size_hint().unwrap_or(0).min(MAX_HINT));
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Value::List(elements))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0).min(MAX_HINT));
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Map(entries))
    }
}
