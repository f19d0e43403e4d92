//! The cookies of a former Node site: they are accepted, and replaced by the cookie of this application.

use super::{
    config::CookieConfig,
    read::{Lines, candidates},
    rules,
    signer::MAX_HALVES,
};
use crate::{
    id::SessionId,
    keyring::FormerKeys,
    store::{ConfigError, Digest},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::percent_decode;
use std::{borrow::Cow, fmt};

/// The minimum length of an accepted id in characters: 128 bits in base64 (ASVS 7.2.3).
const MIN_ID: usize = 22;
/// The maximum length of an accepted id in characters.
const MAX_ID: usize = 128;
/// Characters of a signature by HMAC-SHA-256 and by HMAC-SHA-1, in base64 without padding.
const TAG_CHARS: usize = 43;
const SHORT_TAG_CHARS: usize = 27;
/// The maximum size of a value that is parsed, in bytes: every character may be percent-encoded.
const MAX_VALUE: usize = 3 * (2 + MAX_ID + 1 + TAG_CHARS);

/// The cookie of a Node site that this application replaces. A visitor who sends it keeps their session, which was
/// imported, and gets a cookie of this application: no user is signed out.
///
/// Import the sessions into the store with `level-session import`, a command of the crate `level-session-cli`, while
/// neither application runs. The page [`guide::coming`](crate::guide::coming) describes each step.
///
/// ```
/// use level_session::{FormerCookie, Keyring, MemoryStore, Sessions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = "the secret of express-session";
/// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
///     .former_cookie(FormerCookie::express("connect.sid", [secret])?)
///     .build()?;
/// # Ok(()) }
/// ```
///
/// A former cookie is used if no cookie of this application has a live session. Its signature must be valid, and its
/// session must have been imported: an unknown id creates no session. At most 16 cookies of the name are checked. Ids
/// have 22 to 128 visible ASCII characters. They have the entropy of the generator that created them: 192 bits in
/// express-session, 240 in level-session for Node.
///
/// The new cookie has another id, which is derived from the former one by SHA-256: so concurrent requests of a browser
/// get the same session. The former cookie works until the session ends or is renewed: call
/// [`renew`](crate::UntypedSession::renew) at every sign-in, as always. Remove the setting when the imported sessions
/// have expired.
#[derive(Clone)]
pub struct FormerCookie {
    name: Box<[u8]>,
    /// The name of the cookie with the signature, in Keygrip's form.
    signature_name: Option<Box<[u8]>>,
    keys: FormerKeys,
}

impl FormerCookie {
    /// The cookie of express-session, `s:<id>.<HMAC-SHA-256>`. Its name is `connect.sid`, unless the site has
    /// configured another; pass the secrets of its setting `secret`.
    ///
    /// ```
    /// use level_session::FormerCookie;
    ///
    /// # let secret = "the secret of express-session";
    /// let former = FormerCookie::express("connect.sid", [secret])?;
    /// assert!(FormerCookie::express("connect.sid", [""]).is_err()); // an empty secret
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the name is not a valid cookie name, there is no secret, or one is empty.
    pub fn express<K: AsRef<[u8]>>(
        name: impl Into<Cow<'static, str>>,
        secrets: impl IntoIterator<Item = K>,
    ) -> Result<Self, ConfigError> {
        Self::new(name.into(), secrets, false)
    }

    /// The pair of cookies of level-session for Node, and of other users of `cookies` and `keygrip`: the id in `name`,
    /// the signature of `name=id` in `name.sig`. The name is `s`, unless the site has configured another; pass the keys
    /// of its setting `keys`. Keygrip's default, SHA-1, and SHA-256 are accepted. Cookies without a signature are not.
    ///
    /// ```
    /// use level_session::FormerCookie;
    ///
    /// # let (new_key, old_key) = ("a key of the site", "an older one");
    /// let former = FormerCookie::keygrip("s", [new_key, old_key])?;
    /// assert!(FormerCookie::keygrip("s", [""; 0]).is_err()); // no key
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the name is not a valid cookie name, there is no key, or one is empty.
    pub fn keygrip<K: AsRef<[u8]>>(
        name: impl Into<Cow<'static, str>>,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, ConfigError> {
        Self::new(name.into(), keys, true)
    }

    fn new<K: AsRef<[u8]>>(
        name: Cow<'static, str>,
        keys: impl IntoIterator<Item = K>,
        is_pair: bool,
    ) -> Result<Self, ConfigError> {
        let config = CookieConfig {
            name,
            ..CookieConfig::default()
        };
        rules::name(&config)?;
        let name = config.name.as_bytes();
        Ok(Self {
            signature_name: is_pair.then(|| [name, b".sig"].concat().into()),
            name: name.into(),
            keys: FormerKeys::new(keys)?,
        })
    }

    /// The key in the store of a session that had this id at the former site, for tools that import sessions. `None`
    /// for an id that is not accepted in a former cookie: it does not consist of 22 to 128 visible ASCII characters.
    ///
    /// ```
    /// use level_session::FormerCookie;
    ///
    /// assert!(FormerCookie::digest("4wpDnuK8rkLyMG2cHX0tTZzS").is_some());
    /// assert!(FormerCookie::digest("short").is_none());
    /// ```
    #[must_use]
    pub fn digest(id: &str) -> Option<Digest> {
        former_id(id.as_bytes()).map(|id| id.digest())
    }

    /// The ids in a request with a valid signature, in the order in which they were sent.
    pub(super) fn ids(&self, request: &Lines) -> Vec<SessionId> {
        let values = candidates(request, &self.name).take(MAX_HALVES);
        let Some(signature_name) = &self.signature_name else {
            return values.filter_map(|value| self.express_id(value)).collect();
        };
        let tags = candidates(request, signature_name).filter_map(tag);
        let tags: Vec<_> = tags.take(MAX_HALVES).collect();
        let signed = |id: &[u8]| {
            let good = |tag: &Vec<u8>| self.keys.verify(&[&self.name, b"=", id], tag);
            former_id(id).filter(|_| tags.iter().any(good))
        };
        values.filter_map(signed).collect()
    }

    /// The id of a percent-encoded value `s:<id>.<signature>`.
    fn express_id(&self, value: &[u8]) -> Option<SessionId> {
        if value.len() > MAX_VALUE {
            return None;
        }
        let value: Cow<'_, [u8]> = percent_decode(value).into();
        let signed = value.strip_prefix(b"s:")?;
        let (id, tag) = signed.split_at_checked(signed.len().checked_sub(TAG_CHARS + 1)?)?;
        let tag = STANDARD_NO_PAD.decode(tag.strip_prefix(b".")?).ok()?;
        let good = self.keys.verify(&[id], &tag);
        former_id(id).filter(|_| good)
    }
}

fn former_id(text: &[u8]) -> Option<SessionId> {
    let fits = (MIN_ID..=MAX_ID).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
    fits.then(|| SessionId::of_former(text))
}

/// A signature in Keygrip's form.
fn tag(text: &[u8]) -> Option<Vec<u8>> {
    let is_one = matches!(text.len(), TAG_CHARS | SHORT_TAG_CHARS);
    is_one.then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten()
}

impl fmt::Debug for FormerCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormerCookie")
            .field("name", &self.name.escape_ascii().to_string())
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}
