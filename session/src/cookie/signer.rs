//! Signed ids: the only way from a cookie's text to a session id.

use super::read::candidates;
use crate::{
    id::{ID_CHARS, SessionId},
    keyring::{Keyring, TAG_BYTES},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderMap;
use std::fmt;

/// What the signature stands for, in front of every signed message: no signature made for another purpose with the
/// same key fits.
const PURPOSE: &[u8] = b"level-session/cookie/1\0";
/// Characters of a signature in base64url without padding.
const TAG_CHARS: usize = 43;
/// Characters of a signed id: the id, a dot, the signature.
pub(crate) const SIGNED_CHARS: usize = ID_CHARS + 1 + TAG_CHARS;

/// How many well-formed cookies of our name are verified in one request; the ones behind them are not looked at.
///
/// A request may hold several, planted by a neighbouring subdomain or left over under another path, and a bad one
/// must not hide ours (requirement R02). The bound keeps a request from buying more than a tenth of a millisecond or
/// so of work per key, and it is larger than the number of cookies that Chromium and Firefox keep for a site (180):
/// whoever plants cookies in a browser drives ours out of the browser itself before it drives it beyond the bound.
/// Against both there is the `__Host-` prefix: nobody else can plant a cookie of such a name.
const MAX_CANDIDATES: usize = 200;

/// Signs the ids of one cookie, and verifies them.
///
/// A signed id is `<id>.<HMAC-SHA-256>`, both base64url without padding. The message behind the signature is the
/// purpose, the length of the cookie's name (8 bytes, big-endian), the name, the text of the id. The name is in it
/// so that the cookie of another application or purpose is not accepted as a session (requirement R11).
#[derive(Clone)]
pub(crate) struct Signer {
    keyring: Keyring,
    name: Box<[u8]>,
    name_length: [u8; 8],
}

/// An id whose signature was verified. Only the signer makes one.
#[derive(Debug)]
pub(crate) struct Verified {
    id: SessionId,
    key_age: usize,
}

impl Signer {
    pub(crate) fn new(keyring: Keyring, cookie_name: &str) -> Self {
        Self {
            keyring,
            name: cookie_name.as_bytes().into(),
            name_length: (cookie_name.len() as u64).to_be_bytes(),
        }
    }

    /// The value of the cookie for this id: 76 characters, signed with the first key.
    pub(crate) fn sign(&self, id: &SessionId) -> String {
        let mut value = String::with_capacity(SIGNED_CHARS);
        value.push_str(&id.to_text());
        let tag = self.keyring.sign(&self.message(value.as_bytes()));
        value.push('.');
        URL_SAFE_NO_PAD.encode_string(tag, &mut value);
        value
    }

    /// The id in a cookie's value, if it was signed here, for this cookie, with a key of the keyring. Anything else
    /// is no error but a visitor whom we do not know (requirement R09).
    pub(crate) fn verify(&self, value: &[u8]) -> Option<Verified> {
        self.check(&Signed::parse(value)?)
    }

    /// The id in a request: that of the first cookie of our name which verifies, in the order in which they were
    /// sent.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<Verified> {
        self.first(candidates(headers, &self.name))
    }

    /// Work is counted, so that a request cannot buy an unlimited amount of it: see [`MAX_CANDIDATES`].
    fn first<'a>(&self, candidates: impl Iterator<Item = &'a [u8]>) -> Option<Verified> {
        candidates
            .filter_map(Signed::parse)
            .take(MAX_CANDIDATES)
            .find_map(|signed| self.check(&signed))
    }

    fn check(&self, signed: &Signed<'_>) -> Option<Verified> {
        let message = self.message(signed.id);
        let key_age = self.keyring.verify(&message, &signed.tag)?;
        let id = SessionId::from_verified(signed.id)?;
        Some(Verified { id, key_age })
    }

    fn message<'a>(&'a self, id: &'a [u8]) -> [&'a [u8]; 4] {
        [PURPOSE, &self.name_length, &self.name, id]
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("keyring", &self.keyring)
            .field("cookie", &self.name.escape_ascii().to_string())
            .finish()
    }
}

impl Verified {
    pub(crate) fn id(&self) -> &SessionId {
        &self.id
    }

    pub(crate) fn into_id(self) -> SessionId {
        self.id
    }

    /// Whether an older key signed it: then it is to be sent again, signed by the first (requirement R10).
    pub(crate) fn needs_resigning(&self) -> bool {
        self.key_age > 0
    }
}

/// A value that has the shape of a signed id. Nothing is known of it yet.
struct Signed<'a> {
    id: &'a [u8],
    tag: [u8; TAG_BYTES],
}

impl<'a> Signed<'a> {
    /// One id with one signature has one spelling: the lengths are fixed, the id's fill whole bytes, and the decoder
    /// refuses a last character with surplus bits.
    fn parse(value: &'a [u8]) -> Option<Self> {
        let (id, rest) = value.split_at_checked(ID_CHARS)?;
        let [b'.', text @ ..] = rest else { return None };
        let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if text.len() != TAG_CHARS || !id.iter().all(base64url) {
            return None;
        }
        let mut tag = [0; TAG_BYTES];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut tag) {
            Ok(TAG_BYTES) => Some(Self { id, tag }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::IdSource;

    fn signer(keys: &[u8]) -> Signer {
        let keys = keys.iter().map(|byte| [*byte; 32]);
        Signer::new(Keyring::new(keys).unwrap(), "__Host-s")
    }

    fn id() -> SessionId {
        IdSource::System.next().unwrap()
    }

    #[test]
    fn a_signed_id_comes_back() {
        let (signer, id) = (signer(&[1]), id());
        let value = signer.sign(&id);
        assert_eq!(value.len(), SIGNED_CHARS);
        let verified = signer.verify(value.as_bytes()).unwrap();
        assert!(*verified.id() == id);
        assert!(!verified.needs_resigning());
    }
}
