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

/// What the signature stands for, in front of every signed message: no signature made for another purpose with the
/// same key fits.
const PURPOSE: &[u8] = b"level-session/cookie/1\0";
/// Characters of a signature in base64url without padding.
const TAG_CHARS: usize = 43;
/// Characters of a signed id: the id, a dot, the signature. No cookie that we write has a longer value.
pub(super) const SIGNED_CHARS: usize = ID_CHARS + 1 + TAG_CHARS;

/// How many well-formed cookies of our name are verified in one request; the ones behind them are not looked at.
///
/// A request may hold several, planted by a neighbouring subdomain or left over under another path, and a bad one
/// must not hide ours (requirement R02). The bound keeps a request from buying more than a fraction of a millisecond
/// of work per key, and it is larger than the number of cookies that Chromium and Firefox keep for a site (180):
/// whoever plants cookies in a browser drives ours out of the browser itself before it drives it beyond the bound.
/// Against both there is the `__Host-` prefix: nobody else can plant a cookie of such a name.
const MAX_CANDIDATES: usize = 200;
/// As [`MAX_CANDIDATES`] for each cookie of a Keygrip pair: every id is verified with every signature.
pub(super) const MAX_HALVES: usize = 16;

/// How many ids with a good signature count in one request. Where a cookie was given another path, domain or partition, a
/// browser sends the former one as well, and its session may have ended (requirement R13). Each may cost a look into
/// the store, so there is a bound.
const MAX_IDS: usize = 4;

/// Signs the ids of one cookie, and verifies them.
///
/// A signed id is `<id>.<HMAC-SHA-256>`, both base64url without padding. The message behind the signature is the
/// purpose, the length of the cookie's name (8 bytes, big-endian), the name, zeros up to the next multiple of 64 bytes,
/// the text of the id. The name is in it so that the cookie of another application or purpose is not accepted as a
/// session (requirement R11); the zeros let everything before the id be taken in once, when the signer is made.
///
/// In Keygrip's form the id and the signature are two cookies, and the message is `name=id`. It cannot be mistaken
/// for one of the other form, since a name holds no NUL.
#[derive(Clone)]
pub(super) struct Signer {
    /// For messages of this cookie: what comes before the id is taken in already.
    keyring: Keyring,
    name: Box<[u8]>,
    /// The name of the cookie with the signature, in Keygrip's form.
    signature_name: Option<Box<[u8]>>,
}

/// What the cookie of an id holds.
pub(super) struct Signed {
    /// The value of the cookie.
    pub(super) value: String,
    /// The value of the cookie with the signature, in Keygrip's form.
    pub(super) apart: Option<String>,
}

/// An id whose signature was verified. Only the signer makes one.
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

    /// An id in a request: that of a cookie of our name which was signed here, for this cookie, with a key of the
    /// keyring. The cookies count in the order in which they were sent, and of Keygrip's pairs each id with the signatures
    /// in their order, `former` ones behind them; `others` ids that come before are passed over. Anything else is no error
    /// but a visitor whom we do not know (requirement R09).
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

    /// Whether a request brings a signature, in Keygrip's form, and an id that it could be of.
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

/// The id behind so many others.
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

/// What comes before the id in a signed message.
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

    /// Whether an older key signed it, or a former site: then it is to be sent again, signed by the first key
    /// (requirement R10).
    pub(crate) fn needs_resigning(&self) -> bool {
        self.key_age > 0
    }
}

/// An id and what claims to be its signature. Nothing is known of them but their shape.
///
/// One id with one signature has one spelling: an id is its text, and the decoder refuses a signature whose last
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
    // Without an early exit, so that the compiler looks at many at once.
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
