//! The session id: generated here, visible only in the cookie, and stored as a digest.

use crate::{
    error::{Error, ErrorKind, Result},
    store::Digest,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{fmt, sync::Arc};
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of an id: 192 bits, all of them random (ASVS 7.2.3 requires 128). A multiple of three, so that its base64 has
/// exactly one spelling.
pub(crate) const ID_BYTES: usize = 24;
/// Characters of an id in a cookie.
pub(crate) const ID_CHARS: usize = 32;

/// A session id, as the text in the cookie: 32 characters of base64url. There is no public way to create one from text:
/// an id comes from the system's generator, or from a cookie whose signature was verified.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionId([u8; ID_CHARS]);

impl SessionId {
    pub(crate) fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        let mut text = [0; ID_CHARS];
        let length = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        debug_assert_eq!(length, Ok(ID_CHARS));
        Self(text)
    }

    /// The id of a cookie, all of whose characters are [valid](Self::is_char); only for the signer, after it has
    /// verified the signature.
    pub(crate) fn from_verified(text: [u8; ID_CHARS]) -> Self {
        Self(text)
    }

    /// The id of a session that had this id at a former site. It is a hash, so an id of any form becomes an id of this
    /// library, and every request with the former cookie gets the same one.
    #[cfg(feature = "node")]
    pub(crate) fn of_former(text: &[u8]) -> Self {
        let digest = Digest::of("level-session/former-id/1", text);
        let mut bytes = [0; ID_BYTES];
        bytes.copy_from_slice(&digest.as_bytes()[..ID_BYTES]);
        Self::from_bytes(bytes)
    }

    /// Whether this is a character of base64url.
    pub(crate) fn is_char(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
    }

    /// The text for the cookie.
    pub(crate) fn as_text(&self) -> &str {
        str::from_utf8(&self.0).expect("base64url is ASCII")
    }

    /// The key of the session in a store.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of("level-session/id/1", &self.0)
    }
}

impl Drop for SessionId {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.digest().short())
    }
}

/// The source of ids: the operating system's generator, or a source that a test provides.
#[derive(Clone, Default)]
pub(crate) enum IdSource {
    #[default]
    System,
    Given(Arc<dyn Fn() -> Result<[u8; ID_BYTES]> + Send + Sync>),
}

impl IdSource {
    /// A new id, or an error: never a weak id (requirement S01).
    pub(crate) fn next(&self) -> Result<SessionId> {
        match self {
            Self::System => draw(getrandom::fill),
            Self::Given(source) => source().map(SessionId::from_bytes),
        }
    }
}

/// An id all of whose bytes come from this generator.
fn draw(fill: impl FnOnce(&mut [u8]) -> Result<(), getrandom::Error>) -> Result<SessionId> {
    let mut bytes = Zeroizing::new([0; ID_BYTES]);
    fill(&mut *bytes).map_err(|cause| {
        Error::new(
            ErrorKind::Random,
            "the operating system's random generator failed while drawing a session id",
        )
        .because(cause)
    })?;
    Ok(SessionId::from_bytes(*bytes))
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "IdSource::System",
            Self::Given(_) => "IdSource::Given",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        let ids: std::collections::HashSet<_> = (0..1_000)
            .map(|_| IdSource::System.next().unwrap().0)
            .collect();
        assert_eq!(ids.len(), 1_000);
    }

    /// A time, a counter, or bytes that were never filled would result in bits that are equal in most ids (S01, S02).
    #[test]
    fn every_bit_of_an_id_is_drawn() {
        let mut ones = [0; 8 * ID_BYTES];
        for _ in 0..1_000 {
            let id = IdSource::System.next().unwrap();
            let id = URL_SAFE_NO_PAD.decode(id.as_text()).unwrap();
            for (at, ones) in ones.iter_mut().enumerate() {
                *ones += u32::from(id[at / 8] >> (at % 8) & 1);
            }
        }
        // By chance, only one bit in 10^20 deviates more from the mean.
        let odd = ones.iter().position(|ones| !(350..=650).contains(ones));
        assert_eq!(odd, None, "{ones:?}");
    }

    #[test]
    fn a_generator_that_fails_gives_no_id() {
        let error = draw(|bytes| {
            bytes[1..].fill(7); // and has filled a part
            Err(getrandom::Error::UNSUPPORTED)
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Random);
    }

    #[test]
    fn debug_shows_no_id() {
        let id = IdSource::System.next().unwrap();
        assert!(!format!("{id:?}").contains(id.as_text()));
    }
}
