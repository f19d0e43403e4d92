//! The key of a map, with the conversions of JSON.
//!
//! All keys in JSON are strings, so a map with keys that are numbers or booleans can be read there as one with string
//! keys, and vice versa. This format stores keys with their own type, and reads them as either.

use super::{
    de::{visit_int, visit_uint},
    error::ValueError,
    reader::{Head, Reader},
    wire::tag,
};
use serde::de::{Deserializer, Visitor};

/// The next key.
pub(super) struct MapKey<'r, 'de>(pub(super) &'r mut Reader<'de>);

impl<'de> MapKey<'_, 'de> {
    #[inline]
    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let head = self.0.head()?;
        match head {
            Head::Uint(n) => visit_uint(n, visitor),
            Head::Int(n) => visit_int(n, visitor),
            Head::Str(text) => match (text.parse(), text.parse()) {
                (Ok(n), _) if is_the_text(text, &n) => visit_uint(n, visitor),
                (_, Ok(n)) if is_the_text(text, &n) => visit_int(n, visitor),
                _ => self.0.refuse(&head, &visitor),
            },
            _ => self.0.refuse(&head, &visitor),
        }
    }

    #[inline]
    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0.head()? {
            Head::Str(text) => visitor.visit_borrowed_str(text),
            Head::Uint(n) => visitor.visit_string(n.to_string()),
            Head::Int(n) => visitor.visit_string(n.to_string()),
            Head::Bool(it) => visitor.visit_str(if it { "true" } else { "false" }),
            head => self.0.refuse(&head, &visitor),
        }
    }
}

/// Whether a text is the number as JSON writes it: `07` and `+7` are only texts.
fn is_the_text(text: &str, n: &impl ToString) -> bool {
    n.to_string() == text
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            self.integer(visitor)
        }
    )*};
}

macro_rules! as_any_value {
    ($($method:ident($($name:ident: $type:ty),*))*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, ValueError> {
            self.0.$method($($name,)* visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for MapKey<'_, 'de> {
    type Error = ValueError;

    #[inline]
    fn is_human_readable(&self) -> bool {
        true
    }

    integers!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128);

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0.head()? {
            Head::Bool(it) => visitor.visit_bool(it),
            Head::Str("true") => visitor.visit_bool(true),
            Head::Str("false") => visitor.visit_bool(false),
            head => self.0.refuse(&head, &visitor),
        }
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.text(visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.text(visitor)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.text(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0.rest.first() {
            Some(&(tag::NULL | tag::SOME)) => self.0.deserialize_option(visitor),
            _ => visitor.visit_some(self),
        }
    }

    as_any_value! {
        deserialize_any()
        deserialize_f32()
        deserialize_f64()
        deserialize_bytes()
        deserialize_byte_buf()
        deserialize_unit()
        deserialize_unit_struct(name: &'static str)
        deserialize_seq()
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier()
        deserialize_ignored_any()
    }
}
