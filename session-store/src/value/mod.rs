//! A value and its bytes: a self-describing format, and [`Value`], which represents any value of it.
//!
//! A type is written and read through serde as in JSON, and may change between deployments in the same ways (a field
//! added with a default, an `Option` added, an integer widened). Unlike in JSON, types are exact: bytes that are not
//! UTF-8, map keys that are not strings, 128-bit integers, NaN and `Option<Option<T>>` are read back unchanged. Reading
//! is checked: a string is never read as a number, and an integer must fit the type, so 300 is an error for a `u8`.
//!
//! # The bytes
//! ```text
//! stored  = head body
//! head    = 0x01                                 format version 1
//!         | 0x11 expiry                          .. of a value with a time to live: u64, little-endian,
//!                                                milliseconds since the Unix epoch
//! body    = value
//! ```
//! A body is the encoding of the [`Value`] enum by bincode 2 in its standard configuration: the index of the variant,
//! then its content.
//!
//! | tag | variant | content | Rust types |
//! |---|---|---|---|
//! | 0 | `Null` | | `None`, `()`, a unit struct |
//! | 1 | `Bool` | one byte, 0 or 1 | |
//! | 2 | `Uint` | varint | an integer of any type, 0 or above |
//! | 3 | `Int` | varint of the zigzag number: -1 is 1, -2 is 3 | an integer of any type, below 0 |
//! | 4 | `F32` | 4 bytes, IEEE 754, little-endian | |
//! | 5 | `F64` | 8 bytes, IEEE 754, little-endian | |
//! | 6 | `Str` | varint length in bytes, UTF-8 | a string, a `char`, a unit variant |
//! | 7 | `Bytes` | varint length, bytes | a value written with `serialize_bytes` |
//! | 8 | `List` | varint count, values | a sequence, a tuple, a tuple struct |
//! | 9 | `Map` | varint count, then key and value of each entry | a map; a struct (keys: `Str`); a variant with content (one entry, key: `Str`) |
//! | 10 | `Some` | a `Null` or a `Some` | a `Some` whose content is encoded as `Null` or `Some` |
//!
//! | varint of | bytes |
//! |---|---|
//! | 0 to 250 | the number |
//! | to 2^16 - 1 | 251, then 2 bytes, little-endian |
//! | to 2^32 - 1 | 252, then 4 |
//! | to 2^64 - 1 | 253, then 8 |
//! | to 2^128 - 1 | 254, then 16 |
//!
//! A newtype struct is encoded as its content, and so is a `Some`, except in the last row. Each value has exactly one
//! encoding: longer varints than needed, an `Int` that is not negative, an unnecessary `Some`, a boolean of 2, an
//! unknown tag and bytes after the end are errors. Entries of a map keep the order in which they were written; the type
//! that reads a map decides whether two entries may have the same key. A body has at most [`MAX_VALUE_BYTES`], and
//! lists, maps and `Some`s are nested at most [`MAX_DEPTH`] deep.
//!
//! # Conversions when reading
//! | stored | reads as |
//! |---|---|
//! | an integer | any integer type that holds its value; a float type that holds it exactly |
//! | a float | `f64`; `f32` if that holds it exactly; never an integer |
//! | `x` | any type that `x` reads as, and an `Option` of such a type |
//! | `None` | an `Option`, `()` |
//! | bytes, a list of integers | each other |
//! | a list | a sequence or a tuple of that length, never a struct |
//! | a map with strings for keys | a struct: fields by name, in any order; an unknown field is ignored, a missing field has its `#[serde(default)]` or is `None`. An enum, if the map has one entry |
//! | a key of a map that is an integer or a boolean | as above, and a string with its JSON text: `7` reads as `"7"` |
//! | a key of a map that is a string | as above, and an integer or a boolean if the string is its JSON text: `"7"` reads as `7`, `"07"` does not |
//! | any other value | its own kind; another kind is an error that names both |
//!
//! # Why two implementations of one format
//! bincode encodes a tree, but building a tree for every read and write would allocate for every string and every
//! element. So the serializer and the deserializer here convert directly between `T` and bytes, and use bincode for
//! each integer, float and length. The tests compare them with bincode's own encoding of the tree. bincode's serde
//! support would not do: it writes no types, so it cannot read `#[serde(flatten)]`, untagged enums or a JSON value, and
//! would misread a `u32` as an `i64`.
//!
//! # Private structs of serde_json
//! With serde_json's feature `arbitrary_precision`, a number in a `serde_json::Value` is passed to serializers as a
//! struct. It is still stored as a number if an integer of 128 bits or an `f64` equals it exactly; otherwise as the
//! struct, a map with one entry, from which serde_json reads all digits. A `RawValue` is stored as a string, its text.
//!
//! # Limitations of serde
//! - An `i128` or `u128` cannot be read inside `#[serde(flatten)]`, or an untagged or internally tagged enum: serde's
//!   buffer cannot hold it. Reading it is an error, as with JSON.
//! - serde treats a plain `Vec<u8>` as a list, which takes two to four bytes per byte: `#[serde(with = "serde_bytes")]`
//!   stores it as bytes. Either form reads as the other.
//! - A type with a human-readable and a compact form is written in the human-readable one (a `Uuid` as text), because
//!   serde's buffer always requests that form when it is read.

// In reading order: values, their stored form, and the conversion between `T` and bytes.
mod tree;
mod tree_serde;

mod counter;
mod head;

mod buffer;
mod items;
mod json;
mod ser;
mod writer;

mod access;
mod de;
mod map_key;
mod reader;

mod error;
mod wire;

#[cfg(test)]
mod tests;

pub use counter::{Add, CounterRange};
pub use error::ValueError;
pub use head::{Body, Stored, index_entry};
pub use tree::Value;

#[doc(hidden)]
pub use buffer::Buffer;
#[doc(hidden)]
pub use head::{open, seal};
#[doc(hidden)]
pub use ser::encode;

/// The maximum size of the body of one value: 1 MiB. Writing a larger value is an error
/// ([`ErrorKind::Encode`](crate::ErrorKind::Encode)), and so is reading one.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// The maximum nesting depth of lists and maps. A variant with content is a map, and its fields, if it has several, are
/// a list or a map in that map.
pub const MAX_DEPTH: usize = 128;
