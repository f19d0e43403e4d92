//! Signed ids: the only way from a cookie's text to a session id.

use super::{
    config::CookieConfig,
    read::{Lines, candidates},
};
use crate::{
    id::{ID_CHARS, SessionId},
    keyring::{BLOCK_BYTES, Keyring, TAG_BYTES},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::fmt;

/// The purpose of the signature, at the beginning of every signed message: a signature with the same key for another
/// purpose is not valid.
const PURPOSE: &[u8] = b"level-session/cookie/1\0";
/// Characters of a signature in base64url without padding.
const TAG_CHARS: usize = 43;
/// Characters of a signed id: the id, a dot, the signature. No cookie that is written here has a longer value.
pub(super) const SIGNED_CHARS: usize = ID_CHARS + 1 + TAG_CHARS;

/// The maximum number of well-formed cookies of this name that are verified in one request; later ones are ignored.
///
/// A request may contain several, planted by a neighbouring subdomain or left over under another path, and an invalid
/// one must not hide the valid one (requirement R02). The bound limits the work for a request to a fraction of a
/// millisecond per key. It is larger than the number of cookies that Chromium and Firefox keep for a site (180):
/// planted cookies evict the valid one from the browser before they push it beyond the bound. The `__Host-` prefix
/// prevents both: no other host can plant a cookie with such a name.
const MAX_CANDIDATES: usize = 200;
/// Like [`MAX_CANDIDATES`], for each cookie of a Keygrip pair: every id is verified with every signature.
pub(super) const MAX_HALVES: usize = 16;

/// The maximum number of ids with a valid signature that are considered in one request. After a cookie got another
/// path, domain or partition, a browser also sends the former cookie, whose session may have ended (requirement R13).
/// Each id may cost a load from the store, hence the bound.
const MAX_IDS: usize = 4;

/// Signs the ids of one cookie, and verifies them.
///
/// A signed id is `<id>.<HMAC-SHA-256>`, both base64url without padding. The signed message is the purpose, the length
/// of the cookie's name (8 bytes, big-endian), the name, zeros up to the next multiple of 64 bytes, the text of the id.
/// It includes the name so that the cookie of another application or purpose is not accepted as a session (requirement
/// R11). Due to the zeros, everything before the id is hashed once, when the signer is created.
///
/// In Keygrip's form the id and the signature are two cookies, and the message is `name=id`. It cannot be confused with
/// a message of the other form, since a name contains no NUL.
#[derive(Clone)]
pub(super) struct Signer {
    /// The keys for messages of this cookie: everything before the id is hashed already.
    keyring: Keyring,
    name: Box<[u8]>,
    /// The name of the cookie with the signature, in Keygrip's form.
    signature_name: Option<Box<[u8]>>,
}

/// The content of the cookie of an id.
pub(super) struct Signed {
    /// The value of the cookie.
    pub(super) value: String,
    /// The value of the cookie with the signature, in Keygrip's form.
    pub(super) apart: Option<String>,
}

/// An id whose signature was verified. Only the signer creates one.
#[derive(Debug)]
pub(crate) struct Verified {
    id: SessionId,
    key_age: usize,
}

impl Signer {
    pub(super) fn new(keyring: &Keyring, config: &CookieConfig) -> Self {
        let name = config.name().as_bytes();
        Self {
            keyring: match config.signature_name() {
                None => keyring.beginning(&[&preface(name)]),
                Some(_) => keyring.beginning(&[name, b"="]),
            },
            name: name.into(),
            signature_name: config.signature_name().map(|name| name.as_bytes().into()),
        }
    }

    /// The cookie for this id, signed with the first key.
    pub(super) fn sign(&self, id: &SessionId) -> Signed {
        let mut value = String::with_capacity(SIGNED_CHARS);
        value.push_str(id.as_text());
        let tag = self.keyring.sign(&[value.as_bytes()]);
        if self.signature_name.is_some() {
            let apart = Some(URL_SAFE_NO_PAD.encode(tag));
            return Signed { value, apart };
        }
        value.push('.');
        URL_SAFE_NO_PAD.encode_string(tag, &mut value);
        Signed { value, apart: None }
    }

    /// Finds an id in a request: in a cookie of this name that was signed here, for this cookie, with a key of the
    /// keyring. Cookies are checked in the order in which they were sent, in Keygrip's form each id with all signatures
    /// in their order, followed by the `former` ids. The first `others` ids are skipped. If there is none, that is not
    /// an error, but a new visitor (requirement R09).
    pub(super) fn find(
        &self,
        request: &Lines,
        former: impl Iterator<Item = SessionId>,
        others: usize,
    ) -> Option<Verified> {
        let former = former.map(|id| Verified { id, key_age: 1 });
        let ours = candidates(request, &self.name);
        match &self.signature_name {
            None => {
                let claims = ours.filter_map(Claim::parse).take(MAX_CANDIDATES);
                nth(self.verified(claims).chain(former), others)
            }
            Some(name) => {
                let ids = ours.filter_map(id).take(MAX_HALVES);
                let tags = || candidates(request, name).filter_map(tag).take(MAX_HALVES);
                let claims = ids.flat_map(|id| tags().map(move |tag| Claim { id, tag }));
                nth(self.verified(claims).chain(former), others)
            }
        }
    }

    fn verified<'a>(
        &self,
        claims: impl Iterator<Item = Claim<'a>>,
    ) -> impl Iterator<Item = Verified> {
        claims.filter_map(|claim| self.verify(&claim))
    }

    /// Whether a request has a signature, in Keygrip's form, and an id to which it could belong.
    pub(super) fn has_pair(&self, request: &Lines) -> bool {
        self.signature_name.as_ref().is_some_and(|name| {
            candidates(request, name).next().is_some()
                && candidates(request, &self.name).next().is_some()
        })
    }

    fn verify(&self, claim: &Claim<'_>) -> Option<Verified> {
        let key_age = self.keyring.verify(&[claim.id], &claim.tag)?;
        let id = SessionId::from_verified(*claim.id);
        Some(Verified { id, key_age })
    }
}

/// The id after skipping `others` ids.
fn nth(ids: impl Iterator<Item = Verified>, others: usize) -> Option<Verified> {
    let mut found: Vec<Verified> = Vec::new();
    for verified in ids {
        if found.iter().any(|other| other.id == verified.id) {
            continue;
        }
        if found.len() == others {
            return Some(verified);
        }
        found.push(verified);
        if found.len() == MAX_IDS {
            break;
        }
    }
    None
}

/// The part of a signed message before the id.
fn preface(name: &[u8]) -> Vec<u8> {
    let length = (name.len() as u64).to_be_bytes();
    let mut preface = [PURPOSE, &length, name].concat();
    preface.resize(preface.len().next_multiple_of(BLOCK_BYTES), 0);
    preface
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("keyring", &self.keyring)
            .finish_non_exhaustive()
    }
}

impl Verified {
    #[cfg(test)]
    pub(crate) fn id(&self) -> &SessionId {
        &self.id
    }

    pub(crate) fn into_id(self) -> SessionId {
        self.id
    }

    /// Whether the id was signed by an older key, or by a former site: then the cookie is sent again, signed by the
    /// first key (requirement R10).
    pub(crate) fn needs_resigning(&self) -> bool {
        self.key_age > 0
    }
}

/// An id and its alleged signature. Only their shape was checked.
///
/// An id with its signature has exactly one spelling: an id is its text, and the decoder rejects a signature whose last
/// character has surplus bits.
struct Claim<'a> {
    id: &'a [u8; ID_CHARS],
    tag: [u8; TAG_BYTES],
}

impl<'a> Claim<'a> {
    fn parse(value: &'a [u8]) -> Option<Self> {
        let (text, rest) = value.split_at_checked(ID_CHARS)?;
        let tag = tag(rest.strip_prefix(b".")?)?;
        let id = id(text)?;
        Some(Self { id, tag })
    }
}

fn id(text: &[u8]) -> Option<&[u8; ID_CHARS]> {
    let text: &[u8; ID_CHARS] = text.try_into().ok()?;
    // Without an early exit, so that the compiler can vectorize the loop.
    let shaped = |ok, byte: &u8| ok & SessionId::is_char(*byte);
    text.iter().fold(true, shaped).then_some(text)
}

fn tag(text: &[u8]) -> Option<[u8; TAG_BYTES]> {
    if text.len() != TAG_CHARS {
        return None;
    }
    let mut tag = [0; TAG_BYTES];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut tag) {
        Ok(TAG_BYTES) => Some(tag),
        _ => None,
    }
}
