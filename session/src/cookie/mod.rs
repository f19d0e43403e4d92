//! The cookie on the wire: how it is configured, read, verified and written.
//!
//! A request's headers give raw candidates ([`read`]), of which the first that was signed here gives an id
//! ([`signer`]); a response gets it as `Set-Cookie` ([`write`]) as the application wants it ([`config`]).
//! [`SessionCookie`] is all of it in one.

mod config;
mod read;
mod rules;
mod signer;
mod write;

pub use config::{CookieConfig, CookieConfigBuilder, SameSite};
pub(crate) use signer::Verified;

use crate::{id::SessionId, keyring::Keyring};
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};
use signer::Signer;
use std::time::Duration;

/// The session cookie of an application: request headers in, an id out; an id in, response headers out.
#[derive(Clone, Debug)]
pub(crate) struct SessionCookie {
    config: CookieConfig,
    signer: Signer,
}

impl SessionCookie {
    pub(crate) fn new(keyring: Keyring, config: CookieConfig) -> Self {
        let signer = Signer::new(keyring, config.name());
        Self { config, signer }
    }

    /// The id that a request brings, if one was signed here. It is taken from the Cookie header and from nowhere
    /// else (requirement R08).
    pub(crate) fn find(&self, request: &HeaderMap) -> Option<Verified> {
        self.signer.find(request)
    }

    /// Gives the visitor the cookie; `remaining` is the time that the session will live if it is not used.
    pub(crate) fn set(
        &self,
        response: &mut HeaderMap,
        id: &SessionId,
        remaining: Option<Duration>,
    ) {
        let value = self.signer.sign(id);
        self.put(response, write::set(&self.config, &value, remaining));
    }

    /// Takes the cookie away from the visitor.
    pub(crate) fn remove(&self, response: &mut HeaderMap) {
        self.put(response, write::remove(&self.config));
    }

    /// Adds the header in place of any other that sets a cookie of this name: a response has one at most, whatever
    /// the application put there (requirement C08, RFC 6265bis, section 4.1.1).
    fn put(&self, response: &mut HeaderMap, header: HeaderValue) {
        let is_ours = |other: &HeaderValue| {
            read::pair(other.as_bytes())
                .is_some_and(|(name, _)| name == self.config.name().as_bytes())
        };
        if response.get_all(SET_COOKIE).iter().any(is_ours) {
            let all = response.get_all(SET_COOKIE).iter();
            let others: Vec<_> = all.filter(|other| !is_ours(other)).cloned().collect();
            response.remove(SET_COOKIE);
            for other in others {
                response.append(SET_COOKIE, other);
            }
        }
        response.append(SET_COOKIE, header);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::IdSource;
    use http::header::COOKIE;

    fn session_cookie() -> SessionCookie {
        SessionCookie::new(Keyring::generate().unwrap(), CookieConfig::default())
    }

    /// What a browser sends back for a Set-Cookie header.
    fn returned(set_cookie: &HeaderValue) -> HeaderMap {
        let pair = set_cookie.as_bytes().split(|byte| *byte == b';').next();
        let pair = HeaderValue::from_bytes(pair.unwrap()).unwrap();
        HeaderMap::from_iter([(COOKIE, pair)])
    }

    #[test]
    fn an_id_goes_out_and_comes_back() {
        let (cookie, id) = (session_cookie(), IdSource::System.next().unwrap());
        let mut response = HeaderMap::new();
        cookie.set(&mut response, &id, Some(Duration::from_secs(60)));
        let verified = cookie.find(&returned(&response[SET_COOKIE])).unwrap();
        assert!(*verified.id() == id);
    }

    #[test]
    fn a_response_sets_one_cookie_of_our_name_whatever_the_handler_did() {
        // Requirement C08: the ones that the application or an earlier layer set are replaced, others stay in order.
        let (cookie, id) = (session_cookie(), IdSource::System.next().unwrap());
        let mut response = HeaderMap::new();
        for theirs in [
            "a=1",
            "__Host-s=x; Path=/",
            "b=2",
            " __Host-s = y",
            "__host-s=3",
        ] {
            response.append(SET_COOKIE, HeaderValue::from_static(theirs));
        }
        cookie.set(&mut response, &id, None);
        cookie.remove(&mut response);
        let all: Vec<_> = response.get_all(SET_COOKIE).iter().collect();
        assert_eq!(all[..3], ["a=1", "b=2", "__host-s=3"]);
        assert!(all[3].to_str().unwrap().starts_with("__Host-s=; "));
        assert_eq!(all.len(), 4);
    }
}
