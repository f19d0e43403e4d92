//! Lists and maps while they are being written.

use super::{
    error::ValueError,
    json::{self, Number, Private},
    reader::{Head, Reader},
    wire::{put_len, replace_len},
    writer::{Pairs, Writer},
};
use crate::error::ErrorKind;
use serde::ser::{self, Serialize};

/// The elements of a list, or the entries of a map, that is being written.
pub(super) struct Items<'w, 'a> {
    writer: &'w mut Writer<'a>,
    len_at: usize,
    declared: usize,
    count: usize,
    levels: usize,
    /// Whether a key was written whose value was not.
    half: bool,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// A map that arrives as a list of pairs.
    OfPairs,
    /// One pair of such a map: a key and a value, without a tag around them.
    Pair,
    /// A private struct of serde_json: written as its only field, or as the number in that field.
    Private(Private),
}

impl<'w, 'a> Items<'w, 'a> {
    /// The elements or entries after a tag that was written already.
    #[inline]
    pub(super) fn new(writer: &'w mut Writer<'a>, len: Option<usize>, levels: usize) -> Self {
        let declared = len.unwrap_or(0);
        let len_at = writer.out.len();
        put_len(writer.out, declared);
        Self {
            writer,
            len_at,
            declared,
            count: 0,
            levels,
            half: false,
            kind: Kind::Plain,
        }
    }

    /// The same entries, arriving as pairs.
    pub(super) fn of_pairs(mut self) -> Self {
        self.kind = Kind::OfPairs;
        self
    }

    /// One pair of a map that arrives as pairs.
    pub(super) fn pair(writer: &'w mut Writer<'a>) -> Self {
        Self {
            len_at: 0,
            declared: 0,
            count: 0,
            levels: 0,
            half: false,
            kind: Kind::Pair,
            writer,
        }
    }

    /// A private struct of serde_json.
    pub(super) fn private(writer: &'w mut Writer<'a>, private: Private) -> Self {
        Self {
            len_at: writer.out.len(),
            declared: 0,
            count: 0,
            levels: 0,
            half: false,
            kind: Kind::Private(private),
            writer,
        }
    }

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
        if matches!(self.kind, Kind::Private(_)) {
            self.writer.out.truncate(self.len_at);
        } else {
            let result = self.writer.str(key);
            self.writer.failed |= result.is_err();
            result?;
        }
        self.write(value)?;
        self.count += 1;
        Ok(())
    }

    /// Replaces the text by its number, if this format has a number that is exactly equal.
    fn close_number(self) -> Result<(), ValueError> {
        let Self { writer, len_at, .. } = self;
        let Ok(Head::Str(text)) = Reader::new(&writer.out[len_at..]).head() else {
            return Ok(());
        };
        let (number, text) = (json::number(text), text.to_owned());
        writer.out.truncate(len_at);
        match number {
            Some(Number::Uint(n)) => n.serialize(&mut *writer),
            Some(Number::Int(n)) => n.serialize(&mut *writer),
            Some(Number::F64(n)) => n.serialize(&mut *writer),
            None => {
                writer.deeper(1)?;
                writer.variant(json::NUMBER)?;
                writer.depth -= 1;
                writer.str(&text)
            }
        }
    }

    /// Corrects a length that was unknown, or announced wrongly, at the end.
    #[inline]
    fn close(self) -> Result<(), ValueError> {
        match self.kind {
            Kind::Private(_) if self.count == 0 => return Err(ser::Error::custom("")),
            Kind::Pair | Kind::Private(Private::Raw) => return Ok(()),
            Kind::Private(Private::Number) => return self.close_number(),
            Kind::Plain | Kind::OfPairs => {}
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
