//! The head before a body: the version of the format, flags, and the expiry of the value.

use super::{
    Buffer, MAX_VALUE_BYTES,
    error::ValueError,
    reader::{Head, Reader},
};
use crate::{bytes::Bytes, clock::Timestamp, digest::Digest, error::ErrorKind};
use serde::de::DeserializeOwned;
use std::{fmt, marker::PhantomData};

/// The low half of the head byte.
const VERSION: u8 = 1;
const VERSION_MASK: u8 = 0x0F;
/// A flag in the high half: eight bytes of expiry follow.
const EXPIRES: u8 = 0x10;

/// The longest body that is its own index entry.
const INDEX_BYTES: usize = 64;
/// The first byte of an index entry that is a digest. No body begins with it, since it is not a tag.
const INDEX_DIGEST: u8 = 0xFF;

/// The bytes that a store keeps: a head (format version, flags, expiry if there is one), then the bytes that `body`
/// appends.
///
/// # Errors
/// Those of `body`.
pub fn seal(
    expires: Option<Timestamp>,
    body: impl FnOnce(&mut Buffer) -> Result<(), ValueError>,
) -> Result<Bytes, ValueError> {
    let mut out = Buffer::new();
    match expires {
        None => out.push(VERSION),
        Some(expires) => {
            out.push(VERSION | EXPIRES);
            out.extend_from_slice(&expires.as_millis().to_le_bytes());
        }
    }
    body(&mut out)?;
    Ok(Bytes::from(&*out))
}

/// Reads the head of stored bytes.
///
/// # Errors
/// [`ErrorKind::Decode`] if a later version of the library wrote them, or they are damaged.
#[inline]
pub fn open(stored: &[u8]) -> Result<Stored<'_>, ValueError> {
    let Some((&head, mut rest)) = stored.split_first() else {
        return Err(ValueError::damaged("there are no bytes"));
    };
    if head & VERSION_MASK != VERSION || head & !(VERSION_MASK | EXPIRES) != 0 {
        return Err(unknown_format());
    }
    let mut expires = None;
    if head & EXPIRES != 0 {
        let Some((millis, after)) = rest.split_first_chunk() else {
            return Err(ValueError::damaged("they end within the expiry"));
        };
        expires = Some(Timestamp::from_millis(u64::from_le_bytes(*millis)));
        rest = after;
    }
    Ok(Stored {
        expires,
        body: Body(rest),
    })
}

#[cold]
fn unknown_format() -> ValueError {
    ValueError::new(
        ErrorKind::Decode,
        "cannot be read: its stored bytes are in a format that this version of level-session does not support",
    )
}

/// The index entry of a stored value, by which its session is found: the body if it is short, otherwise a digest of it.
/// The expiry is not part of it.
///
/// # Errors
/// Those of [`open`].
pub fn index_entry(stored: &[u8]) -> Result<Bytes, ValueError> {
    let body = open(stored)?.body.0;
    if body.len() <= INDEX_BYTES {
        return Ok(body.into());
    }
    let mut entry = [INDEX_DIGEST; 33];
    entry[1..].copy_from_slice(Digest::of("level-session/index/1", body).as_bytes());
    Ok(entry.as_slice().into())
}

/// Stored bytes whose head was read.
///
/// ```
/// use level_session_store::value::{Stored, Value};
///
/// let bytes = Value::from(7u32).to_stored(None)?;
/// let stored = Stored::open(&bytes)?;
/// assert_eq!(stored.expires(), None);
/// assert_eq!(stored.body().decode::<u64>()?, 7);
/// # Ok::<(), level_session_store::value::ValueError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    pub(super) expires: Option<Timestamp>,
    pub(super) body: Body<'a>,
}

impl<'a> Stored<'a> {
    /// Reads the head of what a store keeps for one field.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if a later version of the library wrote it, or it is damaged.
    #[inline]
    pub fn open(stored: &'a [u8]) -> Result<Self, ValueError> {
        open(stored)
    }

    /// When the value's own time to live ends, if it has one. From then on the value counts as absent.
    #[must_use]
    #[inline]
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// The value itself.
    #[must_use]
    #[inline]
    pub fn body(&self) -> Body<'a> {
        self.body
    }

    /// The body, unless its TTL has passed at `now`.
    #[must_use]
    #[inline]
    pub fn live(self, now: Timestamp) -> Option<Body<'a>> {
        self.expires
            .is_none_or(|expires| now < expires)
            .then_some(self.body)
    }
}

impl fmt::Debug for Stored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("expires", &self.expires)
            .field("body", &self.body)
            .finish()
    }
}

/// The body of a stored value.
#[derive(Clone, Copy)]
pub struct Body<'a>(pub(super) &'a [u8]);

impl<'a> Body<'a> {
    /// A body from bytes without a head.
    #[doc(hidden)]
    #[must_use]
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes, without the head.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Decodes the value as a `T`.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the value is of another type, or damaged. The error shows its shape, never the value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        let mut reader = self.reader()?;
        let value = reader.whole(PhantomData)?;
        reader.finish()?;
        Ok(value)
    }

    /// The value as an integer, if it is one.
    #[must_use]
    pub fn integer(&self) -> Option<i128> {
        let mut reader = self.reader().ok()?;
        let head = reader.head().ok()?;
        reader.finish().ok()?;
        match head {
            Head::Uint(n) => i128::try_from(n).ok(),
            Head::Int(n) => Some(n),
            _ => None,
        }
    }

    fn reader(&self) -> Result<Reader<'_>, ValueError> {
        if self.0.len() > MAX_VALUE_BYTES {
            return Err(ValueError::damaged(
                "they exceed the maximum size of a value",
            ));
        }
        Ok(Reader::new(self.0))
    }
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}
