//! `T` -> bytes, in one pass, without an intermediate tree.

use super::{
    Buffer, MAX_DEPTH,
    error::ValueError,
    items::Items,
    json::Private,
    wire::{put, put_bytes, put_len, replace_len, tag},
    writer::{Pairs, Text, Writer, too_deep},
};
use serde::ser::{self, Serialize, Serializer};
use std::fmt::{self, Write as _};

/// The name under which [`Value`](super::Value) passes a map whose keys other formats do not support: they get a list
/// of pairs, and this serializer writes a map.
pub(super) const PAIRS: &str = "$level_session_store::pairs";

/// Appends the body of a value, without its head. On an error `out` is left unchanged.
///
/// # Errors
/// [`ErrorKind::Encode`](crate::ErrorKind::Encode) if the `Serialize` of a type fails, or the value is larger than [`MAX_VALUE_BYTES`](super::MAX_VALUE_BYTES) or nested
/// deeper than [`MAX_DEPTH`].
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Buffer) -> Result<(), ValueError> {
    let start = out.len();
    let mut writer = Writer::new(out);
    let result = value.serialize(&mut writer).and_then(|()| writer.finish());
    if result.is_err() {
        out.truncate(start);
    }
    result
}

macro_rules! unsigned {
    ($($method:ident: $t:ty)*) => {$(
        #[inline]
        fn $method(self, v: $t) -> Result<(), ValueError> {
            self.tag(tag::UINT);
            put(self.out, u64::from(v));
            Ok(())
        }
    )*};
}

macro_rules! signed {
    ($($method:ident: $t:ty, $wide:ty, $unsigned:ty)*) => {$(
        #[inline]
        fn $method(self, v: $t) -> Result<(), ValueError> {
            match <$unsigned>::try_from(v) {
                Ok(v) => {
                    self.tag(tag::UINT);
                    put(self.out, v);
                }
                Err(_) => {
                    self.tag(tag::INT);
                    put(self.out, <$wide>::from(v));
                }
            }
            Ok(())
        }
    )*};
}

impl<'w, 'a> Serializer for &'w mut Writer<'a> {
    type Ok = ();
    type Error = ValueError;
    type SerializeSeq = Items<'w, 'a>;
    type SerializeTuple = Items<'w, 'a>;
    type SerializeTupleStruct = Items<'w, 'a>;
    type SerializeTupleVariant = Items<'w, 'a>;
    type SerializeMap = Items<'w, 'a>;
    type SerializeStruct = Items<'w, 'a>;
    type SerializeStructVariant = Items<'w, 'a>;

    /// Yes. serde buffers the content of `#[serde(flatten)]`, untagged and internally tagged enums, and reads it from
    /// the buffer as from a human-readable format, even if the format is not. A type with two forms, such as `IpAddr`,
    /// would be written in one and read in the other.
    #[inline]
    fn is_human_readable(&self) -> bool {
        true
    }

    #[inline]
    fn serialize_bool(self, v: bool) -> Result<(), ValueError> {
        self.tag(tag::BOOL);
        put(self.out, v);
        Ok(())
    }

    // bincode writes an unsigned number in the same bytes for any width, so all can be written as the widest.
    unsigned!(serialize_u8: u8 serialize_u16: u16 serialize_u32: u32 serialize_u64: u64);
    signed!(serialize_i8: i8, i64, u64 serialize_i16: i16, i64, u64 serialize_i32: i32, i64, u64
        serialize_i64: i64, i64, u64 serialize_i128: i128, i128, u128);

    fn serialize_u128(self, v: u128) -> Result<(), ValueError> {
        self.tag(tag::UINT);
        put(self.out, v);
        Ok(())
    }

    fn serialize_f32(self, v: f32) -> Result<(), ValueError> {
        self.tag(tag::F32);
        put(self.out, v);
        Ok(())
    }

    #[inline]
    fn serialize_f64(self, v: f64) -> Result<(), ValueError> {
        self.tag(tag::F64);
        put(self.out, v);
        Ok(())
    }

    fn serialize_char(self, v: char) -> Result<(), ValueError> {
        self.str(v.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, v: &str) -> Result<(), ValueError> {
        self.str(v)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), ValueError> {
        self.tag(tag::STR);
        let len_at = self.out.len();
        put_len(self.out, 0);
        let text_at = self.out.len();
        let result = write!(Text(self), "{value}");
        self.room_for(0)?;
        if result.is_err() {
            return Err(ser::Error::custom("its `Display` failed"));
        }
        let len = self.out.len() - text_at;
        replace_len(self.out, len_at, 0, len);
        Ok(())
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<(), ValueError> {
        self.room_for(v.len())?;
        self.tag(tag::BYTES);
        put_bytes(self.out, v);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), ValueError> {
        self.serialize_unit()
    }

    /// `Some(x)` is written as `x`, so that a `T` can become an `Option<T>` and back, unless `x` looks like `None`.
    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ValueError> {
        let at = self.out.len();
        value.serialize(&mut *self)?;
        if let Some(&(tag::NULL | tag::SOME)) = self.out.get(at) {
            // Only few bytes move: a null, and a `Some` for each enclosing option.
            self.out.splice(at..at, &[tag::SOME]);
            if self.out.len() - at > MAX_DEPTH - self.depth + 1 {
                return Err(too_deep());
            }
        }
        Ok(())
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), ValueError> {
        self.tag(tag::NULL);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), ValueError> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), ValueError> {
        self.str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        if name == PAIRS {
            self.pairs = Pairs::List;
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.deeper(1)?;
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.depth -= 1;
        Ok(())
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items<'w, 'a>, ValueError> {
        if self.pairs == Pairs::List {
            self.pairs = Pairs::No;
            return Ok(self.open(tag::MAP, len, 1)?.of_pairs());
        }
        self.open(tag::LIST, len, 1)
    }

    fn serialize_tuple(self, len: usize) -> Result<Items<'w, 'a>, ValueError> {
        if self.pairs == Pairs::Entry {
            self.pairs = Pairs::No;
            return Ok(Items::pair(self));
        }
        self.open(tag::LIST, Some(len), 1)
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Items<'w, 'a>, ValueError> {
        self.open(tag::LIST, Some(len), 1)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items<'w, 'a>, ValueError> {
        self.variant(variant)?;
        self.open(tag::LIST, Some(len), 2)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Items<'w, 'a>, ValueError> {
        self.open(tag::MAP, len, 1)
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Items<'w, 'a>, ValueError> {
        if let Some(private) = Private::of(name) {
            return Ok(Items::private(self, private));
        }
        self.open(tag::MAP, Some(len), 1)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items<'w, 'a>, ValueError> {
        self.variant(variant)?;
        self.open(tag::MAP, Some(len), 2)
    }
}
