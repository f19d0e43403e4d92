//! The session's changes to a response's headers.

use crate::{runtime::Runtime, session::CookieAction};
use http::{
    HeaderMap, HeaderValue,
    header::{CACHE_CONTROL, Entry, VARY},
};

/// Adds the headers for the client and for every cache in between.
pub(super) fn apply(runtime: &Runtime, action: CookieAction, used: bool, headers: &mut HeaderMap) {
    let cookie = &runtime.cookie;
    match action {
        CookieAction::Leave => cookie.at_most_one(headers),
        CookieAction::Set(id, lasts) => {
            let remaining = lasts.until.since(runtime.clock.now());
            cookie.set(headers, &id, Some(remaining), lasts.persistent);
            forbid_shared_caching(headers);
        }
        CookieAction::Remove => {
            cookie.remove(headers);
            forbid_shared_caching(headers);
        }
        CookieAction::Unsign => {
            cookie.at_most_one(headers);
            cookie.remove_signature(headers);
            forbid_shared_caching(headers);
        }
    }
    if used {
        vary_by_cookie(headers);
    }
}

/// A response that sets the cookie must not be cached (requirement C12): `no-store`, unless the application has set
/// `no-store` or `private` itself.
fn forbid_shared_caching(headers: &mut HeaderMap) {
    let is_private = headers.get_all(CACHE_CONTROL).iter().any(|value| {
        // A comma in quotes is not a separator, and `private="field"` applies only to that field. A value with quotes
        // is not parsed: adding `no-store` is correct in any case.
        let value = value.as_bytes();
        !value.contains(&b'"')
            && value.split(|&b| b == b',').any(|directive| {
                let name = directive.trim_ascii();
                name.eq_ignore_ascii_case(b"no-store") || name.eq_ignore_ascii_case(b"private")
            })
    });
    if !is_private {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// A response that depended on the session depends on the cookie (requirement C12).
fn vary_by_cookie(headers: &mut HeaderMap) {
    let cookie = HeaderValue::from_static("Cookie");
    match headers.entry(VARY) {
        Entry::Vacant(none) => {
            none.insert(cookie);
        }
        Entry::Occupied(mut some) => {
            let says_so = some.iter().any(|value| {
                value.as_bytes().split(|&b| b == b',').any(|name| {
                    let name = name.trim_ascii();
                    name == b"*" || name.eq_ignore_ascii_case(b"cookie")
                })
            });
            if !says_so {
                some.append(cookie);
            }
        }
    }
}
