//! Requirements S02, S03, S06, S08 and R02, R08 to R11.

use super::super::signer::SIGNED_CHARS;
use super::*;
use crate::id::IdSource;

fn ours(keys: &[&str]) -> SessionCookie {
    session_cookie(keys, named("s"))
}

fn find(cookie: &SessionCookie, value: impl AsRef<[u8]>) -> Option<Verified> {
    cookie.find(&request([[b"s=", value.as_ref()].concat()]))
}

#[test]
fn the_signature_is_what_the_documentation_says() {
    // Calculated with another implementation of HMAC. A change of these values signs every visitor out.
    let counting = SessionId::from_bytes(std::array::from_fn(|i| i as u8));
    /// A name longer than a block of SHA-256.
    const LONG: &str = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
    #[rustfmt::skip]
    let golden = [
        ("s",        NEW_KEY, &counting, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX.y4irhOcZrnKGERDjgV8bRW2DMdlsVd-R1lSeBKXy1yk"),
        ("s",        OLD_KEY, &counting, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX.z415xsVcCCMdmTaOlRVf__2xAqB-VC3WmbaYPhiYI_Y"),
        ("__Host-s", NEW_KEY, &id(0xff), "________________________________.EmnYeOHPGUaS8JCqOc6ZggVwhBIhCbWA3ha90NY9CuE"),
        ("__Host-s", OLD_KEY, &id(0xff), "________________________________.h2Nlgx8yiKn2kdXiXgdEwCEdb8td2K05HuzZGpx0aTc"),
        (LONG,       NEW_KEY, &counting, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX.n_YTGYm5fEerzQNjjxAi9Eh08oBUgHbdAMufLDvI47Q"),
    ];
    for (name, key, id, value) in golden {
        let cookie = session_cookie(&[key], named(name));
        assert_eq!(value_of(&cookie, id), value);
        let found = cookie.find(&request([format!("{name}={value}")]));
        assert!(found.is_some_and(|verified| verified.into_id() == *id));
    }
}

#[test]
fn the_cookie_holds_the_id_and_its_signature_and_nothing_else() {
    // Requirement S02: the same id always gives the same cookie, and its length reveals nothing.
    let cookie = ours(&[NEW_KEY]);
    for _ in 0..100 {
        let id = IdSource::System.next().unwrap();
        let value = value_of(&cookie, &id);
        assert_eq!(value.len(), SIGNED_CHARS);
        assert_eq!(value, value_of(&cookie, &id));
        assert!(value.starts_with(&format!("{}.", id.as_text())));
    }
}

#[test]
fn no_other_spelling_of_a_cookie_is_accepted() {
    // Requirement R09: every bit flipped, every character replaced, removed, doubled, every truncation.
    let cookie = ours(&[NEW_KEY, OLD_KEY]);
    let good = value_of(&cookie, &IdSource::System.next().unwrap()).into_bytes();
    assert!(find(&cookie, &good).is_some());

    let mut bad = Vec::new();
    for at in 0..good.len() {
        let with = |byte: u8| {
            let mut value = good.clone();
            value[at] = byte;
            value
        };
        bad.extend((0..8).map(|bit| with(good[at] ^ (1 << bit))));
        bad.extend((b' '..=b'~').filter(|byte| *byte != good[at]).map(with));
        bad.push([&good[..at], &good[at + 1..]].concat());
        bad.push([&good[..at], b"A", &good[at..]].concat());
        bad.push(good[..at].to_vec());
        bad.push(good[at + 1..].to_vec());
    }
    bad.extend(["=", "A", "%00", "\"", ".", "AAAA"].map(|more| [&good, more.as_bytes()].concat()));
    bad.push([b"\"", &good[..], b"\""].concat());
    bad.push(good.to_ascii_lowercase());
    bad.push([&good[..33], &good[..43]].concat());

    let cookies: Vec<_> = bad
        .iter()
        .filter(|value| HeaderValue::from_bytes(value).is_ok())
        .collect();
    assert!(cookies.len() > 7_000);
    for value in cookies {
        assert!(find(&cookie, value).is_none(), "{}", value.escape_ascii());
    }
}

#[test]
fn an_id_without_our_signature_is_nobody() {
    // Requirements R09 and S03, S05: an unsigned id, one with another key's signature, a digest from the store.
    let (cookie, other) = (ours(&[NEW_KEY]), ours(&[OLD_KEY]));
    let id = IdSource::System.next().unwrap();
    let text = id.as_text();
    let digest: String = id
        .digest()
        .as_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    for value in [
        String::new(),
        text.to_owned(),
        format!("{text}."),
        format!("{text}.{}", "A".repeat(43)),
        format!("s:{text}.{}", "A".repeat(43)),
        digest,
        value_of(&other, &id),
        "x".repeat(60_000),
    ] {
        assert!(find(&cookie, &value).is_none(), "{value}");
    }
}

#[test]
fn a_cookie_of_another_name_is_not_ours_though_the_key_is() {
    // Requirement R11: names of the same length, of another length, in another case, and one that ends with the id's
    // first character.
    let (cookie, id) = (ours(&[NEW_KEY]), IdSource::System.next().unwrap());
    let longer = format!("s{}", &id.as_text()[..1]);
    for name in ["t", "S", "s2", "__Host-s", &longer] {
        let config = CookieConfig::builder()
            .name(name.to_owned())
            .build()
            .unwrap();
        let other = value_of(&session_cookie(&[NEW_KEY], config), &id);
        assert!(find(&cookie, &other).is_none(), "{name}");
    }
}

#[test]
fn keys_rotate() {
    // Requirement R10.
    let id = IdSource::System.next().unwrap();
    let before = value_of(&ours(&[OLD_KEY]), &id);
    let rotated = ours(&[NEW_KEY, OLD_KEY]);

    let verified = find(&rotated, &before).unwrap();
    assert!(*verified.id() == id);
    assert!(verified.needs_resigning());

    let after = value_of(&rotated, verified.id());
    assert_ne!(after, before);
    assert!(!find(&rotated, &after).unwrap().needs_resigning());

    let retired = ours(&[NEW_KEY]);
    assert!(find(&retired, &before).is_none());
    assert!(find(&retired, &after).is_some());
}

#[test]
fn a_bad_twin_signs_nobody_out() {
    // Requirement R02: the first valid cookie is used, at any position among the others.
    let (cookie, id) = (ours(&[NEW_KEY]), IdSource::System.next().unwrap());
    let good = format!("s={}", value_of(&cookie, &id));
    let forged = format!("s={}.{}", "A".repeat(32), "A".repeat(43));
    for lines in [
        vec![forged.clone(), good.clone()],
        vec![good.clone(), forged.clone()],
        vec![format!("s=; s; s=x; {forged}; {good}; {forged}; s=")],
    ] {
        let verified = cookie.find(&request(lines)).unwrap();
        assert!(*verified.id() == id);
    }
    let other = format!("s={}", value_of(&cookie, &super::id(7)));
    let verified = cookie.find(&request([forged, other, good])).unwrap();
    assert!(*verified.id() == super::id(7));
}

#[test]
fn the_bound_counts_what_costs_work_and_is_beyond_what_a_browser_keeps() {
    let (cookie, id) = (ours(&[NEW_KEY]), IdSource::System.next().unwrap());
    let good = format!("s={}", value_of(&cookie, &id));
    let forged = format!("s={}.{}", "A".repeat(32), "A".repeat(43));
    let behind = |twin: &str, n: usize| {
        let mut lines = vec![twin; n];
        lines.push(&good);
        cookie.find(&request(lines)).is_some()
    };
    assert!(behind("s=of no signed id's shape", 5_000));
    assert!(behind(&forged, 180));
    assert!(behind(&forged, 199));
    assert!(!behind(&forged, 200));
}

#[test]
fn an_id_is_taken_from_the_cookie_alone() {
    // Requirement R08.
    let (cookie, id) = (ours(&[NEW_KEY]), IdSource::System.next().unwrap());
    let pair = HeaderValue::from_str(&format!("s={}", value_of(&cookie, &id))).unwrap();
    for name in [
        "cookie2",
        "set-cookie",
        "authorization",
        "x-session",
        "referer",
    ] {
        let name = http::HeaderName::from_static(name);
        assert!(
            cookie
                .find(&HeaderMap::from_iter([(name, pair.clone())]))
                .is_none()
        );
    }
}

#[test]
fn nothing_prints_an_id_a_value_or_a_key() {
    // Requirement S08.
    let (cookie, id) = (ours(&[NEW_KEY]), IdSource::System.next().unwrap());
    let value = value_of(&cookie, &id);
    let verified = find(&cookie, &value).unwrap();
    let printed = format!(
        "{cookie:?} {cookie:#?} {verified:?} {:?}",
        given(&cookie, &id)
    );
    let (id_text, tag) = value.split_once('.').unwrap();
    for secret in [
        id_text,
        tag,
        NEW_KEY,
        &format!("{:?}", NEW_KEY.as_bytes())[1..20],
    ] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.contains("Keyring { keys: 1 }"));
}
