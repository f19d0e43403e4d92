//! The keys of a former site, which only verify.

use crate::store::ConfigError;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use std::sync::Arc;

/// Bytes of a signature by HMAC-SHA-1.
const SHORT_TAG_BYTES: usize = 20;

/// The keys of a former site, each as an HMAC state that has processed it.
///
/// A short key is accepted, since it cannot create a session: an id is accepted only if its session was imported, and
/// ids cannot be guessed.
#[derive(Clone)]
pub(crate) struct FormerKeys(Arc<[Former]>);

struct Former {
    sha256: Hmac<Sha256>,
    sha1: Hmac<Sha1>,
}

impl FormerKeys {
    pub(crate) fn new<K: AsRef<[u8]>>(
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, ConfigError> {
        const SETTING: &str = "keys of the former site";
        let keys: Vec<K> = keys.into_iter().collect();
        let refuse = |problem: String| Err(ConfigError::new(SETTING, problem));
        if keys.is_empty() {
            return refuse(
                "there is no key: pass the keys with which the site signs its cookies".into(),
            );
        }
        if let Some(at) = keys.iter().position(|key| key.as_ref().is_empty()) {
            let nth = at + 1;
            return refuse(format!("key {nth} of {} is empty", keys.len()));
        }
        let former = |key: &K| Former {
            sha256: keyed(key.as_ref()),
            sha1: keyed(key.as_ref()),
        };
        Ok(Self(keys.iter().map(former).collect()))
    }

    /// Whether one of the keys signed a message, given in pieces, with this tag: HMAC-SHA-256 of 32 bytes, or HMAC-SHA-1 of
    /// 20. Comparisons are constant-time, and every key is tried, as in [`Keyring::verify`](super::Keyring::verify).
    pub(crate) fn verify(&self, message: &[&[u8]], tag: &[u8]) -> bool {
        let mut good = false;
        for key in &*self.0 {
            good |= match tag.len() {
                SHORT_TAG_BYTES => fits(&key.sha1, message, tag),
                super::TAG_BYTES => fits(&key.sha256, message, tag),
                _ => false,
            };
        }
        good
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn keyed<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC accepts a key of any length (RFC 2104, section 2)")
}

fn fits<M: Mac + Clone>(keyed: &M, message: &[&[u8]], tag: &[u8]) -> bool {
    let mut mac = keyed.clone();
    for piece in message {
        mac.update(piece);
    }
    mac.verify_slice(tag).is_ok()
}
