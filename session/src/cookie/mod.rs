//! The cookie on the wire: how it is configured, read, verified and written.
//!
//! A request's headers give raw candidates ([`read`]), of which the first that was signed here gives an id
//! ([`signer`]); a response gets it as `Set-Cookie` ([`write`]) as the application wants it ([`config`]).
//! [`SessionCookie`] is all of it in one.

mod config;
#[cfg(feature = "node")]
mod former;
mod read;
mod rules;
mod signer;
mod write;

pub use config::{CookieConfig, CookieConfigBuilder, SameSite};
#[cfg(feature = "node")]
pub use former::FormerCookie;
#[cfg(any(test, fuzzing))]
pub(crate) use read::candidates_in;
pub(crate) use {read::Lines, signer::Verified};

use crate::{id::SessionId, keyring::Keyring};
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};
use signer::{Signed, Signer};
use std::time::Duration;
use write::Attributes;

/// The result of reading a request's cookies.
pub(crate) enum Presented {
    Nothing,
    /// A signature that matches nothing, in Keygrip's form: it must be removed, as Node's `cookies` does.
    BadSignature,
    Id(Verified),
}

/// The session cookie of an application: request headers in, an id out; an id in, response headers out.
#[derive(Clone, Debug)]
pub(crate) struct SessionCookie {
    config: CookieConfig,
    attributes: Attributes,
    signer: Signer,
    #[cfg(feature = "node")]
    former: Vec<FormerCookie>,
}

impl SessionCookie {
    pub(crate) fn new(keyring: &Keyring, config: CookieConfig) -> Self {
        let signer = Signer::new(keyring, &config);
        let attributes = Attributes::of(&config);
        Self {
            config,
            attributes,
            signer,
            #[cfg(feature = "node")]
            former: Vec::new(),
        }
    }

    /// Another configuration of it.
    pub(crate) fn configure(&mut self, keyring: &Keyring, config: CookieConfig) {
        self.signer = Signer::new(keyring, &config);
        self.attributes = Attributes::of(&config);
        self.config = config;
    }

    /// Accepts the cookies of a former site as well.
    #[cfg(feature = "node")]
    pub(crate) fn accept(&mut self, former: FormerCookie) {
        self.former.push(former);
    }

    /// The ids of former sites in a request.
    #[cfg(feature = "node")]
    fn former<'a>(&'a self, request: &'a Lines) -> impl Iterator<Item = SessionId> + 'a {
        self.former.iter().flat_map(|former| former.ids(request))
    }

    #[cfg(not(feature = "node"))]
    fn former(&self, _: &Lines) -> impl Iterator<Item = SessionId> + use<> {
        std::iter::empty()
    }

    /// What a request brings: an id, if one was signed here, or by a former site that is accepted, behind so many `others`.
    /// It is taken from the Cookie header and from nowhere else (requirement R08).
    pub(crate) fn read(&self, request: &Lines, others: usize) -> Presented {
        match self.signer.find(request, self.former(request), others) {
            Some(verified) => Presented::Id(verified),
            None if others == 0 && self.signer.has_pair(request) => Presented::BadSignature,
            None => Presented::Nothing,
        }
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        self.config.name()
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn find(&self, request: &HeaderMap) -> Option<Verified> {
        let request = Lines::of(request)?;
        self.signer.find(&request, self.former(&request), 0)
    }

    /// Gives the visitor the cookie; `remaining` is the time that the session will live if it is not used. Whether the
    /// cookie outlives the browser is the configuration's to say, unless it was chosen for the session.
    pub(crate) fn set(
        &self,
        response: &mut HeaderMap,
        id: &SessionId,
        remaining: Option<Duration>,
        persistent: Option<bool>,
    ) {
        let persistent = persistent.unwrap_or(self.config.is_persistent());
        let remaining = remaining.filter(|_| persistent);
        let Signed { value, apart } = self.signer.sign(id);
        let mut put = |name, value: &str| {
            put(
                response,
                name,
                write::set(&self.attributes, name, value, remaining),
            );
        };
        put(self.config.name(), &value);
        if let (Some(name), Some(signature)) = (self.config.signature_name(), apart) {
            put(name, &signature);
        }
    }

    /// Removes the visitor's signature cookie alone, in Keygrip's form.
    pub(crate) fn remove_signature(&self, response: &mut HeaderMap) {
        if let Some(name) = self.config.signature_name() {
            put(response, name, write::remove(&self.config, name));
        }
    }

    /// Where the session has nothing to say, and the application (or a layer within) has set a cookie of our name
    /// several times, the last one stays (requirement C08).
    pub(crate) fn at_most_one(&self, response: &mut HeaderMap) {
        if !response.contains_key(SET_COOKIE) {
            return;
        }
        let names = [Some(self.config.name()), self.config.signature_name()];
        for name in names.into_iter().flatten() {
            let all = response.get_all(SET_COOKIE).iter();
            let mut ours = all.filter(|header| sets(header, name));
            let (first, last) = (ours.next(), ours.next_back());
            if let (Some(_), Some(last)) = (first, last.cloned()) {
                put(response, name, last);
            }
        }
    }

    /// Removes the visitor's cookie.
    pub(crate) fn remove(&self, response: &mut HeaderMap) {
        let names = [Some(self.config.name()), self.config.signature_name()];
        for name in names.into_iter().flatten() {
            put(response, name, write::remove(&self.config, name));
        }
    }
}

/// Whether a header sets a cookie of this name.
fn sets(header: &HeaderValue, name: &str) -> bool {
    read::value_of(header.as_bytes(), name.as_bytes()).is_some()
}

/// Adds the header in place of any other that sets a cookie of this name: a response has one at most, whatever the
/// application put there (requirement C08; RFC 6265bis, section 4.1.1).
fn put(response: &mut HeaderMap, name: &str, header: HeaderValue) {
    let all = response.get_all(SET_COOKIE);
    if all.iter().any(|other| sets(other, name)) {
        let all = all.iter();
        let others: Vec<_> = all.filter(|other| !sets(other, name)).cloned().collect();
        response.remove(SET_COOKIE);
        for other in others {
            response.append(SET_COOKIE, other);
        }
    }
    response.append(SET_COOKIE, header);
}

#[cfg(test)]
mod tests;
