//! Tags and primitives: the only file that uses bincode.
//!
//! A value has the encoding of the [`Value`](super::Value) enum by bincode 2 in its standard configuration. The
//! serializer and the deserializer use this file for its parts: tags (bincode's variant index, which takes one byte up
//! to 250), integers, floats, lengths. To replace bincode by a library that writes the same bytes, change only this
//! file.

use super::{Buffer, error::ValueError};
use bincode::{
    Decode, Encode,
    config::{Configuration, standard},
    de::{DecoderImpl, read::Reader},
    enc::{EncoderImpl, write::Writer},
    error::{DecodeError, EncodeError},
};

/// The variants of [`Value`](super::Value), in its order.
pub(super) mod tag {
    pub(crate) const NULL: u8 = 0;
    pub(crate) const BOOL: u8 = 1;
    pub(crate) const UINT: u8 = 2;
    pub(crate) const INT: u8 = 3;
    pub(crate) const F32: u8 = 4;
    pub(crate) const F64: u8 = 5;
    pub(crate) const STR: u8 = 6;
    pub(crate) const BYTES: u8 = 7;
    pub(crate) const LIST: u8 = 8;
    pub(crate) const MAP: u8 = 9;
    pub(crate) const SOME: u8 = 10;
}

const CONFIG: Configuration = standard();

/// Appends a primitive as bincode writes it.
#[inline]
pub(super) fn put<T: Encode>(out: &mut Buffer, value: T) {
    value
        .encode(&mut EncoderImpl::new(Out(out), CONFIG))
        .expect("writing a primitive to memory cannot fail");
}

/// Appends a length: of a string in bytes, of a list in elements, of a map in entries.
#[inline]
pub(super) fn put_len(out: &mut Buffer, len: usize) {
    put(out, len as u64);
}

/// Appends a length and these bytes.
#[inline]
pub(super) fn put_bytes(out: &mut Buffer, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Replaces a length that was written; the following bytes move if the encoded lengths differ in size.
pub(super) fn replace_len(out: &mut Buffer, at: usize, old: usize, new: usize) {
    let mut bytes = Buffer::new();
    put_len(&mut bytes, new);
    out.splice(at..at + varint_len(old as u128), &bytes);
}

/// Reads a primitive of fixed size (`u8`, `f32`, `f64`) from the front.
#[inline]
pub(super) fn take<T: Decode<()>>(rest: &mut &[u8]) -> Result<T, ValueError> {
    T::decode(&mut DecoderImpl::new(In(rest), CONFIG, ())).map_err(|error| malformed(&error))
}

/// Reads an unsigned integer of at most 128 bits from the front; it must be in its shortest form.
#[inline]
pub(super) fn take_uint(rest: &mut &[u8]) -> Result<u128, ValueError> {
    // A fast path for most lengths and many numbers: bincode would return the same.
    if let Some((&value @ ..=250, after)) = rest.split_first() {
        *rest = after;
        return Ok(value.into());
    }
    let before = rest.len();
    let value: u128 = take(rest)?;
    if before - rest.len() == varint_len(value) {
        Ok(value)
    } else {
        Err(ValueError::damaged(
            "an integer is not in its shortest form",
        ))
    }
}

/// Reads a negative integer of at most 128 bits from the front; it must be in its shortest form.
#[inline]
pub(super) fn take_negative(rest: &mut &[u8]) -> Result<i128, ValueError> {
    let before = rest.len();
    let value: i128 = take(rest)?;
    if value >= 0 {
        return Err(ValueError::damaged(
            "an integer with the tag of negative ones is not negative",
        ));
    }
    // Zigzag: -1 is 1, -2 is 3.
    let zigzag = (!(value as u128) << 1) | 1;
    if before - rest.len() == varint_len(zigzag) {
        Ok(value)
    } else {
        Err(ValueError::damaged(
            "an integer is not in its shortest form",
        ))
    }
}

/// Reads a length from the front. Each counted item takes at least `each` bytes, so a length that exceeds the remaining
/// bytes is rejected here, before anything is allocated for it.
#[inline]
pub(super) fn take_len(rest: &mut &[u8], each: usize) -> Result<usize, ValueError> {
    let len = take_uint(rest)?;
    match usize::try_from(len) {
        Ok(len) if len <= rest.len() / each => Ok(len),
        _ => Err(ValueError::damaged("a length exceeds the remaining bytes")),
    }
}

/// Reads a length and that many bytes from the front.
#[inline]
pub(super) fn take_bytes<'de>(rest: &mut &'de [u8]) -> Result<&'de [u8], ValueError> {
    let len = take_len(rest, 1)?;
    let (bytes, after) = rest.split_at(len);
    *rest = after;
    Ok(bytes)
}

/// The size of an unsigned integer in bincode's variable-length encoding, in bytes.
#[inline]
pub(super) const fn varint_len(value: u128) -> usize {
    match value {
        0..=250 => 1,
        251..=0xFFFF => 3,
        0x1_0000..=0xFFFF_FFFF => 5,
        0x1_0000_0000..=0xFFFF_FFFF_FFFF_FFFF => 9,
        _ => 17,
    }
}

/// Converts bincode's errors; the messages quote no data.
#[cold]
fn malformed(error: &DecodeError) -> ValueError {
    ValueError::damaged(match error {
        DecodeError::UnexpectedEnd { .. } => "they end in the middle of a value",
        DecodeError::InvalidBooleanValue(_) => "a boolean is neither 0 nor 1",
        _ => "an integer has no valid length",
    })
}

struct Out<'a>(&'a mut Buffer);

impl Writer for Out<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

struct In<'r, 'de>(&'r mut &'de [u8]);

impl Reader for In<'_, '_> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), DecodeError> {
        let Some((taken, rest)) = self.0.split_at_checked(bytes.len()) else {
            let additional = bytes.len() - self.0.len();
            return Err(DecodeError::UnexpectedEnd { additional });
        };
        bytes.copy_from_slice(taken);
        *self.0 = rest;
        Ok(())
    }

    #[inline]
    fn peek_read(&mut self, n: usize) -> Option<&[u8]> {
        self.0.get(..n)
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        *self.0 = self.0.get(n..).unwrap_or_default();
    }
}

/// The other implementation of the format: bincode encodes the tree, as a derive would do it. The tests compare the
/// serializer with it.
#[cfg(test)]
pub(super) mod reference {
    use super::{super::Value, CONFIG, EncodeError};
    use bincode::{Encode, enc::Encoder};

    impl Encode for Value {
        fn encode<E: Encoder>(&self, to: &mut E) -> Result<(), EncodeError> {
            match self {
                Self::Null => 0u32.encode(to),
                Self::Bool(it) => (1u32, it).encode(to),
                Self::Uint(it) => (2u32, it).encode(to),
                Self::Int(it) => (3u32, it).encode(to),
                Self::F32(it) => (4u32, it).encode(to),
                Self::F64(it) => (5u32, it).encode(to),
                Self::Str(it) => (6u32, it).encode(to),
                Self::Bytes(it) => (7u32, it).encode(to),
                Self::List(it) => (8u32, it).encode(to),
                Self::Map(it) => (9u32, it).encode(to),
                Self::Some(it) => (10u32, it).encode(to),
            }
        }
    }

    pub(crate) fn bytes(tree: &Value) -> Vec<u8> {
        bincode::encode_to_vec(tree, CONFIG).unwrap()
    }
}
