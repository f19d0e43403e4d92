//! What a session does to a response's headers.

use super::runtime::Runtime;
use crate::{clock::Timestamp, cookie, session::CookieAction};
use http::{
    HeaderMap, HeaderValue,
    header::{CACHE_CONTROL, SET_COOKIE, VARY},
};

/// Adds what the client and every cache between must know.
pub(super) fn apply(runtime: &Runtime, action: CookieAction, used: bool, now: Timestamp, headers: &mut HeaderMap) {
    let cookie = match action {
        CookieAction::Leave => None,
        CookieAction::Set(id, deadline) => {
            let value = runtime.signer.sign(&id);
            Some(cookie::set(&runtime.cookie, &value, deadline.since(now)))
        }
        CookieAction::Remove => Some(cookie::remove(&runtime.cookie)),
    };
    if let Some(cookie) = cookie {
        replace_set_cookie(headers, runtime.cookie.name(), cookie);
        forbid_shared_caching(headers);
    }
    if used {
        vary_by_cookie(headers);
    }
}

/// Never two Set-Cookie headers of one name (requirement C08, 6265bis 4.1.1): ours takes the place of any other.
fn replace_set_cookie(headers: &mut HeaderMap, name: &str, cookie: HeaderValue) {
    let of_our_name = |value: &HeaderValue| {
        let value = value.as_bytes();
        let end = value.iter().position(|&b| b == b'=' || b == b';').unwrap_or(value.len());
        value[..end].trim_ascii() == name.as_bytes()
    };
    if headers.get_all(SET_COOKIE).iter().any(of_our_name) {
        let others: Vec<_> = headers.get_all(SET_COOKIE).iter().filter(|value| !of_our_name(value)).cloned().collect();
        headers.remove(SET_COOKIE);
        for other in others {
            headers.append(SET_COOKIE, other);
        }
    }
    headers.append(SET_COOKIE, cookie);
}

/// A response that sets the cookie is nobody else's (requirement C12): `no-store`, unless the application has said
/// `no-store` or `private` itself.
fn forbid_shared_caching(headers: &mut HeaderMap) {
    let is_private = headers.get_all(CACHE_CONTROL).iter().any(|value| {
        value.as_bytes().split(|&b| b == b',').any(|directive| {
            let name = directive.split(|&b| b == b'=').next().unwrap_or_default().trim_ascii();
            // `private="field"` restricts that field alone.
            name.eq_ignore_ascii_case(b"no-store")
                || (name.eq_ignore_ascii_case(b"private") && !directive.contains(&b'='))
        })
    });
    if !is_private {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// A response that depended on the session depends on the cookie (requirement C12).
fn vary_by_cookie(headers: &mut HeaderMap) {
    let says_so = headers.get_all(VARY).iter().any(|value| {
        value.as_bytes().split(|&b| b == b',').any(|name| {
            let name = name.trim_ascii();
            name == b"*" || name.eq_ignore_ascii_case(b"cookie")
        })
    });
    if !says_so {
        headers.append(VARY, HeaderValue::from_static("Cookie"));
    }
}
