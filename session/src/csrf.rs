//! Tokens against cross-site request forgery, bound to a session's id.
//!
//! A token is a signature over the id, so nothing is stored, and a renewal changes it (NIST SP 800-63B-4, section 5.1;
//! ASVS 3.5.1). It is masked with random bytes, so that all tokens differ: if a page is compressed together with an
//! attacker's input, the size does not reveal the token bit by bit (the BREACH attack).

use crate::{
    error::{Error, ErrorKind, Result},
    id::SessionId,
    keyring::{Keyring, TAG_BYTES},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

const PURPOSE: &[u8] = b"level-session/csrf/1\0";

/// A token for the session of this id: 86 characters of base64url, different at every call.
pub(crate) fn token(keyring: &Keyring, id: &SessionId) -> Result<String> {
    let mut token = [0; 2 * TAG_BYTES];
    let (mask, masked) = token.split_at_mut(TAG_BYTES);
    getrandom::fill(mask).map_err(|cause| {
        let problem = "the operating system's random generator failed while drawing a CSRF token";
        Error::new(ErrorKind::Random, problem).because(cause)
    })?;
    let tag = keyring.sign(&[PURPOSE, id.as_text().as_bytes()]);
    for ((masked, mask), tag) in masked.iter_mut().zip(mask).zip(tag) {
        *masked = *mask ^ tag;
    }
    Ok(URL_SAFE_NO_PAD.encode(token))
}

/// Whether this is a token of the session with this id. The comparison is constant-time.
pub(crate) fn matches(keyring: &Keyring, id: &SessionId, token: &str) -> bool {
    let mut bytes = [0; 2 * TAG_BYTES];
    if URL_SAFE_NO_PAD.decode_slice(token, &mut bytes) != Ok(bytes.len()) {
        return false;
    }
    let (mask, masked) = bytes.split_at(TAG_BYTES);
    let mut tag = [0; TAG_BYTES];
    for ((tag, mask), masked) in tag.iter_mut().zip(mask).zip(masked) {
        *tag = mask ^ masked;
    }
    keyring
        .verify(&[PURPOSE, id.as_text().as_bytes()], &tag)
        .is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_its_session_and_key_alone() {
        let (keys, others) = (Keyring::generate().unwrap(), Keyring::generate().unwrap());
        let (id, other) = (
            SessionId::from_bytes([1; 24]),
            SessionId::from_bytes([2; 24]),
        );
        let token = token(&keys, &id).unwrap();
        assert!(matches(&keys, &id, &token));
        assert!(!matches(&keys, &other, &token));
        assert!(!matches(&others, &id, &token));
    }

    #[test]
    fn an_older_key_is_accepted() {
        let old = Keyring::new([[1; 32]]).unwrap();
        let both = Keyring::new([[2; 32], [1; 32]]).unwrap();
        let id = SessionId::from_bytes([1; 24]);
        assert!(matches(&both, &id, &token(&old, &id).unwrap()));
    }

    #[test]
    fn any_other_text_is_refused() {
        let (keys, id) = (Keyring::generate().unwrap(), SessionId::from_bytes([1; 24]));
        let good = token(&keys, &id).unwrap();
        assert_eq!(good.len(), 86);
        for at in 0..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            let bad = String::from_utf8(bad).unwrap();
            assert!(!matches(&keys, &id, &bad), "character {at} is changed");
        }
        for bad in [
            "",
            "A",
            &good[1..],
            &format!("{good}A"),
            &format!(" {good}"),
            id.as_text(),
        ] {
            assert!(!matches(&keys, &id, bad), "{bad:?}");
        }
    }

    #[test]
    fn no_two_tokens_look_alike_and_none_shows_the_id() {
        let (keys, id) = (Keyring::generate().unwrap(), SessionId::from_bytes([1; 24]));
        let (one, two) = (token(&keys, &id).unwrap(), token(&keys, &id).unwrap());
        assert_ne!(one, two);
        assert!(!one.contains(id.as_text()));
    }
}
