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

/// Any value that a session can hold, when its type is not known: what the untyped API and store inspectors see.
///
/// It is `Serialize` and `Deserialize`, so it goes into any format and comes from any that describes itself. In JSON a
/// map becomes an object; keys that are numbers or booleans become strings there, a map with keys of other kinds
/// becomes an array of `[key, value]` pairs, bytes an array of numbers, NaN and infinities `null`. In the session's own
/// format everything comes back as it was.
///
/// `Debug` shows shapes (`Str(5 bytes)`), not contents: those are a visitor's data, and `{:?}` ends up in logs. Who
/// wants to see them serializes them, to JSON for instance.
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
    /// An integer of any type that is negative. One that is not is written as [`Uint`](Self::Uint).
    Int(i128),
    /// An `f32`.
    F32(f32),
    /// An `f64`.
    F64(f64),
    /// A string, a `char`, a unit variant of an enum.
    Str(String),
    /// Bytes, of types that say so (`serde_bytes`): a plain `Vec<u8>` is a list to serde.
    Bytes(Vec<u8>),
    /// A sequence, a set, a tuple.
    List(Vec<Value>),
    /// A map, a struct (its keys are its fields' names), a variant of an enum with content (one entry), in the order
    /// in which it was written.
    Map(Vec<(Value, Value)>),
    /// A `Some` of what would be taken for `None` without it: of `Null` or of another `Some`. Any other `Some(x)` is
    /// written as `x`.
    Some(Box<Value>),
}

impl Value {
    /// The tree of anything that is `Serialize`.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) if it cannot be stored: its `Serialize` fails, or it is too
    /// large or too deep.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, ValueError> {
        let mut body = Buffer::new();
        encode(value, &mut body)?;
        Body(&body).decode()
    }

    /// Reads it as a `T`, by the rules by which a field is read.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if it is of another type; as [`of`](Self::of) if it is too
    /// large or too deep.
    ///
    /// ```
    /// use level_session_store::Value;
    ///
    /// let value = Value::from("seven");
    /// assert_eq!(value.read::<String>()?, "seven");
    /// assert_eq!(value.read::<u8>().unwrap_err().to_string(), "holds a string where u8 was asked for");
    /// # Ok::<(), level_session_store::value::ValueError>(())
    /// ```
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        let mut body = Buffer::new();
        encode(self, &mut body)?;
        Body(&body).decode()
    }

    /// Reads what a store keeps for one field: when its own time to live ends, if it has one, and the value.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if the bytes are damaged, or a later version of the library
    /// wrote them.
    pub fn from_stored(stored: &[u8]) -> Result<(Option<Timestamp>, Self), ValueError> {
        let stored = Stored::open(stored)?;
        Ok((stored.expires, stored.body.decode()?))
    }

    /// The bytes that a store keeps for it.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) if it is too large or too deep.
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

    /// The integer, if it is one that a `u64` holds.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Uint(it) => u64::try_from(*it).ok(),
            Self::Int(it) => u64::try_from(*it).ok(),
            _ => None,
        }
    }

    /// The integer, if it is one that an `i64` holds.
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

    /// The bytes, if it is bytes.
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

    /// The value of an entry with this string for its key, if it is a map that has one: a field of a struct.
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

/// An integer in its one form.
pub(super) fn integer(n: i128) -> Value {
    match u128::try_from(n) {
        Ok(n) => Value::Uint(n),
        Err(_) => Value::Int(n),
    }
}

/// A `Some` in its one form.
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
