//! Set-Cookie, built with the `cookie` crate.

use super::config::{CookieConfig, SameSite};
use ::cookie::{
    Cookie,
    time::{Duration as CookieDuration, OffsetDateTime},
};
use http::HeaderValue;
use std::{fmt::Write as _, time::Duration};

/// The longest time that a browser keeps a cookie, 400 days (RFC 6265bis, section 5.5); a longer one would be
/// shortened there.
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The attributes of a cookie that is set, except its lifetime: they are the same for all cookies, so they are
/// formatted once.
#[derive(Clone, Debug)]
pub(super) struct Attributes(String);

impl Attributes {
    pub(super) fn of(config: &CookieConfig) -> Self {
        let mut cookie = bare(config, "", "").to_string();
        cookie.replace_range(.."=".len(), ""); // between the empty name and the empty value
        Self(cookie)
    }
}

/// The header that gives a visitor a cookie of this name and value, for as long as the session will live if it is not used.
///
/// `Max-Age` is in whole seconds, rounded down: the browser forgets the cookie no later than the server forgets the
/// session, so that it does not send a dead cookie. `Max-Age` is at least a second, since 0 would remove the cookie,
/// and at most 400 days. Without `remaining` there is no `Max-Age`: the browser keeps the cookie until it is closed,
/// and the server ends the session at its deadline (requirement C10).
pub(super) fn set(
    attributes: &Attributes,
    name: &str,
    value: &str,
    remaining: Option<Duration>,
) -> HeaderValue {
    const MOST: usize = "=; Max-Age=34560000".len();
    let Attributes(attributes) = attributes;
    let mut text = String::with_capacity(name.len() + value.len() + attributes.len() + MOST);
    for part in [name, "=", value, attributes] {
        text.push_str(part);
    }
    if let Some(remaining) = remaining {
        let seconds = remaining.clamp(Duration::from_secs(1), MAX_AGE).as_secs();
        write!(text, "; Max-Age={seconds}").expect("writing to a string cannot fail");
    }
    header(text)
}

/// The header that makes a browser forget the cookie: every attribute by which browsers distinguish cookies is the same
/// (requirement L10).
pub(super) fn remove(config: &CookieConfig, name: &str) -> HeaderValue {
    let mut cookie = bare(config, name, "");
    cookie.set_max_age(CookieDuration::ZERO);
    // For clients that do not support `Max-Age`.
    cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
    header(cookie.to_string())
}

/// The cookie without a lifetime.
fn bare<'a>(config: &'a CookieConfig, name: &'a str, value: &'a str) -> Cookie<'a> {
    let mut cookie = Cookie::new(name, value);
    cookie.set_path(config.path());
    if let Some(domain) = config.domain() {
        cookie.set_domain(domain);
    }
    cookie.set_same_site(match config.same_site() {
        SameSite::Strict => ::cookie::SameSite::Strict,
        SameSite::Lax => ::cookie::SameSite::Lax,
        SameSite::None => ::cookie::SameSite::None,
    });
    cookie.set_secure(config.is_secure());
    cookie.set_http_only(config.is_http_only());
    cookie.set_partitioned(config.is_partitioned());
    cookie
}

fn header(text: String) -> HeaderValue {
    let mut value = HeaderValue::try_from(text)
        .expect("a built configuration and a signed id consist of visible ASCII characters");
    // Keeps the value out of `Debug` and of HPACK's table, where a later request could probe for it (RFC 7541, 7.1.3).
    value.set_sensitive(true);
    value
}
