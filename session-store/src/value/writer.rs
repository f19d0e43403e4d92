//! The part of a value that has been written, for the serializer.

use super::{
    Buffer, MAX_DEPTH, MAX_VALUE_BYTES,
    error::ValueError,
    items::Items,
    wire::{put_bytes, put_len, tag},
};
use crate::error::ErrorKind;
use std::fmt;

/// The bytes so far, and what keeps them within the limits.
pub(super) struct Writer<'a> {
    pub(super) out: &'a mut Buffer,
    start: usize,
    pub(super) depth: usize,
    /// An element failed. Whoever ignores the error of an element has written half of it, so the whole fails then.
    pub(super) failed: bool,
    pub(super) pairs: Pairs,
}

/// Where the writer is in a [`PAIRS`] map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairs {
    No,
    /// The next list is one.
    List,
    /// The next tuple is an entry of one.
    Entry,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Buffer) -> Self {
        Self {
            start: out.len(),
            out,
            depth: 0,
            failed: false,
            pairs: Pairs::No,
        }
    }

    pub(super) fn finish(&self) -> Result<(), ValueError> {
        if self.failed {
            return Err(ValueError::new(
                ErrorKind::Encode,
                "cannot be stored: a part of it failed, and its type went on regardless",
            ));
        }
        self.room_for(0)
    }

    #[inline]
    pub(super) fn room_for(&self, more: usize) -> Result<(), ValueError> {
        if self.out.len() - self.start + more <= MAX_VALUE_BYTES {
            return Ok(());
        }
        Err(too_large())
    }

    #[inline]
    pub(super) fn tag(&mut self, tag: u8) {
        self.out.push(tag);
    }

    #[inline]
    pub(super) fn deeper(&mut self, levels: usize) -> Result<(), ValueError> {
        self.depth += levels;
        if self.depth <= MAX_DEPTH {
            return Ok(());
        }
        Err(too_deep())
    }

    #[inline]
    pub(super) fn str(&mut self, text: &str) -> Result<(), ValueError> {
        self.room_for(text.len())?;
        self.tag(tag::STR);
        put_bytes(self.out, text.as_bytes());
        Ok(())
    }

    /// Opens a list or a map that lies `levels` deeper (a variant with several fields lies two deep).
    #[inline]
    pub(super) fn open(
        &mut self,
        tag: u8,
        len: Option<usize>,
        levels: usize,
    ) -> Result<Items<'_, 'a>, ValueError> {
        self.deeper(levels)?;
        self.tag(tag);
        let items = Items::new(self, len, levels);
        Ok(items)
    }

    /// The one-entry map that a variant with content is.
    #[inline]
    pub(super) fn variant(&mut self, variant: &'static str) -> Result<(), ValueError> {
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
pub(super) fn too_deep() -> ValueError {
    ValueError::new(
        ErrorKind::Encode,
        format!("cannot be stored: it is nested more than {MAX_DEPTH} levels deep"),
    )
}

/// What a `Display` writes, as long as there is room for it.
pub(super) struct Text<'w, 'a>(pub(super) &'w mut Writer<'a>);

impl fmt::Write for Text<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.out.extend_from_slice(text.as_bytes());
        self.0.room_for(0).map_err(|_| fmt::Error)
    }
}
