//! Requirements C05, C08, C10 and L10: every configuration that can be built gives cookies that a browser accepts,
//! keeps, sends back and removes.

use super::*;
use ::cookie_store::CookieStore;
use proptest::{option, prelude::*};
use url::Url;

fn set(config: CookieConfig, remaining: Option<Duration>) -> String {
    let mut response = HeaderMap::new();
    session_cookie(&[NEW_KEY], config).set(&mut response, &id(0), remaining, None);
    response[SET_COOKIE].to_str().unwrap().to_owned()
}

fn removed(config: CookieConfig) -> String {
    let mut response = HeaderMap::new();
    session_cookie(&[NEW_KEY], config).remove(&mut response);
    response[SET_COOKIE].to_str().unwrap().to_owned()
}

#[test]
fn the_default_in_full() {
    let value = value_of(&session_cookie(&[NEW_KEY], CookieConfig::default()), &id(0));
    assert_eq!(
        set(CookieConfig::default(), Some(Duration::from_secs(60))),
        format!("__Host-s={value}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60")
    );
    assert_eq!(
        removed(CookieConfig::default()),
        "__Host-s=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    );
}

#[test]
fn max_age_is_the_remaining_time_in_whole_seconds() {
    // Requirement C05: no duration overflows, none is longer than 400 days, none removes the cookie.
    let max_age = |remaining| {
        let header = set(CookieConfig::default(), Some(remaining));
        header
            .split_once("Max-Age=")
            .unwrap()
            .1
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(max_age(Duration::from_millis(59_999)), 59);
    assert_eq!(max_age(Duration::from_secs(14 * 24 * 3600)), 1_209_600);
    for short in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_millis(1_999),
    ] {
        assert_eq!(max_age(short), 1);
    }
    for long in [
        Duration::from_secs(34_560_000),
        Duration::from_secs(34_560_001),
        Duration::MAX,
    ] {
        assert_eq!(max_age(long), 34_560_000);
    }
}

#[test]
fn a_browser_session_cookie_has_no_lifetime() {
    // Requirement C10. Such a cookie is removed like any other.
    let config = CookieConfig::builder().browser_session().build().unwrap();
    for remaining in [None, Some(Duration::from_secs(60))] {
        let header = set(config.clone(), remaining);
        assert!(
            !header.contains("Max-Age") && !header.contains("Expires"),
            "{header}"
        );
    }
    assert!(removed(config).contains("Max-Age=0"));
    assert!(!set(CookieConfig::default(), None).contains("Max-Age"));
}

#[test]
fn the_headers_are_marked_as_secret() {
    let mut response = HeaderMap::new();
    let cookie = session_cookie(&[NEW_KEY], CookieConfig::default());
    cookie.set(&mut response, &id(0), None, None);
    assert!(response[SET_COOKIE].is_sensitive());
    cookie.remove(&mut response);
    assert!(response[SET_COOKIE].is_sensitive());
}

#[test]
fn a_response_sets_one_cookie_of_our_name_whatever_the_handler_did() {
    // Requirement C08: a session cookie that the application or an earlier layer set is replaced; other cookies stay,
    // in their order.
    let cookie = session_cookie(&[NEW_KEY], CookieConfig::default());
    let mut response = HeaderMap::new();
    for theirs in [
        "a=1",
        "__Host-s=x; Path=/",
        "b=2",
        " __Host-s = y",
        "__host-s=3",
        "c",
    ] {
        response.append(SET_COOKIE, HeaderValue::from_static(theirs));
    }
    response.append(
        SET_COOKIE,
        HeaderValue::from_bytes(b"\xff=__Host-s=").unwrap(),
    );
    cookie.set(&mut response, &id(0), None, None);
    cookie.set(&mut response, &id(1), None, None);
    cookie.remove(&mut response);
    let all: Vec<_> = response.get_all(SET_COOKIE).iter().collect();
    assert_eq!(all[..4], ["a=1", "b=2", "__host-s=3", "c"]);
    assert_eq!(all[4].as_bytes(), b"\xff=__Host-s=");
    assert!(all[5].as_bytes().starts_with(b"__Host-s=; "));
    assert_eq!(all.len(), 6);
}

type Attribute<'a> = (&'a str, Option<&'a str>);

/// Parses a line of Set-Cookie by the grammar of RFC 6265bis, section 4.1.1. Stricter than the grammar, it accepts each
/// attribute only once, and only in the RFC's spelling. Returns name, value and attributes.
fn by_the_grammar(line: &str) -> Result<(&str, &str, Vec<Attribute<'_>>), String> {
    let mut parts = line.split("; ");
    let (name, value) = parts
        .next()
        .and_then(|pair| pair.split_once('='))
        .ok_or("no pair")?;
    let token = |c: char| c.is_ascii_graphic() && !r#"()<>@,;:\"/[]?={}"#.contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Err(format!("name {name:?} is no token"));
    }
    let octet = |b: u8| matches!(b, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
    if !value.bytes().all(octet) {
        return Err(format!("value {value:?} has other than cookie-octets"));
    }
    let mut attributes: Vec<Attribute<'_>> = Vec::new();
    for part in parts {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (part, None),
        };
        let fits = match (key, value) {
            ("Secure" | "HttpOnly" | "Partitioned", None) => true,
            ("SameSite", Some(value)) => ["Strict", "Lax", "None"].contains(&value),
            ("Path", Some(value)) => value
                .bytes()
                .all(|b| matches!(b, 0x20..=0x3a | 0x3c..=0x7e)),
            ("Domain", Some(value)) => value.split('.').all(|label| {
                let dns = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
                label.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && !label.ends_with('-')
                    && label.bytes().all(dns)
            }),
            ("Max-Age", Some(value)) => {
                value.bytes().all(|b| b.is_ascii_digit()) && !value.is_empty()
            }
            ("Expires", Some(value)) => value.len() == 29 && value.ends_with(" GMT"),
            _ => false,
        };
        if !fits || attributes.iter().any(|(other, _)| *other == key) {
            return Err(format!("attribute {part:?}"));
        }
        attributes.push((key, value));
    }
    Ok((name, value, attributes))
}

#[test]
fn the_grammar_refuses_what_it_should() {
    assert!(by_the_grammar("a=b; Path=/; Secure").is_ok());
    for bad in [
        "a",
        "=b",
        "a b=c",
        "a=b c",
        "a=b;Secure",
        "a=b; secure",
        "a=b; Path=/; Path=/",
        "a=\"b",
        "a=b; Max-Age=-1",
    ] {
        assert!(by_the_grammar(bad).is_err(), "{bad}");
    }
}

/// Settings of all kinds, many of them invalid.
fn settings() -> impl Strategy<Value = CookieConfigBuilder> {
    let name = prop_oneof![
        "(__Host-|__Secure-|__Http-|__Host-Http-|__HOST-|__secure-)?[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}",
        "[ -~]{1,6}",
    ];
    let path = prop_oneof![
        Just("/".to_owned()),
        "(/[A-Za-z0-9_~!$&'()*+=:@-]{1,8}){1,3}/?",
        "/[ -~]{0,6}",
    ];
    let domain = option::of("([a-zA-Z0-9]([a-z0-9-]{0,6}[a-z0-9])?\\.){0,2}[a-z]{2,6}");
    let same_site = prop_oneof![
        Just(SameSite::Strict),
        Just(SameSite::Lax),
        Just(SameSite::None)
    ];
    let flags = any::<[bool; 5]>();
    (name, path, domain, same_site, flags).prop_map(|(name, path, domain, same_site, flags)| {
        let [secure, http_only, partitioned, browser_session, keygrip] = flags;
        let mut builder = CookieConfig::builder()
            .name(name)
            .path(path)
            .same_site(same_site)
            .secure(secure)
            .http_only(http_only)
            .partitioned(partitioned);
        if let Some(domain) = domain {
            builder = builder.domain(domain);
        }
        if browser_session {
            builder = builder.browser_session();
        }
        if keygrip { builder.keygrip() } else { builder }
    })
}

/// A configuration that was accepted.
fn accepted() -> impl Strategy<Value = CookieConfig> {
    settings().prop_filter_map("refused", |builder| builder.build().ok())
}

/// A page to which a browser sends the cookie; `None` if the path cannot be part of a URL.
fn page_of(config: &CookieConfig) -> Option<Url> {
    let host = config
        .domain()
        .map_or("app.example.org".to_owned(), |d| format!("www.{d}"));
    let url = Url::parse(&format!("https://{host}{}", config.path())).unwrap();
    (url.path() == config.path()).then_some(url)
}

proptest! {
    #[test]
    fn every_cookie_obeys_the_grammar(
        config in accepted(),
        remaining in option::of((any::<u64>(), 0..1_000_000_000_u32)),
    ) {
        let remaining = remaining.map(|(secs, nanos)| Duration::new(secs, nanos));
        let cookie = session_cookie(&[NEW_KEY], config.clone());
        let mut response = HeaderMap::new();
        cookie.set(&mut response, &id(0), remaining, None);
        let sets = response.clone();
        cookie.remove(&mut response);
        for (set, remove) in sets.get_all(SET_COOKIE).iter().zip(response.get_all(SET_COOKIE)) {
            let (name, value, mut attributes) = by_the_grammar(set.to_str().unwrap()).unwrap();
            prop_assert!(name.len() + value.len() <= 4096);
            let has = |key| attributes.iter().any(|(other, _)| *other == key);
            prop_assert_eq!(has("Secure"), config.is_secure());
            prop_assert_eq!(has("HttpOnly"), config.is_http_only());
            prop_assert_eq!(has("Partitioned"), config.is_partitioned());
            prop_assert_eq!(has("Domain"), config.domain().is_some());
            prop_assert_eq!(has("Max-Age"), config.is_persistent() && remaining.is_some());
            prop_assert!(has("SameSite") && has("Path") && !has("Expires"));

            // Requirement L10: the cookie that removes it differs only in value and lifetime.
            let (removed, empty, mut others) = by_the_grammar(remove.to_str().unwrap()).unwrap();
            prop_assert_eq!((removed, empty), (name, ""));
            prop_assert!(others.contains(&("Max-Age", Some("0"))));
            prop_assert!(others.contains(&("Expires", Some("Thu, 01 Jan 1970 00:00:00 GMT"))));
            for list in [&mut attributes, &mut others] {
                list.retain(|(key, _)| !["Max-Age", "Expires"].contains(key));
            }
            prop_assert_eq!(attributes, others);
        }
    }

    #[test]
    fn a_browser_keeps_every_cookie_sends_it_back_and_forgets_it(config in accepted()) {
        let Some(page) = page_of(&config) else { return Ok(()) };
        let cookie = session_cookie(&[NEW_KEY], config.clone());
        let mut browser = CookieStore::default();
        let request_to = |browser: &CookieStore, url: &Url| {
            let pairs = browser.get_request_values(url);
            request(pairs.map(|(name, value)| format!("{name}={value}")))
        };
        let mut take = |response: &HeaderMap| {
            for header in response.get_all(SET_COOKIE) {
                browser.parse(header.to_str().unwrap(), &page).unwrap();
            }
            browser.clone()
        };

        let mut response = HeaderMap::new();
        cookie.set(&mut response, &id(3), Some(Duration::from_secs(600)), None);
        let holding = take(&response);
        let verified = cookie.find(&request_to(&holding, &page));
        prop_assert!(verified.is_some_and(|verified| *verified.id() == id(3)));

        let mut plain = page.clone();
        plain.set_scheme("http").unwrap();
        prop_assert_eq!(cookie.find(&request_to(&holding, &plain)).is_some(), !config.is_secure());
        let mut elsewhere = page.clone();
        elsewhere.set_host(Some("elsewhere.example")).unwrap();
        prop_assert!(request_to(&holding, &elsewhere).is_empty());

        cookie.remove(&mut response);
        prop_assert!(request_to(&take(&response), &page).is_empty());
    }
}
