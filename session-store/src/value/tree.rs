//! Any value, as a tree.

use super::{
    Buffer,
    error::ValueError,
    head::{Body, Stored, seal},
    ser::encode,
};
use crate::{bytes::Bytes, clock::Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// Any value that a session can hold, without knowledge of its type: for the untyped API and store inspectors.
///
/// It implements `Serialize` and `Deserialize`, so it can be written to any format and read from any self-describing
/// one. In JSON a map becomes an object, whose keys that are numbers or booleans become strings; a map with keys of
/// other kinds becomes an array of `[key, value]` pairs, bytes become an array of numbers, NaN and infinities become
/// `null`. In the session's own format every value is read back unchanged.
///
/// `Debug` shows shapes (`Str(5 bytes)`), not contents: contents are a visitor's data, and `{:?}` ends up in logs. To
/// see the contents, serialize the value, for example to JSON.
///
/// ```
/// use level_session_store::Value;
///
/// let value = Value::from(vec![1u8, 2]);
/// assert_eq!(format!("{value:?}"), "List(2 elements)");
/// assert_eq!(serde_json::to_string(&value)?, "[1,2]");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `None`, `()`, a unit struct.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of any type that is not negative.
    Uint(u128),
    /// An integer of any type that is negative. A non-negative one is written as [`Uint`](Self::Uint).
    Int(i128),
    /// An `f32`.
    F32(f32),
    /// An `f64`.
    F64(f64),
    /// A string, a `char`, a unit variant of an enum.
    Str(String),
    /// Bytes, from types that serialize as bytes (`serde_bytes`): serde treats a plain `Vec<u8>` as a list.
    Bytes(Vec<u8>),
    /// A sequence, a set, a tuple.
    List(Vec<Value>),
    /// A map, a struct (its keys are its fields' names), a variant of an enum with content (one entry), in the order
    /// in which it was written.
    Map(Vec<(Value, Value)>),
    /// A `Some` that contains `Null` or another `Some`, and could be confused with `None` without this variant. Any
    /// other `Some(x)` is written as `x`.
    Some(Box<Value>),
}

impl Value {
    /// Converts a value that implements `Serialize`.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) if the value cannot be stored: its `Serialize` fails, or it is
    /// too large or nested too deep.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, ValueError> {
        let mut body = Buffer::new();
        encode(value, &mut body)?;
        Body(&body).decode()
    }

    /// Reads the value as a `T`, with the same conversions as for a field.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if the value is of another type; the errors of [`of`](Self::of)
    /// if it is too large or nested too deep.
    ///
    /// ```
    /// use level_session_store::Value;
    ///
    /// let value = Value::from("seven");
    /// assert_eq!(value.read::<String>()?, "seven");
    /// assert_eq!(value.read::<u8>().unwrap_err().to_string(), "holds a string, expected u8");
    /// # Ok::<(), level_session_store::value::ValueError>(())
    /// ```
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        let mut body = Buffer::new();
        encode(self, &mut body)?;
        Body(&body).decode()
    }

    /// Decodes the stored bytes of one field: returns the end of its time to live, if it has one, and the value.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if the bytes are damaged, or were written by a later version of
    /// the library.
    pub fn from_stored(stored: &[u8]) -> Result<(Option<Timestamp>, Self), ValueError> {
        let stored = Stored::open(stored)?;
        Ok((stored.expires, stored.body.decode()?))
    }

    /// Encodes the value as a store keeps it.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) if the value is too large or nested too deep.
    pub fn to_stored(&self, expires: Option<Timestamp>) -> Result<Bytes, ValueError> {
        seal(expires, |out| encode(self, out))
    }

    /// Whether it is `Null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The boolean, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(it) => Some(*it),
            _ => None,
        }
    }

    /// The integer, if it is one that fits into a `u64`.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Uint(it) => u64::try_from(*it).ok(),
            Self::Int(it) => u64::try_from(*it).ok(),
            _ => None,
        }
    }

    /// The integer, if it is one that fits into an `i64`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Uint(it) => i64::try_from(*it).ok(),
            Self::Int(it) => i64::try_from(*it).ok(),
            _ => None,
        }
    }

    /// The float, if it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::F32(it) => Some(f64::from(*it)),
            Self::F64(it) => Some(*it),
            _ => None,
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(it) => Some(it),
            _ => None,
        }
    }

    /// The bytes, if the value is bytes.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(it) => Some(it),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(it) => Some(it),
            _ => None,
        }
    }

    /// The entries, if it is a map.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(Self, Self)]> {
        match self {
            Self::Map(it) => Some(it),
            _ => None,
        }
    }

    /// The value of the entry whose key is this string, if the value is a map that has such an entry: a field of a
    /// struct.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let mut entries = self.as_map()?.iter();
        entries.find_map(|(k, v)| (k.as_str() == Some(key)).then_some(v))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(_) => f.write_str("Bool"),
            Self::Uint(_) => f.write_str("Uint"),
            Self::Int(_) => f.write_str("Int"),
            Self::F32(_) => f.write_str("F32"),
            Self::F64(_) => f.write_str("F64"),
            Self::Str(it) => write!(f, "Str({} bytes)", it.len()),
            Self::Bytes(it) => write!(f, "Bytes({} bytes)", it.len()),
            Self::List(it) => write!(f, "List({} elements)", it.len()),
            Self::Map(it) => write!(f, "Map({} entries)", it.len()),
            Self::Some(it) => write!(f, "Some({it:?})"),
        }
    }
}

macro_rules! from {
    ($($t:ty => $value:expr),* $(,)?) => {$(
        impl From<$t> for Value {
            fn from(it: $t) -> Self {
                let make: fn($t) -> Self = $value;
                make(it)
            }
        }
    )*};
}

from! {
    () => |()| Self::Null,
    bool => Self::Bool,
    u8 => |n| Self::Uint(n.into()), u16 => |n| Self::Uint(n.into()), u32 => |n| Self::Uint(n.into()),
    u64 => |n| Self::Uint(n.into()), u128 => Self::Uint, usize => |n| Self::Uint(n as u128),
    i8 => |n| integer(n.into()), i16 => |n| integer(n.into()), i32 => |n| integer(n.into()),
    i64 => |n| integer(n.into()), i128 => integer, isize => |n| integer(n as i128),
    f32 => Self::F32,
    f64 => Self::F64,
    char => |c| Self::Str(c.into()),
    &str => |s| Self::Str(s.into()),
    String => Self::Str,
}

/// An integer in its canonical form.
pub(super) fn integer(n: i128) -> Value {
    match u128::try_from(n) {
        Ok(n) => Value::Uint(n),
        Err(_) => Value::Int(n),
    }
}

/// A `Some` in its canonical form.
pub(super) fn some(inner: Value) -> Value {
    match inner {
        Value::Null | Value::Some(_) => Value::Some(Box::new(inner)),
        inner => inner,
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(it: Option<T>) -> Self {
        it.map_or(Self::Null, |it| some(it.into()))
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(it: Vec<T>) -> Self {
        Self::List(it.into_iter().map(Into::into).collect())
    }
}

impl<K: Into<Self>, V: Into<Self>> FromIterator<(K, V)> for Value {
    /// A map.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        Self::Map(entries.map(|(k, v)| (k.into(), v.into())).collect())
    }
}
