//! A value and its bytes: one self-describing format, and the [`Value`] that stands for anything in it.
//!
//! A type is written and read through serde as it would be in JSON, and may change between deployments as it may there
//! (a field added with a default, an `Option` added, an integer widened), but with exact types: bytes that are not
//! UTF-8, map keys that are not strings, 128-bit integers, NaN and `Option<Option<T>>` come back as they were. Reading
//! is checked: a string is never a number, and an integer is read by its value, so that 300 is an error for a `u8`.
//!
//! # The bytes
//! ```text
//! stored  = head body
//! head    = 0x01                                 format version 1
//!         | 0x11 expiry                          .. of a value with a time to live: u64, little-endian,
//!                                                milliseconds since the Unix epoch
//! body    = value
//! ```
//! A body is the encoding that bincode 2 in its standard configuration gives the [`Value`] enum: the number of the
//! variant, then its content.
//!
//! | tag | variant | content | what it is |
//! |---|---|---|---|
//! | 0 | `Null` | | `None`, `()`, a unit struct |
//! | 1 | `Bool` | one byte, 0 or 1 | |
//! | 2 | `Uint` | varint | an integer of any type, 0 or above |
//! | 3 | `Int` | varint of the zigzag number: -1 is 1, -2 is 3 | an integer of any type, below 0 |
//! | 4 | `F32` | 4 bytes, IEEE 754, little-endian | |
//! | 5 | `F64` | 8 bytes, IEEE 754, little-endian | |
//! | 6 | `Str` | varint length in bytes, UTF-8 | a string, a `char`, a unit variant |
//! | 7 | `Bytes` | varint length, bytes | what is written with `serialize_bytes` |
//! | 8 | `List` | varint count, values | a sequence, a tuple, a tuple struct |
//! | 9 | `Map` | varint count, then key and value of each entry | a map; a struct (keys: `Str`); a variant with content (one entry, key: `Str`) |
//! | 10 | `Some` | a `Null` or a `Some` | a `Some` whose content is written as one of these |
//!
//! | varint of | bytes |
//! |---|---|
//! | 0 to 250 | the number |
//! | to 2^16 - 1 | 251, then 2 bytes, little-endian |
//! | to 2^32 - 1 | 252, then 4 |
//! | to 2^64 - 1 | 253, then 8 |
//! | to 2^128 - 1 | 254, then 16 |
//!
//! A newtype struct is its content, and a `Some` is its content but for the last row. There is one way to write a
//! value: longer varints than needed, an `Int` that is not negative, a needless `Some`, a boolean of 2, an unknown tag
//! and bytes after the end are refused. Entries of a map stay in the order in which they were written; whether two may
//! have one key is up to the type that reads them. A body has at most [`MAX_VALUE_BYTES`], and lists, maps and `Some`s
//! lie at most [`MAX_DEPTH`] deep in one another.
//!
//! # What is read as what
//! | stored | reads as |
//! |---|---|
//! | an integer | any integer type that holds its value; a float type that holds it exactly |
//! | a float | `f64`; `f32` if that holds it exactly; never an integer |
//! | `x` | what `x` reads as, and an `Option` of it |
//! | `None` | an `Option`, `()` |
//! | bytes, a list of integers | each other |
//! | a list | a sequence or a tuple of that length, never a struct |
//! | a map with strings for keys | a struct: fields by name, in any order; one that the struct does not have is passed over, one that is missing has its `#[serde(default)]` or is `None`. An enum, if there is one entry |
//! | a key of a map that is an integer or a boolean | as above, and its text in JSON, as JSON would: `7` and `"7"` are one, `"07"` is a text |
//! | a key of a map that is a string | as above, and the integer or boolean that it is the text of |
//! | anything else | its own kind; any other is an error that names both |
//!
//! # Why two ways to the same bytes
//! bincode encodes a tree, but a session that builds a tree for every read and write would allocate for every string
//! and every element. So a serializer and a deserializer of ours go straight between `T` and the bytes, taking each
//! integer, float and length from bincode; bincode's encoding of the tree itself is the measure that the tests hold
//! them to. bincode's own serde bridge cannot do it: it writes no types, so it cannot read `#[serde(flatten)]`, untagged
//! enums or a JSON value, and takes a `u32` for an `i64`.
//!
//! # What serde_json hands over
//! With its feature `arbitrary_precision` a number in a `serde_json::Value` is handed over as a struct. It is stored as a
//! number all the same, if an integer of 128 bits or an `f64` is exactly that; else as the struct, a map with one entry,
//! which serde_json reads back with all digits. A `RawValue` is stored as a string, its text.
//!
//! # What serde itself cannot do
//! - An `i128` or `u128` cannot be read inside `#[serde(flatten)]`, or an untagged or internally tagged enum: serde's
//!   buffer has no room for it. Reading it is an error, as with JSON.
//! - A plain `Vec<u8>` is a list to serde, and takes two to four bytes a byte: `#[serde(with = "serde_bytes")]` makes it
//!   bytes. What was stored as the one reads as the other.
//! - A type that has one form for people and another for machines is written in the one for people (a `Uuid` as text),
//!   because serde's buffer always asks for that one when it is read.

// In reading order: what a value is, what a store keeps of it, and how `T` becomes bytes and comes back.
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

/// The most bytes that the body of one value takes: 1 MiB. What is larger is refused when it is written
/// ([`ErrorKind::Encode`](crate::ErrorKind::Encode)), and when it is read.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// How deep lists and maps may be nested in one another. A variant with content is a map, and its fields, if it has
/// several, are a list or a map in it.
pub const MAX_DEPTH: usize = 128;
