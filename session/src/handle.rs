//! The public handle that identifies a session in a page, a form or an audit log.

use crate::store::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{error::Error as StdError, fmt, str::FromStr};

/// Identifies a session in public: in the form of a devices page, in an audit log, on an operator's command line.
///
/// A handle is the session's key in the store, the SHA-256 of a purpose prefix and the id, as 64 hexadecimal digits. Finding
/// its session needs neither a lookup table nor the signing keys. A handle stays the same until a renewal changes the id. It is
/// useless as a cookie: an id of 192 random bits cannot be computed from its hash, and a handle has no signature. A handle
/// grants no rights by itself; the application decides what a user may do with it: see
/// [`UntypedSession::end_other`](crate::UntypedSession::end_other).
///
/// `Display` writes all digits, `Debug` the first 8, which are the [`log_id`](crate::UntypedSession::log_id).
///
/// ```
/// use level_session::SessionHandle;
///
/// let text = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// let handle: SessionHandle = text.parse()?;
/// assert_eq!(handle.to_string(), text);
/// assert!("no handle".parse::<SessionHandle>().is_err());
/// # Ok::<(), level_session::InvalidHandle>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle(Digest);

impl SessionHandle {
    pub(crate) const fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// The session's key in a store.
    #[must_use]
    pub const fn digest(self) -> Digest {
        self.0
    }

    /// The first 8 digits: enough to follow a session through a log.
    #[must_use]
    pub fn short(self) -> String {
        self.0.short()
    }
}

impl From<Digest> for SessionHandle {
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionHandle({}..)", self.short())
    }
}

impl FromStr for SessionHandle {
    type Err = InvalidHandle;

    /// Parses 64 lowercase hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(InvalidHandle(())),
        };
        let pairs = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if pairs.0.len() != bytes.len() || !pairs.1.is_empty() {
            return Err(InvalidHandle(()));
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs.0) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(Digest::from_bytes(bytes)))
    }
}

impl Serialize for SessionHandle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionHandle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// The error for text that is not a [`SessionHandle`]. It does not contain the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHandle(());

impl fmt::Display for InvalidHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid session handle: expected 64 lowercase hexadecimal digits")
    }
}

impl StdError for InvalidHandle {}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle() -> SessionHandle {
        SessionHandle::new(Digest::of("test", b"id"))
    }

    #[test]
    fn the_text_of_a_handle_leads_back_to_it() {
        let text = handle().to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(text.parse(), Ok(handle()));
        assert!(text.starts_with(&handle().short()));
        let json = serde_json::to_string(&handle()).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        let back: SessionHandle = serde_json::from_str(&json).unwrap();
        assert_eq!(back, handle());
    }

    /// Prevents: two spellings of one handle, which code that compares text would take for two sessions.
    #[test]
    fn nothing_else_is_a_handle() {
        let text = handle().to_string();
        let upper = "A".repeat(64);
        let umlauts = "ä".repeat(32);
        let long = format!("{text}00");
        for text in ["", &text[1..], &text[2..], &long, &upper, &umlauts, "0x"] {
            assert_eq!(
                text.parse::<SessionHandle>(),
                Err(InvalidHandle(())),
                "{text}"
            );
        }
        assert!(serde_json::from_str::<SessionHandle>("\"7\"").is_err());
    }

    #[test]
    fn debug_shows_the_beginning_alone() {
        let shown = format!("{:?}", handle());
        assert_eq!(shown, format!("SessionHandle({}..)", handle().short()));
    }
}
