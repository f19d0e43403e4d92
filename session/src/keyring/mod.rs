//! The keys that sign cookies.

mod file;
#[cfg(feature = "node")]
mod former;
mod text;

#[cfg(feature = "node")]
pub(crate) use former::FormerKeys;

use crate::store::ConfigError;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// Bytes of the shortest key that is accepted: as many as HMAC-SHA-256 puts out (RFC 2104, section 3).
pub(crate) const MIN_KEY_BYTES: usize = 32;
/// Bytes of a signature.
pub(crate) const TAG_BYTES: usize = 32;

/// Bytes that SHA-256 takes in at once.
pub(crate) const BLOCK_BYTES: usize = 64;

/// The keys that sign the session cookie: the first key signs, every key verifies.
///
/// To rotate keys, put a new key first and keep the old one after it until the cookies that it signed have expired. A
/// cookie signed by an older key is accepted and sent again, signed by the first key.
///
/// The keys are prepared once, and zeroed when the last clone is dropped. They are never printed. Cloning is cheap:
/// clones share the keys.
///
/// ```
/// use level_session::Keyring;
///
/// # fn main() -> Result<(), level_session::ConfigError> {
/// let old = [7; 32]; // read them from where you keep secrets: see `from_env`
/// let new = [8; 32];
/// let keyring = Keyring::new([new, old])?;
/// assert_eq!(format!("{keyring:?}"), "Keyring { keys: 2 }");
///
/// assert!(Keyring::new(["short"]).is_err());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Keyring {
    /// Each key as an HMAC that has taken it in already, never empty. The states overwrite themselves when dropped.
    keys: Arc<[Hmac<Sha256>]>,
}

impl Keyring {
    /// Takes the keys, newest first: at least one, each of at least 32 random bytes.
    ///
    /// ```
    /// use level_session::Keyring;
    ///
    /// let (new, old) = ([8; 32], [7; 32]);
    /// let keyring = Keyring::new([new, old])?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// There is no key, a key is shorter than 32 bytes, or two keys are equal. The error names a key by its position.
    pub fn new<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Result<Self, ConfigError> {
        let keys: Vec<K> = keys.into_iter().collect();
        Self::prepare(&keys, "session keys")
    }

    /// Generates one key that is lost when the process ends: for tests and trials. A restart signs every visitor out, and no
    /// other process accepts the cookies.
    ///
    /// ```
    /// let keyring = level_session::Keyring::generate()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// The operating system's random generator failed.
    pub fn generate() -> Result<Self, ConfigError> {
        Self::new([random_key()?])
    }

    /// Checks and prepares keys that came from `setting`.
    fn prepare<K: AsRef<[u8]>>(keys: &[K], setting: &str) -> Result<Self, ConfigError> {
        let count = keys.len();
        let refuse = |problem: String| Err(ConfigError::new(setting.to_owned(), problem));
        if count == 0 {
            return refuse(format!(
                "contains no key: provide at least one of {MIN_KEY_BYTES} random bytes, such as \
                 `Keyring::generate_key()` makes"
            ));
        }
        for (i, key) in keys.iter().map(AsRef::as_ref).enumerate() {
            let nth = i + 1;
            if key.len() < MIN_KEY_BYTES {
                return refuse(format!(
                    "key {nth} of {count} has {} bytes, but at least {MIN_KEY_BYTES} random bytes are required: make one \
                     with `Keyring::generate_key()` or `openssl rand -base64 {MIN_KEY_BYTES}`",
                    key.len()
                ))
                .map_err(|refused| refused.by("RFC 2104, section 3; ASVS 11.2.3"));
            }
            if let Some(twin) = keys[..i].iter().position(|other| other.as_ref() == key) {
                return refuse(format!(
                    "keys {} and {nth} of {count} are the same: remove one, or replace it if a new key was meant",
                    twin + 1
                ));
            }
        }
        Ok(Self {
            keys: keys.iter().map(|key| hmac(key.as_ref())).collect(),
        })
    }

    /// The same keys for messages that all begin like this. It is taken in once: where it fills whole blocks of
    /// [`BLOCK_BYTES`], a message costs only what comes behind it.
    pub(crate) fn beginning(&self, message: &[&[u8]]) -> Self {
        let keys = self.keys.iter().map(|key| feed(key, message)).collect();
        Self { keys }
    }

    /// Signs a message, given in pieces, with the first key.
    pub(crate) fn sign(&self, message: &[&[u8]]) -> [u8; TAG_BYTES] {
        feed(&self.keys[0], message).finalize().into_bytes().into()
    }

    /// The position of the key that signed a message with this tag.
    ///
    /// Each comparison is constant-time, and every key is tried whether or not one before it fits: the time tells
    /// the number of keys and nothing of a tag (requirement S06, ASVS 11.2.4).
    pub(crate) fn verify(&self, message: &[&[u8]], tag: &[u8; TAG_BYTES]) -> Option<usize> {
        let mut signed_by = None;
        for (age, key) in self.keys.iter().enumerate().rev() {
            if feed(key, message).verify_slice(tag).is_ok() {
                signed_by = Some(age);
            }
        }
        signed_by
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("keys", &self.keys.len())
            .finish()
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104, section 2)")
}

fn feed(keyed: &Hmac<Sha256>, message: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = keyed.clone();
    for piece in message {
        mac.update(piece);
    }
    mac
}

fn random_key() -> Result<Zeroizing<[u8; MIN_KEY_BYTES]>, ConfigError> {
    let mut key = Zeroizing::new([0; MIN_KEY_BYTES]);
    getrandom::fill(&mut *key).map_err(|cause| {
        ConfigError::new(
            "session keys",
            "the operating system's random generator failed",
        )
        .because(cause)
    })?;
    Ok(key)
}

#[cfg(test)]
mod tests;
