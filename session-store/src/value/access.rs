//! The content of lists, maps and variants, for the deserializer.

use super::{
    error::{PathStep, ValueError},
    reader::{Astray, Head, Reader},
};
use crate::error::ErrorKind;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor, value::BorrowedStrDeserializer,
};

/// The maximum size hint: a collection may allocate for that many elements before it has read one.
const MAX_HINT: usize = 1024;

/// The elements of a list.
pub(super) struct List<'r, 'de> {
    reader: &'r mut Reader<'de>,
    len: usize,
    next: usize,
}

impl<'r, 'de> List<'r, 'de> {
    pub(super) fn new(reader: &'r mut Reader<'de>, len: usize) -> Self {
        Self {
            reader,
            len,
            next: 0,
        }
    }

    /// Returns an error if elements are left: the type expects a shorter list.
    pub(super) fn finish(&self) -> Result<(), ValueError> {
        all_taken(self.len, self.next)
    }
}

impl<'de> SeqAccess<'de> for List<'_, 'de> {
    type Error = ValueError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ValueError> {
        if self.next == self.len {
            return Ok(None);
        }
        let index = self.next;
        self.next += 1;
        match self.reader.whole(seed) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.within(PathStep::Index(index))),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some((self.len - self.next).min(MAX_HINT))
    }
}

/// Bytes, read as a list of integers.
pub(super) struct Octets<'de> {
    bytes: &'de [u8],
    next: usize,
}

impl<'de> Octets<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self { bytes, next: 0 }
    }

    pub(super) fn finish(&self) -> Result<(), ValueError> {
        all_taken(self.bytes.len(), self.next)
    }
}

impl<'de> SeqAccess<'de> for Octets<'de> {
    type Error = ValueError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ValueError> {
        let Some(&byte) = self.bytes.get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(byte.into_deserializer()).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some((self.bytes.len() - self.next).min(MAX_HINT))
    }
}

/// The kind of a map's keys.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    /// Data of any type, which errors must not show.
    Data,
    /// The fields of a struct: strings.
    Fields(&'static [&'static str]),
}

/// The entries of a map.
pub(super) struct Entries<'r, 'de> {
    reader: &'r mut Reader<'de>,
    len: usize,
    next: usize,
    /// Whether a key was read whose value was not.
    half: bool,
    keys: Keys,
    /// For an error in the value: the key, if it is a field.
    key: &'de str,
}

impl<'r, 'de> Entries<'r, 'de> {
    pub(super) fn new(reader: &'r mut Reader<'de>, len: usize, keys: Keys) -> Self {
        Self {
            reader,
            len,
            next: 0,
            half: false,
            keys,
            key: "",
        }
    }

    pub(super) fn finish(&self) -> Result<(), ValueError> {
        self.paired()?;
        all_taken(self.len, self.next)
    }

    fn paired(&self) -> Result<(), ValueError> {
        if self.half {
            return Err(ValueError::new(
                ErrorKind::Decode,
                "cannot be read: the `Deserialize` of a map in it read a key without its value",
            ));
        }
        Ok(())
    }

    #[cold]
    fn step(&self) -> PathStep {
        match self.keys {
            Keys::Fields(fields) => {
                declared(fields, self.key).map_or(PathStep::Entry, PathStep::Name)
            }
            Keys::Data => PathStep::Entry,
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = ValueError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ValueError> {
        self.paired()?;
        if self.next == self.len {
            return Ok(None);
        }
        self.next += 1;
        self.half = true;
        match self.keys {
            Keys::Data => match self.reader.whole_key(seed) {
                Ok(key) => Ok(Some(key)),
                Err(error) => Err(error.within(PathStep::Entry)),
            },
            Keys::Fields(_) => {
                self.key = name(self.reader)?;
                seed.deserialize(BorrowedStrDeserializer::new(self.key))
                    .map(Some)
            }
        }
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, ValueError> {
        self.half = false;
        match self.reader.whole(seed) {
            Ok(value) => Ok(value),
            Err(error) => Err(error.within(self.step())),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some((self.len - self.next).min(MAX_HINT))
    }
}

/// A variant with content: the only entry of a map.
pub(super) struct Variant<'r, 'de> {
    reader: &'r mut Reader<'de>,
    variants: &'static [&'static str],
    name: &'de str,
}

impl<'r, 'de> Variant<'r, 'de> {
    pub(super) fn new(reader: &'r mut Reader<'de>, variants: &'static [&'static str]) -> Self {
        Self {
            reader,
            variants,
            name: "",
        }
    }

    #[inline]
    fn content<R>(
        self,
        read: impl FnOnce(&mut Reader<'de>) -> Result<R, ValueError>,
    ) -> Result<R, ValueError> {
        self.reader.astray = Astray::No;
        match read(self.reader) {
            Ok(value) => Ok(value),
            Err(error) => Err(match declared(self.variants, self.name) {
                Some(name) => error.within(PathStep::Name(name)),
                None => error,
            }),
        }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(
        mut self,
        seed: S,
    ) -> Result<(S::Value, Self), ValueError> {
        self.name = name(self.reader)?;
        let variant = seed.deserialize(BorrowedStrDeserializer::<ValueError>::new(self.name))?;
        // The reader is astray until the content is read.
        self.reader.astray = Astray::Half;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        self.content(|reader| serde::Deserialize::deserialize(reader))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, ValueError> {
        self.content(|reader| reader.whole(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.content(|reader| reader.deserialize_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.content(|reader| reader.deserialize_struct("", fields, visitor))
    }
}

/// The name of a field or a variant.
#[inline]
fn name<'de>(reader: &mut Reader<'de>) -> Result<&'de str, ValueError> {
    match reader.head()? {
        Head::Str(name) => Ok(name),
        other => reader.refuse(&other, &"the name of a field or variant"),
    }
}

/// The declared name that equals `name`, if there is one.
fn declared(names: &'static [&'static str], name: &str) -> Option<&'static str> {
    names.iter().find(|known| **known == name).copied()
}

fn all_taken(len: usize, taken: usize) -> Result<(), ValueError> {
    if taken == len {
        return Ok(());
    }
    Err(ValueError::invalid_length(len, &Exactly(taken)))
}

struct Exactly(usize);

impl serde::de::Expected for Exactly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
