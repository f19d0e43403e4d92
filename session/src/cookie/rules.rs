//! The rules by which browsers accept a cookie. The error of each check has the reason and a remedy.

use super::{
    config::{CookieConfig, SameSite},
    signer::SIGNED_CHARS,
};
use crate::store::ConfigError;
use std::borrow::Cow;

type Checked = Result<(), ConfigError>;

/// The maximum size of name and value together, in bytes (RFC 6265bis, section 5.6). The default form has the longest
/// cookie: in Keygrip's form, both cookies are shorter.
const MAX_PAIR: usize = 4096;
/// The maximum size of an attribute's value, in bytes; browsers ignore a longer one (RFC 6265bis, section 5.6).
const MAX_ATTRIBUTE: usize = 1024;

/// A name is a token (RFC 6265bis, section 4.1.1; RFC 9110, section 5.6.2), so it cannot contain `=`, `;`, `,`, white
/// space or control characters, and it is short enough to leave room for the value.
pub(super) fn name(config: &CookieConfig) -> Checked {
    const SETTING: &str = "cookie name";
    const GRAMMAR: &str = "RFC 6265bis, section 4.1.1";
    if config.name.is_empty() {
        return refuse(
            SETTING,
            "is empty: use a name such as the default, `__Host-s`",
            GRAMMAR,
        );
    }
    if let Some(odd) = config.name.chars().find(|c| !is_token(*c)) {
        let problem =
            format!("contains the invalid character {odd:?}: use letters, digits, `-` and `_`");
        return refuse(SETTING, problem, GRAMMAR);
    }
    if config.name.len() + SIGNED_CHARS > MAX_PAIR {
        let problem = format!(
            "has {} bytes, but name and value together are limited to {MAX_PAIR}: use at most {}",
            config.name.len(),
            MAX_PAIR - SIGNED_CHARS
        );
        return refuse(SETTING, problem, "RFC 6265bis, section 5.6; ASVS 3.3.5");
    }
    Ok(())
}

/// A path begins with `/`, otherwise browsers replace it by the directory of the request. It consists of the characters
/// of a request's path, without `,`, which old parsers take for the end of the cookie.
pub(super) fn path(config: &CookieConfig) -> Checked {
    const SETTING: &str = "cookie path";
    const RULE: &str = "RFC 6265bis, sections 4.1.1 and 5.6.4";
    if !config.path.starts_with('/') {
        return refuse(
            SETTING,
            "does not begin with `/`: use `/`, or a path from the root",
            RULE,
        );
    }
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, ';' | ',' | '?' | '#');
    if let Some(odd) = config.path.chars().find(|c| !fits(*c)) {
        let problem =
            format!("contains the invalid character {odd:?}: percent-encode it, as in a URL");
        return refuse(SETTING, problem, RULE);
    }
    if config.path.len() > MAX_ATTRIBUTE {
        let problem = format!(
            "has {} bytes, but browsers ignore a path of more than {MAX_ATTRIBUTE}: use a shorter one",
            config.path.len()
        );
        return refuse(SETTING, problem, "RFC 6265bis, section 5.6");
    }
    Ok(())
}

/// A domain is a host name of two or more labels, in the characters of the DNS (RFC 6265bis, section 4.1.2.3; RFC 1034,
/// section 3.5). An address has no subdomains, and a single label is a public suffix, which browsers reject.
pub(super) fn domain(config: &CookieConfig) -> Checked {
    const SETTING: &str = "cookie domain";
    const RULE: &str = "RFC 6265bis, section 4.1.2.3";
    let Some(domain) = config.domain.as_deref() else {
        return Ok(());
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if let Some(odd) = domain.chars().find(|c| !fits(*c)) {
        let problem = format!(
            "contains the invalid character {odd:?}: use the host name alone, without scheme and port, and the `xn--` form of a name that is not ASCII"
        );
        return refuse(SETTING, problem, RULE);
    }
    if domain.starts_with('.') {
        return refuse(
            SETTING,
            "begins with a dot, which has no effect: remove it",
            RULE,
        );
    }
    let label = |l: &str| (1..=63).contains(&l.len()) && !l.starts_with('-') && !l.ends_with('-');
    if domain.len() > 253 || !domain.split('.').all(label) {
        return refuse(
            SETTING,
            "is not a host name: use one such as `example.org`",
            RULE,
        );
    }
    match domain.rsplit_once('.') {
        None => refuse(
            SETTING,
            "has a single label, which browsers do not accept: omit the domain, and only this host gets the cookie",
            "RFC 6265bis, section 5.7",
        ),
        Some((_, last)) if last.bytes().all(|b| b.is_ascii_digit()) => refuse(
            SETTING,
            "is an IP address, which has no subdomains: omit the domain, and only this host gets the cookie",
            "RFC 6265bis, section 5.1.3",
        ),
        Some(_) => Ok(()),
    }
}

/// A prefix of the name is a promise about the attributes, and browsers drop a cookie that breaks it (RFC 6265bis,
/// section 4.1.3; `__Http-` and `__Host-Http-`: draft-ietf-httpbis-layered-cookies). They compare without regard to
/// case (section 5.4), so that `__HOST-` counts as well.
pub(super) fn prefix(config: &CookieConfig) -> Checked {
    const RULE: &str = "RFC 6265bis, section 4.1.3; ASVS 3.3.1, 3.3.3";
    const HTTP_RULE: &str = "draft-ietf-httpbis-layered-cookies; ASVS 3.3.4";
    let begins_with = |prefix: &str| {
        let start = config.name.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let host = begins_with("__Host-");
    let http = begins_with("__Http-") || begins_with("__Host-Http-");
    if !config.secure && (host || http || begins_with("__Secure-")) {
        return refuse(
            "cookie Secure",
            "is required by the prefix of the cookie's name: leave it on, or choose a name without the prefix \
             (`CookieConfig::for_development()` does, for http://localhost)",
            RULE,
        );
    }
    if host && config.path != "/" {
        return refuse(
            "cookie path",
            "must be `/` with the name prefix `__Host-`: use `/`, or the prefix `__Secure-`",
            RULE,
        );
    }
    if host && config.domain.is_some() {
        return refuse(
            "cookie domain",
            "is not allowed with the name prefix `__Host-`: omit the domain, or use the prefix `__Secure-`",
            RULE,
        );
    }
    if http && !config.http_only {
        return refuse(
            "cookie HttpOnly",
            "is required by the prefix of the cookie's name: leave it on, or use the prefix `__Host-` or `__Secure-`",
            HTTP_RULE,
        );
    }
    Ok(())
}

/// Browsers drop a cookie with `SameSite=None` that is not `Secure` (RFC 6265bis, section 5.7).
pub(super) fn same_site(config: &CookieConfig) -> Checked {
    if config.same_site == SameSite::None && !config.secure {
        return refuse(
            "cookie SameSite",
            "`None` without `Secure` makes browsers drop the cookie: use `SameSite::Lax`, or serve HTTPS and \
             leave `Secure` on",
            "RFC 6265bis, section 5.7; ASVS 3.3.2",
        );
    }
    Ok(())
}

/// Browsers drop a cookie with `Partitioned` that is not `Secure` (CHIPS, section 2.1).
pub(super) fn partitioned(config: &CookieConfig) -> Checked {
    if config.partitioned && !config.secure {
        return refuse(
            "cookie Partitioned",
            "without `Secure` it makes browsers drop the cookie: leave `Secure` on, or `Partitioned` off",
            "draft-cutler-httpbis-partitioned-cookies, section 2.1",
        );
    }
    Ok(())
}

fn refuse(
    setting: &'static str,
    problem: impl Into<Cow<'static, str>>,
    rule: &'static str,
) -> Checked {
    Err(ConfigError::new(setting, problem).by(rule))
}

/// The characters of a token, RFC 9110, section 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}
