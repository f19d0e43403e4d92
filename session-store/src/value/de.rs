//! Bytes -> `T`, checked, without an intermediate tree.

use super::{
    access::{Keys, Octets, Variant},
    error::ValueError,
    json::{self, Private},
    reader::{Head, Reader},
    wire::tag,
};
use serde::de::{
    Deserializer, Visitor,
    value::{BorrowedStrDeserializer, MapDeserializer},
};

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = ValueError;

    /// The same as for the serializer.
    #[inline]
    fn is_human_readable(&self) -> bool {
        true
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.head()? {
            Head::Null => visitor.visit_unit(),
            Head::Bool(it) => visitor.visit_bool(it),
            Head::Uint(it) => visit_uint(it, visitor),
            Head::Int(it) => visit_int(it, visitor),
            Head::F32(it) => visitor.visit_f32(it),
            Head::F64(it) => visitor.visit_f64(it),
            Head::Str(it) => visitor.visit_borrowed_str(it),
            Head::Bytes(it) => visitor.visit_borrowed_bytes(it),
            Head::List(len) => self.list(len, visitor),
            Head::Map(len) => self.map(len, Keys::Data, visitor),
            Head::Some => self.some(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.head()? {
            Head::Bool(it) => visitor.visit_bool(it),
            other => self.refuse(&other, &visitor),
        }
    }

    // Any integer: the visitor of the type rejects a value that does not fit.
    #[inline]
    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.integer(visitor)
    }
    #[inline]
    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.integer(visitor)
    }
    #[inline]
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.integer(visitor)
    }
    #[inline]
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.integer(visitor)
    }
    #[inline]
    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.integer(visitor)
    }
    #[inline]
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.integer(visitor)
    }
    #[inline]
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.integer(visitor)
    }
    #[inline]
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.integer(visitor)
    }
    #[inline]
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.integer(visitor)
    }
    #[inline]
    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.integer(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let head = self.head()?;
        match head {
            Head::F32(it) => visitor.visit_f32(it),
            Head::F64(it) if it.is_nan() || f64::from(it as f32) == it => {
                visitor.visit_f32(it as f32)
            }
            Head::Uint(it) if is_exact(it, f32::MANTISSA_DIGITS) => visitor.visit_f32(it as f32),
            Head::Int(it) if is_exact(it.unsigned_abs(), f32::MANTISSA_DIGITS) => {
                visitor.visit_f32(it as f32)
            }
            Head::F64(_) | Head::Uint(_) | Head::Int(_) => {
                Err(ValueError::unfit(head.shape(), &visitor))
            }
            other => self.refuse(&other, &visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let head = self.head()?;
        match head {
            Head::F64(it) => visitor.visit_f64(it),
            Head::F32(it) => visitor.visit_f64(f64::from(it)),
            Head::Uint(it) if is_exact(it, f64::MANTISSA_DIGITS) => visitor.visit_f64(it as f64),
            Head::Int(it) if is_exact(it.unsigned_abs(), f64::MANTISSA_DIGITS) => {
                visitor.visit_f64(it as f64)
            }
            Head::Uint(_) | Head::Int(_) => Err(ValueError::unfit(head.shape(), &visitor)),
            other => self.refuse(&other, &visitor),
        }
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.head()? {
            Head::Str(it) => visitor.visit_borrowed_str(it),
            other => self.refuse(&other, &visitor),
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    /// Bytes, or a list: a `Vec<u8>` without `serde_bytes` is stored as one.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.head()? {
            Head::Bytes(it) => visitor.visit_borrowed_bytes(it),
            Head::List(len) => self.list(len, visitor),
            other => self.refuse(&other, &visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.rest.first() {
            Some(&tag::NULL) => {
                self.head()?;
                visitor.visit_none()
            }
            Some(&tag::SOME) => {
                self.head()?;
                self.some(visitor)
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.head()? {
            Head::Null => visitor.visit_unit(),
            // A stored `Some(())` is read as `()`.
            Head::Some => self.nested(|reader| reader.deserialize_unit(visitor)),
            other => self.refuse(&other, &visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        if Private::of(name) == Some(Private::Raw) {
            return self.raw_json(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    /// A list, or bytes: a `Vec<u8>` with `serde_bytes` is stored as bytes.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.head()? {
            Head::List(len) => self.list(len, visitor),
            Head::Bytes(it) => {
                let mut octets = Octets::new(it);
                let value = visitor.visit_seq(&mut octets)?;
                octets.finish()?;
                Ok(value)
            }
            other => self.refuse(&other, &visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.head()? {
            Head::Map(len) => self.map(len, Keys::Data, visitor),
            other => self.refuse(&other, &visitor),
        }
    }

    /// A map with strings for keys. serde would also accept a list, and an integer as the index of a field: these are
    /// rejected here, since such a value was not written by a struct.
    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.head()? {
            Head::Map(len) => self.map(len, Keys::Fields(fields), visitor),
            other => self.refuse(&other, &visitor),
        }
    }

    /// A string for a unit variant, a map of one entry for any other.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.head()? {
            Head::Str(name) => visitor.visit_enum(BorrowedStrDeserializer::new(name)),
            Head::Map(1) => {
                self.nested(|reader| visitor.visit_enum(Variant::new(reader, variants)))
            }
            other => self.refuse(&other, &visitor),
        }
    }

    /// The key of a map. Names of fields and variants, for which serde would accept an index, are not read through
    /// this.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.skip()?;
        visitor.visit_unit()
    }
}

impl<'de> Reader<'de> {
    /// A JSON text in the form that serde_json requests: as the only entry of a map.
    fn raw_json<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ValueError> {
        match self.head()? {
            Head::Str(text) => {
                visitor.visit_map(MapDeserializer::new(std::iter::once((json::RAW, text))))
            }
            Head::Map(len) => self.map(len, Keys::Data, visitor),
            other => self.refuse(&other, &visitor),
        }
    }

    #[inline]
    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ValueError> {
        match self.head()? {
            Head::Uint(n) => visit_uint(n, visitor),
            Head::Int(n) => visit_int(n, visitor),
            other => self.refuse(&other, &visitor),
        }
    }
}

#[inline]
pub(super) fn visit_uint<'de, V: Visitor<'de>>(
    n: u128,
    visitor: V,
) -> Result<V::Value, ValueError> {
    match u64::try_from(n) {
        Ok(n) => visitor.visit_u64(n),
        Err(_) => visitor.visit_u128(n),
    }
}

#[inline]
pub(super) fn visit_int<'de, V: Visitor<'de>>(n: i128, visitor: V) -> Result<V::Value, ValueError> {
    match i64::try_from(n) {
        Ok(n) => visitor.visit_i64(n),
        Err(_) => visitor.visit_i128(n),
    }
}

/// Whether a float with so many bits of precision holds an integer of this magnitude exactly.
fn is_exact(magnitude: u128, precision: u32) -> bool {
    let bits = u128::BITS - magnitude.leading_zeros();
    magnitude == 0 || bits - magnitude.trailing_zeros() <= precision
}
