//! Reads the bytes of a body from front to back: heads, depth, and skipped values.

use super::{
    MAX_DEPTH,
    access::{Entries, Keys, List},
    error::{Shape, ValueError},
    map_key::MapKey,
    wire::{tag, take, take_bytes, take_len, take_negative, take_uint},
};
use crate::error::ErrorKind;
use serde::de::{DeserializeSeed, Expected, Visitor};
use std::any::type_name;

/// The rest of a body.
pub(super) struct Reader<'de> {
    pub(super) rest: &'de [u8],
    depth: usize,
    pub(super) astray: Astray<'de>,
}

/// Whether the rest begins with a value. A type may ignore an error and continue, or not read a value that it was
/// offered; the values next to it must still be read from their beginning.
#[derive(Clone, Copy)]
pub(super) enum Astray<'de> {
    No,
    /// A value was read only in part.
    Half,
    /// The value that begins here was read only in part.
    From(&'de [u8]),
}

/// The head of a value: all of a scalar, the length of a list or a map.
pub(super) enum Head<'de> {
    Null,
    Bool(bool),
    Uint(u128),
    Int(i128),
    F32(f32),
    F64(f64),
    Str(&'de str),
    Bytes(&'de [u8]),
    List(usize),
    Map(usize),
    Some,
}

impl Head<'_> {
    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Null | Self::Some => "null",
            Self::Bool(_) => "a boolean",
            Self::Uint(_) | Self::Int(_) => "an integer",
            Self::F32(_) | Self::F64(_) => "a float",
            Self::Str(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl<'de> Reader<'de> {
    pub(super) fn new(body: &'de [u8]) -> Self {
        Self {
            rest: body,
            depth: 0,
            astray: Astray::No,
        }
    }

    #[inline]
    pub(super) fn head(&mut self) -> Result<Head<'de>, ValueError> {
        let head = self.parse_head();
        if head.is_err() {
            self.astray = Astray::Half;
        }
        head
    }

    #[inline]
    fn parse_head(&mut self) -> Result<Head<'de>, ValueError> {
        let rest = &mut self.rest;
        Ok(match take::<u8>(rest)? {
            tag::NULL => Head::Null,
            tag::BOOL => Head::Bool(take(rest)?),
            tag::UINT => Head::Uint(take_uint(rest)?),
            tag::INT => Head::Int(take_negative(rest)?),
            tag::F32 => Head::F32(take(rest)?),
            tag::F64 => Head::F64(take(rest)?),
            tag::STR => Head::Str(
                str::from_utf8(take_bytes(rest)?)
                    .map_err(|_| ValueError::damaged("a string is not UTF-8"))?,
            ),
            tag::BYTES => Head::Bytes(take_bytes(rest)?),
            tag::LIST => Head::List(take_len(rest, 1)?),
            tag::MAP => Head::Map(take_len(rest, 2)?),
            tag::SOME => match rest.first() {
                Some(&(tag::NULL | tag::SOME)) => Head::Some,
                _ => return Err(ValueError::damaged("a `Some` is unnecessary")),
            },
            _ => return Err(ValueError::damaged("a tag is unknown")),
        })
    }

    /// Returns an error unless the end of the body is reached.
    pub(super) fn finish(&self) -> Result<(), ValueError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(ValueError::damaged(
            "there are bytes after the end of the value",
        ))
    }

    /// Reads one value with `seed`, and continues after the value, regardless of how much the seed read.
    #[inline]
    pub(super) fn whole<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, ValueError> {
        self.whole_by(|reader| seed.deserialize(reader))
    }

    /// Like [`whole`](Self::whole), for the key of a map.
    #[inline]
    pub(super) fn whole_key<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, ValueError> {
        self.whole_by(|reader| seed.deserialize(MapKey(reader)))
    }

    #[inline]
    fn whole_by<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ValueError>,
    ) -> Result<T, ValueError> {
        if !matches!(self.astray, Astray::No) {
            self.realign()?;
        }
        let start = self.rest;
        match read(self) {
            Ok(value) => {
                let unread = self.rest.len() == start.len();
                if unread || !matches!(self.astray, Astray::No) {
                    self.astray = Astray::From(start);
                    self.realign()?;
                }
                Ok(value)
            }
            Err(error) => Err(self.went_wrong(start, error, type_name::<T>())),
        }
    }

    /// Skips the value that was read only in part.
    #[cold]
    fn realign(&mut self) -> Result<(), ValueError> {
        match self.astray {
            Astray::No => Ok(()),
            Astray::From(start) => {
                self.rest = start;
                self.astray = Astray::No;
                self.skip()
            }
            Astray::Half => Err(ValueError::new(
                ErrorKind::Decode,
                "cannot be read: its `Deserialize` ignored an error, or did not read a part",
            )),
        }
    }

    #[cold]
    fn went_wrong(
        &mut self,
        start: &'de [u8],
        error: ValueError,
        wanted: &'static str,
    ) -> ValueError {
        self.astray = Astray::From(start);
        let head = Reader::new(start).head();
        let shape = head.map_or("damaged bytes", |head| head.shape());
        error.refused(shape, wanted)
    }

    /// Skips one value.
    pub(super) fn skip(&mut self) -> Result<(), ValueError> {
        let values = match self.head()? {
            Head::List(len) => len,
            Head::Map(len) => 2 * len,
            Head::Some => 1,
            _ => return Ok(()),
        };
        self.nested(|reader| (0..values).try_for_each(|_| reader.skip()))
    }

    /// Calls `f` one level deeper. An error leaves the reader astray.
    #[inline]
    pub(super) fn nested<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, ValueError>,
    ) -> Result<R, ValueError> {
        if self.depth == MAX_DEPTH {
            self.astray = Astray::Half;
            return Err(ValueError::damaged("a value is nested too deep"));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        if result.is_err() {
            self.astray = Astray::Half;
        }
        result
    }

    /// Reads the content of a [`Head::Some`].
    pub(super) fn some<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ValueError> {
        self.nested(|reader| {
            let inner = reader.rest.len();
            let value = visitor.visit_some(&mut *reader)?;
            if reader.rest.len() == inner {
                reader.astray = Astray::Half;
            }
            Ok(value)
        })
    }

    #[inline]
    pub(super) fn list<V: Visitor<'de>>(
        &mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.nested(|reader| {
            let mut list = List::new(reader, len);
            let value = visitor.visit_seq(&mut list)?;
            list.finish()?;
            Ok(value)
        })
    }

    #[inline]
    pub(super) fn map<V: Visitor<'de>>(
        &mut self,
        len: usize,
        keys: Keys,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.nested(|reader| {
            let mut entries = Entries::new(reader, len, keys);
            let value = visitor.visit_map(&mut entries)?;
            entries.finish()?;
            Ok(value)
        })
    }

    #[cold]
    pub(super) fn refuse<R>(
        &mut self,
        head: &Head<'_>,
        wanted: &dyn Expected,
    ) -> Result<R, ValueError> {
        self.astray = Astray::Half;
        Err(ValueError::mismatch(head.shape(), wanted))
    }
}
