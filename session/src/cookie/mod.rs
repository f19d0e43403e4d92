//! The cookie on the wire: configures, parses, verifies and writes it.
//!
//! A request's headers contain raw candidates ([`read`]); the first one that was signed here gives the id ([`signer`]).
//! A response gets the id as `Set-Cookie` ([`write`]), with the attributes that the application configured
//! ([`config`]). [`SessionCookie`] combines these steps.

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

    /// Changes the configuration.
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

    /// Reads the id that was signed here, or by a former site that is accepted, after skipping `others` ids. It is read
    /// only from the Cookie header (requirement R08).
    pub(crate) fn read(&self, request: &Lines, others: usize) -> Presented {
        match self.signer.find(request, self.former(request), others) {
            Some(verified) => Presented::Id(verified),
            None if others == 0 && self.signer.has_pair(request) => Presented::BadSignature,
            None => Presented::Nothing,
        }
    }

    /// The name of the cookie.
    pub(crate) fn name(&self) -> &str {
        self.config.name()
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn find(&self, request: &HeaderMap) -> Option<Verified> {
        let request = Lines::of(request)?;
        self.signer.find(&request, self.former(&request), 0)
    }

    /// Sets the visitor's cookie; `remaining` is the remaining lifetime of the session if it is not used. The
    /// configuration determines whether the cookie outlives the browser, unless that was chosen for the session.
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

    /// Removes only the visitor's signature cookie, in Keygrip's form.
    pub(crate) fn remove_signature(&self, response: &mut HeaderMap) {
        if let Some(name) = self.config.signature_name() {
            put(response, name, write::remove(&self.config, name));
        }
    }

    /// For a response without a change of the session's cookie: if the application (or an inner layer) has set a cookie
    /// of the same name several times, the last one stays (requirement C08).
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

/// Adds the header, and removes every other one that sets a cookie of this name: a response has at most one, even if
/// the application has set others (requirement C08; RFC 6265bis, section 4.1.1).
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
