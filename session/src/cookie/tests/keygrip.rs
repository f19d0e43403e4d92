//! The pair of cookies of Node's `cookies` and `keygrip`.

use super::*;
use crate::{id::IdSource, keyring::Keyring};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

fn pairs(keys: &[&str], name: &'static str) -> SessionCookie {
    let config = CookieConfig::builder()
        .name(name)
        .keygrip()
        .build()
        .unwrap();
    session_cookie(keys, config)
}

fn parts(cookie: &SessionCookie, id: &SessionId) -> [String; 2] {
    let pair = |header: &HeaderValue| {
        header
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    };
    let headers = given(cookie, id);
    [pair(&headers[0]), pair(&headers[1])]
}

#[test]
fn the_pair_is_the_one_that_node_makes() {
    // Written by cookies 0.9.1 with `new Keygrip([NEW_KEY, OLD_KEY], "sha256")` and `signed: true`.
    let counting = SessionId::from_bytes(std::array::from_fn(|i| i as u8));
    #[rustfmt::skip]
    let golden = [
        ("s", &counting,
         ["s=AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "s.sig=4iMUKdRB6W4vGsui3LtJtaOmCByGoYK48M9hNwPOyuQ"]),
        ("__Host-s", &id(0xff),
         ["__Host-s=________________________________", "__Host-s.sig=2TLnoXMWbSo_vWYaMYpfiqOHn4SgspNKpJCsTp8lqHU"]),
    ];
    for (name, id, cookies) in golden {
        let cookie = pairs(&[NEW_KEY, OLD_KEY], name);
        assert_eq!(parts(&cookie, id), cookies);
        let verified = cookie.find(&request([cookies.join("; ")])).unwrap();
        assert!(*verified.id() == *id);
        assert!(!verified.needs_resigning());
    }
}

#[test]
fn what_an_older_key_signed_in_node_is_accepted_and_signed_again() {
    let older =
        "s=AAECAwQFBgcICQoLDA0ODxAREhMUFRYX; s.sig=fQtfe6V-3VIbp3Rc5n5UQg1Sgx8VWu4fvjblB598HTg";
    let verified = pairs(&[NEW_KEY, OLD_KEY], "s")
        .find(&request([older]))
        .unwrap();
    assert!(verified.needs_resigning());
    assert!(pairs(&[NEW_KEY], "s").find(&request([older])).is_none());
}

#[test]
fn the_two_halves_are_found_in_any_order_and_among_bad_twins() {
    let (cookie, id) = (pairs(&[NEW_KEY], "s"), IdSource::System.next().unwrap());
    let [value, signature] = parts(&cookie, &id);
    let (other, bad) = (
        format!("s={}", "A".repeat(32)),
        format!("s.sig={}", "A".repeat(43)),
    );
    for line in [
        format!("{signature}; {value}"),
        format!("{other}; {bad}; {value}; {signature}"),
        format!("{value}; {bad}; s.sig=; s=; {signature}; {other}"),
    ] {
        let verified = cookie.find(&request([&line])).unwrap();
        assert!(*verified.id() == id, "{line}");
    }
}

#[test]
fn a_half_or_the_other_form_is_nobody() {
    let (cookie, id) = (pairs(&[NEW_KEY], "s"), IdSource::System.next().unwrap());
    let [value, signature] = parts(&cookie, &id);
    let [_, others] = parts(&pairs(&[NEW_KEY], "t"), &id);
    let joined = value_of(&session_cookie(&[NEW_KEY], named("s")), &id);
    let (_, tag) = joined.split_once('.').unwrap();
    for line in [
        value.clone(),
        signature.clone(),
        format!("s={joined}"),
        format!("{value}; s.sig={tag}"),
        format!("{value}; {}", others.replacen('t', "s", 1)),
        format!("{value}x; {signature}"),
        format!("{value}; {signature}="),
        format!("{value}; {}", signature.to_lowercase()),
        format!("S{}; {signature}", &value[1..]),
    ] {
        assert!(cookie.find(&request([&line])).is_none(), "{line}");
    }
    // And vice versa.
    let [value, signature] =
        [value, signature].map(|pair| pair.split_once('=').unwrap().1.to_owned());
    let line = format!("s={value}.{signature}");
    assert!(
        session_cookie(&[NEW_KEY], named("s"))
            .find(&request([line]))
            .is_none()
    );
}

#[test]
fn what_the_application_itself_has_signed_is_an_id_only_if_it_looks_like_one() {
    let keyring = Keyring::new([NEW_KEY]).unwrap();
    let like_one = "A".repeat(32);
    let with = |byte: &str| format!("{byte}{}", &like_one[1..]);
    let find = |value: &str| {
        let tag = URL_SAFE_NO_PAD.encode(keyring.sign(&[b"s=", value.as_bytes()]));
        let line = format!("s={value}; s.sig={tag}");
        pairs(&[NEW_KEY], "s").find(&request([line])).is_some()
    };
    for value in [&like_one, &with("-"), &with("_"), &with("9"), &with("z")] {
        assert!(find(value), "{value}");
    }
    for byte in ["+", "/", "=", ".", "\"", " ", "@", "[", "`", "{", ":"] {
        assert!(!find(&with(byte)), "{byte}");
    }
    assert!(!find(&with("")) && !find(&with("AA")));
}

#[test]
fn work_is_bounded() {
    // At most sixteen of each cookie are considered: a thousand ids do not cause a thousand passes over the header.
    let (cookie, id) = (pairs(&[NEW_KEY], "s"), IdSource::System.next().unwrap());
    let [value, signature] = parts(&cookie, &id);
    let other = format!("s={}", "A".repeat(32));
    let behind = |n: usize| {
        let mut lines = vec![&other; n];
        lines.extend([&value, &signature]);
        cookie.find(&request(lines)).is_some()
    };
    assert!(behind(15));
    assert!(!behind(16));
}

#[test]
fn both_cookies_are_set_and_removed_alike() {
    let (cookie, id) = (pairs(&[NEW_KEY], "s"), IdSource::System.next().unwrap());
    let attributes = |header: &HeaderValue| {
        header
            .to_str()
            .unwrap()
            .split_once(';')
            .unwrap()
            .1
            .to_owned()
    };
    let set = given(&cookie, &id);
    assert_eq!(set.len(), 2);
    assert_eq!(attributes(&set[0]), attributes(&set[1]));

    let mut response = HeaderMap::new();
    cookie.set(&mut response, &id, None, None);
    cookie.remove(&mut response);
    let removed: Vec<_> = response.get_all(SET_COOKIE).iter().collect();
    assert_eq!(removed.len(), 2, "requirement C08");
    assert!(removed[0].to_str().unwrap().starts_with("s=; "));
    assert!(removed[1].to_str().unwrap().starts_with("s.sig=; "));
}

#[test]
fn a_signature_is_bad_where_there_is_a_pair_that_fits_nothing() {
    let cookie = pairs(&[NEW_KEY], "s");
    let id = IdSource::System.next().unwrap();
    let [name, signature] = parts(&cookie, &id);
    let forged = format!("s.sig={}", "A".repeat(43));
    let read_by = |cookie: &SessionCookie, headers: &[&str]| {
        let lines = Lines::of(&request(headers.iter().copied()));
        lines.map_or(Presented::Nothing, |lines| cookie.read(&lines, 0))
    };
    let read = |headers: &[&str]| read_by(&cookie, headers);
    assert!(matches!(read(&[&name, &signature]), Presented::Id(_)));
    assert!(matches!(read(&[&name, &forged]), Presented::BadSignature));
    for nothing in [&[][..], &[&*name], &[&*signature], &["other=1"]] {
        assert!(matches!(read(nothing), Presented::Nothing), "{nothing:?}");
    }
    // A cookie that contains its signature has no second cookie to remove.
    let ours = session_cookie(&[NEW_KEY], named("s"));
    let bad = read_by(&ours, &[&name, &forged]);
    assert!(matches!(bad, Presented::Nothing));
}

#[test]
fn a_bad_signature_is_taken_away_and_the_id_stays() {
    let mut response = HeaderMap::new();
    pairs(&[NEW_KEY], "s").remove_signature(&mut response);
    let removed: Vec<_> = response.get_all(SET_COOKIE).iter().collect();
    assert_eq!(removed.len(), 1);
    let text = removed[0].to_str().unwrap();
    assert!(
        text.starts_with("s.sig=;") && text.contains("Max-Age=0"),
        "{text}"
    );
    let mut response = HeaderMap::new();
    session_cookie(&[NEW_KEY], named("s")).remove_signature(&mut response);
    assert!(response.is_empty());
}
