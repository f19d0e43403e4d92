//! The cookies of a former Node site. The golden cookies were created in Node by `cookie-signature` 1.0.7 with `cookie`
//! 0.7.2, and by `keygrip` 1.1.0.

use super::*;

const ID: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const ODD: &str = "AAECAwQFBgcICQoLDA0O%/+.ab=c;de~FGHIJKLM";
/// Of level-session for Node: 30 bytes in base64.
const TOKEN: &str = "+/ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";

const EXPRESS: &str =
    "connect.sid=s%3AAAECAwQFBgcICQoLDA0ODxAREhMUFRYX.bLKFN0B4nfgOgtOrxElCIUrU9vEzYfksN4DrioAddBw";
const EXPRESS_SHORT_SECRET: &str =
    "connect.sid=s%3AAAECAwQFBgcICQoLDA0ODxAREhMUFRYX.N0Id4opwqhaAYcoIYSsRkO1j3rAafXluGboH3Nk7dVc";
const EXPRESS_ODD: &str = "connect.sid=s%3AAAECAwQFBgcICQoLDA0O%25%2F%2B.ab%3Dc%3Bde~FGHIJKLM.k2b1rAaFKpEXTDUkkFUYe1MrUaMxeXlT%2Fcku1Rk34Ho";
const SHA1: &str = "xGwD_etnbqnLTuI3SBRfKy43pZg";
const SHA256: &str = "Hf8dzDaUuqG01Ia0aSzvIPmDhHlBU8Y8b5IJmFGRCeU";

fn accepting(former: FormerCookie) -> SessionCookie {
    let mut cookie = session_cookie(&[OLD_KEY], named("__Host-s"));
    cookie.accept(former);
    cookie
}

fn express(secrets: &[&str]) -> SessionCookie {
    accepting(FormerCookie::express("connect.sid", secrets).unwrap())
}

fn keygrip(keys: &[&str]) -> SessionCookie {
    accepting(FormerCookie::keygrip("s", keys).unwrap())
}

fn found(cookie: &SessionCookie, line: &str) -> Option<crate::store::Digest> {
    let verified = cookie.find(&request([line]))?;
    assert!(
        verified.needs_resigning(),
        "the visitor gets the new cookie"
    );
    Some(verified.id().digest())
}

fn digest(id: &str) -> crate::store::Digest {
    FormerCookie::digest(id).unwrap()
}

/// Prevents: all users are signed out on the day of the migration.
#[test]
fn what_express_has_signed_comes_to_the_imported_session() {
    let any = express(&["another", NEW_KEY, "keyboard cat"]);
    assert_eq!(found(&any, EXPRESS), Some(digest(ID)));
    assert_eq!(found(&any, EXPRESS_SHORT_SECRET), Some(digest(ID)));
    assert_eq!(found(&any, EXPRESS_ODD), Some(digest(ODD)));
    let plain = EXPRESS.replace("%3A", ":");
    assert_eq!(found(&any, &plain), Some(digest(ID)));
    assert_ne!(digest(ID), digest(ODD));
}

/// The same with the pair of cookies of level-session for Node, with Keygrip's default hash and with the other one.
#[test]
fn what_keygrip_has_signed_comes_to_the_imported_session() {
    let ours = keygrip(&["another", NEW_KEY]);
    for tag in [SHA1, SHA256] {
        let line = format!("s.sig={tag}; s={TOKEN}");
        assert_eq!(found(&ours, &line), Some(digest(TOKEN)), "{tag}");
    }
}

/// Prevents: a session for a client that signs with another key, omits the signature, or changes one character of the
/// id or the signature.
#[test]
fn a_former_cookie_with_a_bad_signature_is_nobody_s() {
    let of = |cookie: &SessionCookie, line: &str| found(cookie, line).is_some();
    assert!(!of(&express(&["keyboard cat"]), EXPRESS));
    assert!(!of(
        &session_cookie(&[NEW_KEY], named("connect.sid")),
        EXPRESS
    ));
    let ours = express(&[NEW_KEY]);
    let value = EXPRESS.split_once('=').unwrap().1;
    assert!(!of(&ours, &format!("other={value}")));
    for bad in [
        "",
        "s%3A",
        "s%3A.",
        ID,
        &format!("s%3A{ID}"),
        &format!("s%3A{ID}."),
    ] {
        assert!(!of(&ours, &format!("connect.sid={bad}")), "{bad}");
    }
    for at in 0..value.len() {
        let mut changed = value.as_bytes().to_vec();
        changed[at] = if changed[at] == b'B' { b'C' } else { b'B' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(!of(&ours, &format!("connect.sid={changed}")), "{changed}");
        assert!(!of(&ours, &format!("connect.sid={}", &value[..at])), "{at}");
    }

    let ours = keygrip(&[NEW_KEY]);
    assert!(!of(&ours, &format!("s={TOKEN}")));
    assert!(!of(&ours, &format!("s={TOKEN}; s.sig=")));
    assert!(!of(
        &keygrip(&["short"]),
        &format!("s={TOKEN}; s.sig={SHA1}")
    ));
    for tag in [SHA1, SHA256] {
        for at in 0..tag.len() {
            let cut = &tag[..at];
            assert!(!of(&ours, &format!("s={TOKEN}; s.sig={cut}")), "{cut}");
            let other = if tag.as_bytes()[at] == b'A' { 'B' } else { 'A' };
            let changed = format!("{cut}{other}{}", &tag[at + 1..]);
            assert!(
                !of(&ours, &format!("s={TOKEN}; s.sig={changed}")),
                "{changed}"
            );
        }
        let other = TOKEN.replace('Y', "Z");
        assert!(!of(&ours, &format!("s={other}; s.sig={tag}")));
    }
}

/// Prevents: a former cookie that hides the new one, and an invalid cookie that hides a valid one.
#[test]
fn ours_counts_first_and_a_bad_former_one_hides_no_good_one() {
    let cookie = express(&[NEW_KEY]);
    let ours = value_of(&cookie, &id(7));
    let line = format!("connect.sid=s%3Ax.y; {EXPRESS}; __Host-s={ours}");
    let first = cookie.find(&request([&line])).unwrap();
    assert!(*first.id() == id(7) && !first.needs_resigning());
    let lines = Lines::of(&request([&line])).unwrap();
    let Presented::Id(second) = cookie.read(&lines, 1) else {
        panic!("the former one comes next")
    };
    assert_eq!(second.id().digest(), digest(ID));
    assert!(matches!(cookie.read(&lines, 2), Presented::Nothing));
}

/// Prevents: an id that can be guessed, and a long request that causes much work.
#[test]
fn ids_have_a_length_that_nobody_guesses_and_everybody_can_read() {
    assert!(FormerCookie::digest(&"x".repeat(21)).is_none());
    assert!(FormerCookie::digest(&"x".repeat(22)).is_some());
    assert!(FormerCookie::digest(&"x".repeat(128)).is_some());
    assert!(FormerCookie::digest(&"x".repeat(129)).is_none());
    assert!(FormerCookie::digest(&format!("{ID} ")).is_none());
    assert!(FormerCookie::digest(&format!("{ID}ä")).is_none());
    let cookie = express(&[NEW_KEY]);
    for huge in [
        "s%3A".repeat(20_000),
        "%".repeat(60_000),
        format!("s:{}", "a".repeat(60_000)),
    ] {
        assert!(
            cookie
                .find(&request([format!("connect.sid={huge}")]))
                .is_none()
        );
    }
}

#[test]
fn a_setting_without_a_key_is_refused_and_no_key_is_shown() {
    let none: [&str; 0] = [];
    let refused = FormerCookie::express("connect.sid", none).unwrap_err();
    assert!(refused.to_string().contains("there is no key"), "{refused}");
    let refused = FormerCookie::keygrip("s", ["a key", ""]).unwrap_err();
    assert!(
        refused.to_string().contains("key 2 of 2 is empty"),
        "{refused}"
    );
    assert!(FormerCookie::express("a b", ["a key"]).is_err());
    let shown = format!(
        "{:?}",
        FormerCookie::express("connect.sid", [NEW_KEY]).unwrap()
    );
    assert_eq!(shown, "FormerCookie { name: \"connect.sid\", keys: 1, .. }");
}
