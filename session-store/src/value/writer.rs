//! The serializer's output: the part of a value that was written so far.

use super::{
    Buffer, MAX_DEPTH, MAX_VALUE_BYTES,
    error::ValueError,
    items::Items,
    wire::{put_bytes, put_len, tag},
};
use crate::error::ErrorKind;
use std::fmt;

/// The bytes written so far, and the state that enforces the limits.
pub(super) struct Writer<'a> {
    pub(super) out: &'a mut Buffer,
    start: usize,
    pub(super) depth: usize,
    /// Whether an element failed. A `Serialize` that ignores the error has written a part of the element, so the whole
    /// value fails.
    pub(super) failed: bool,
    pub(super) pairs: Pairs,
}

/// The position of the writer in a [`PAIRS`] map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairs {
    No,
    /// The next list is the map.
    List,
    /// The next tuple is an entry of the map.
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
                "cannot be stored: its `Serialize` ignored the error of a part",
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

    /// Opens a list or a map that is `levels` deeper (the fields of a variant with several are two levels deeper).
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

    /// Opens the map with one entry that represents a variant with content.
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
            "cannot be stored: it takes more than {MAX_VALUE_BYTES} bytes; keep large data elsewhere, and its key in the session"
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

/// Appends the text of a `Display`, within the size limit.
pub(super) struct Text<'w, 'a>(pub(super) &'w mut Writer<'a>);

impl fmt::Write for Text<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.out.extend_from_slice(text.as_bytes());
        self.0.room_for(0).map_err(|_| fmt::Error)
    }
}
