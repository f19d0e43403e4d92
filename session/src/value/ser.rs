//! `T` -> bytes, in one pass and without a tree between.

use super::{
    MAX_DEPTH, MAX_VALUE_BYTES,
    error::ValueError,
    wire::{put, put_bytes, put_len, tag, varint_len},
};
use crate::error::ErrorKind;
use serde::ser::{self, Serialize, Serializer};
use std::fmt::{self, Write as _};

/// The name under which [`Value`](super::Value) hands over a map whose keys other formats cannot have: a list of pairs
/// to them, a map here.
pub(super) const PAIRS: &str = "$level_session::pairs";

/// Appends the body of a value, without its head. On an error `out` is as it was.
///
/// # Errors
/// [`ErrorKind::Encode`] if the `Serialize` of a type fails, or the value is larger than [`MAX_VALUE_BYTES`] or nested
/// deeper than [`MAX_DEPTH`].
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let start = out.len();
    let mut writer = Writer {
        out,
        start,
        depth: 0,
        failed: false,
        pairs: Pairs::No,
    };
    let result = value.serialize(&mut writer).and_then(|()| writer.finish());
    if result.is_err() {
        out.truncate(start);
    }
    result
}

pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    depth: usize,
    /// An element failed. Whoever ignores the error of an element has written half of it, so the whole fails then.
    failed: bool,
    pairs: Pairs,
}

/// Where the writer is in a [`PAIRS`] map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pairs {
    No,
    /// The next list is one.
    List,
    /// The next tuple is an entry of one.
    Entry,
}

impl<'a> Writer<'a> {
    fn finish(&self) -> Result<(), ValueError> {
        if self.failed {
            return Err(ValueError::new(
                ErrorKind::Encode,
                "cannot be stored: a part of it failed, and its type went on regardless",
            ));
        }
        self.room_for(0)
    }

    #[inline]
    fn room_for(&self, more: usize) -> Result<(), ValueError> {
        if self.out.len() - self.start + more <= MAX_VALUE_BYTES {
            return Ok(());
        }
        Err(too_large())
    }

    #[inline]
    fn tag(&mut self, tag: u8) {
        self.out.push(tag);
    }

    #[inline]
    fn deeper(&mut self, levels: usize) -> Result<(), ValueError> {
        self.depth += levels;
        if self.depth <= MAX_DEPTH {
            return Ok(());
        }
        Err(too_deep())
    }

    #[inline]
    fn str(&mut self, text: &str) -> Result<(), ValueError> {
        self.room_for(text.len())?;
        self.tag(tag::STR);
        put_bytes(self.out, text.as_bytes());
        Ok(())
    }

    /// Opens a list or a map that lies `levels` deeper (a variant with several fields lies two deep).
    #[inline]
    fn open(
        &mut self,
        tag: u8,
        len: Option<usize>,
        levels: usize,
    ) -> Result<Items<'_, 'a>, ValueError> {
        self.deeper(levels)?;
        self.tag(tag);
        let declared = len.unwrap_or(0);
        let len_at = self.out.len();
        put_len(self.out, declared);
        Ok(Items {
            writer: self,
            len_at,
            declared,
            count: 0,
            levels,
            half: false,
            kind: Kind::Plain,
        })
    }

    /// The one-entry map that a variant with content is.
    #[inline]
    fn variant(&mut self, variant: &'static str) -> Result<(), ValueError> {
        self.tag(tag::MAP);
        put_len(self.out, 1);
        self.str(variant)
    }
}

#[cold]
fn too_large() -> ValueError {
    ValueError::new(
        ErrorKind::Encode,
        format!(
            "cannot be stored: it takes more than {MAX_VALUE_BYTES} bytes; keep large data elsewhere and its key in the session"
        ),
    )
}

#[cold]
fn too_deep() -> ValueError {
    ValueError::new(
        ErrorKind::Encode,
        format!("cannot be stored: it is nested more than {MAX_DEPTH} levels deep"),
    )
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

    /// Yes. What `#[serde(flatten)]`, untagged and internally tagged enums buffer is always read back as from a
    /// human-readable format, whatever the format says (serde's buffer does not remember). A type with two forms, such
    /// as `IpAddr`, would be written in one and read in the other.
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

    // bincode writes an unsigned number of any width in the same bytes, so the widest is every one.
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
            // What is moved is short: a null with as many marks before it as there are options around it.
            self.out.insert(at, tag::SOME);
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
            let mut items = self.open(tag::MAP, len, 1)?;
            items.kind = Kind::OfPairs;
            return Ok(items);
        }
        self.open(tag::LIST, len, 1)
    }

    fn serialize_tuple(self, len: usize) -> Result<Items<'w, 'a>, ValueError> {
        if self.pairs == Pairs::Entry {
            self.pairs = Pairs::No;
            let len_at = self.out.len();
            return Ok(Items {
                writer: self,
                len_at,
                declared: 0,
                count: 0,
                levels: 0,
                half: false,
                kind: Kind::Pair,
            });
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
    fn serialize_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Items<'w, 'a>, ValueError> {
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

/// The elements of a list, or the entries of a map, that is being written.
pub(super) struct Items<'w, 'a> {
    writer: &'w mut Writer<'a>,
    len_at: usize,
    declared: usize,
    count: usize,
    levels: usize,
    /// A key was written, its value was not.
    half: bool,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// A map that is given as a list of pairs.
    OfPairs,
    /// One pair of it: a key and a value without anything round them.
    Pair,
}

impl Items<'_, '_> {
    #[inline]
    fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let result = value.serialize(&mut *self.writer);
        self.writer.failed |= result.is_err();
        result
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        if self.kind == Kind::OfPairs {
            self.writer.pairs = Pairs::Entry;
        }
        self.write(value)?;
        self.count += 1;
        self.writer.room_for(0)
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.writer.str(key)?;
        self.write(value)?;
        self.count += 1;
        Ok(())
    }

    /// A length that was unknown, or announced wrongly, is put right at the end.
    #[inline]
    fn close(self) -> Result<(), ValueError> {
        if self.kind == Kind::Pair {
            return Ok(());
        }
        if self.half {
            return Err(unpaired());
        }
        if self.count != self.declared {
            replace_len(self.writer.out, self.len_at, self.declared, self.count);
        }
        self.writer.depth -= self.levels;
        Ok(())
    }
}

#[cold]
fn unpaired() -> ValueError {
    ValueError::new(
        ErrorKind::Encode,
        "cannot be stored: the `Serialize` of a map in it wrote a key without a value",
    )
}

fn replace_len(out: &mut Vec<u8>, at: usize, old: usize, new: usize) {
    let mut bytes = Vec::with_capacity(varint_len(new as u128));
    put_len(&mut bytes, new);
    out.splice(at..at + varint_len(old as u128), bytes);
}

macro_rules! elements {
    ($($trait:ident: $method:ident)*) => {$(
        impl ser::$trait for Items<'_, '_> {
            type Ok = ();
            type Error = ValueError;
            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
                self.element(value)
            }
            #[inline]
            fn end(self) -> Result<(), ValueError> {
                self.close()
            }
        }
    )*};
}
elements!(SerializeSeq: serialize_element SerializeTuple: serialize_element
    SerializeTupleStruct: serialize_field SerializeTupleVariant: serialize_field);

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Items<'_, '_> {
            type Ok = ();
            type Error = ValueError;
            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), ValueError> {
                self.field(key, value)
            }
            #[inline]
            fn end(self) -> Result<(), ValueError> {
                self.close()
            }
        }
    )*};
}
fields!(SerializeStruct SerializeStructVariant);

impl ser::SerializeMap for Items<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        if self.half {
            self.writer.failed = true;
            return Err(unpaired());
        }
        self.half = true;
        self.write(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.half = false;
        self.element(value)
    }

    fn end(self) -> Result<(), ValueError> {
        self.close()
    }
}

/// What a `Display` writes, as long as there is room for it.
struct Text<'w, 'a>(&'w mut Writer<'a>);

impl fmt::Write for Text<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.out.extend_from_slice(text.as_bytes());
        self.0.room_for(0).map_err(|_| fmt::Error)
    }
}
