//! The functions of the fuzz targets, one for each: they take bytes, and panic if a promise is broken. The module
//! exists under `cargo fuzz` and in tests, which replay the corpus.

mod request;

pub use request::request;

use crate::{
    cookie::{CookieConfig, SessionCookie, candidates_in},
    id::SessionId,
    keyring::Keyring,
};
use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};

/// The Cookie header, with a line of input for each header line: the parser finds the same cookies as a slow model of
/// it, and no other cookie hides one that follows.
pub fn cookie_header(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let found: Vec<&[u8]> = candidates_in(lines.iter().copied(), b"s").collect();
    assert_eq!(found, model(&lines, b"s"));

    let followed = [data, b"; s=ours"].concat();
    let lines = followed.split(|byte| *byte == b'\n');
    let found: Vec<&[u8]> = candidates_in(lines, b"s").collect();
    assert_eq!(found.last(), Some(&&b"ours"[..]));
}

/// Another implementation of the parser's rules: byte by byte, and with copies.
fn model(lines: &[&[u8]], name: &[u8]) -> Vec<Vec<u8>> {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let trim = |text: &[u8]| {
        let mut text: Vec<u8> = text.iter().copied().skip_while(blank).collect();
        while text.last().is_some_and(blank) {
            text.pop();
        }
        text
    };
    let mut found = Vec::new();
    for line in lines {
        let (mut key, mut value, mut in_value) = (Vec::new(), Vec::new(), false);
        for byte in line.iter().chain(b";") {
            match byte {
                b';' => {
                    if in_value && trim(&key) == name {
                        found.push(trim(&value));
                    }
                    (key, value, in_value) = (Vec::new(), Vec::new(), false);
                }
                b'=' if !in_value => in_value = true,
                _ if in_value => value.push(*byte),
                _ => key.push(*byte),
            }
        }
    }
    found
}

/// A signed cookie, in both forms: no input is accepted as one, neither alone nor inserted into a valid one. The input
/// is first used as header lines. Then its first two bytes determine the position in a valid cookie, and the number of
/// bytes there, that are replaced by the rest.
pub fn cookie_verify(data: &[u8]) {
    let builder = || CookieConfig::builder().name("s");
    for builder in [builder(), builder().keygrip()] {
        let config = builder.build().expect("the name and the defaults are fine");
        let keyring = Keyring::new([[1; 32], [2; 32]]).expect("two keys of 32 bytes");
        let cookie = SessionCookie::new(&keyring, config);
        let good = good(&cookie);
        assert!(cookie.find(&with_cookies(&good)).is_some());
        let refuses = |header: &[u8]| {
            // A fuzzer may find the valid cookie by observing comparisons.
            contains(header, &good) || cookie.find(&with_cookies(header)).is_none()
        };
        assert!(refuses(data));
        if let [at, skip, rest @ ..] = data {
            let at = usize::from(*at) % good.len();
            let behind = (at + usize::from(*skip)).min(good.len());
            assert!(refuses(&[&good[..at], rest, &good[behind..]].concat()));
        }
    }
}

/// The Cookie header of a client that got the cookies of one id.
fn good(cookie: &SessionCookie) -> Vec<u8> {
    let mut response = HeaderMap::new();
    cookie.set(&mut response, &SessionId::from_bytes([7; 24]), None, None);
    let pairs = response.get_all(SET_COOKIE).iter();
    let pairs: Vec<&[u8]> = pairs
        .filter_map(|header| header.as_bytes().split(|byte| *byte == b';').next())
        .collect();
    pairs.join(&b';')
}

/// Whether every cookie of a valid header is in another one, except for white space that is trimmed.
fn contains(header: &[u8], good: &[u8]) -> bool {
    let values = |header: &[u8], name: &[u8]| {
        let lines: Vec<&[u8]> = header.split(|byte| *byte == b'\n').collect();
        model(&lines, name)
    };
    [&b"s"[..], b"s.sig"].iter().all(|name| {
        let found = values(header, name);
        values(good, name).iter().all(|value| found.contains(value))
    })
}

/// A request with these Cookie header lines, except those that are invalid in HTTP.
fn with_cookies(lines: &[u8]) -> HeaderMap {
    let lines = lines.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| Some((COOKIE, HeaderValue::from_bytes(line).ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Runs a target over its corpus, which a published package does not contain.
    fn replay(target: &str, run: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        if !corpus.exists() {
            return;
        }
        let inputs: Vec<_> = fs::read_dir(corpus.join(target)).unwrap().collect();
        assert!(!inputs.is_empty(), "the corpus of {target} is empty");
        for input in inputs {
            run(&fs::read(input.unwrap().path()).unwrap());
        }
    }

    #[test]
    fn cookie_header() {
        replay("cookie_header", super::cookie_header);
    }

    #[test]
    fn cookie_verify() {
        replay("cookie_verify", super::cookie_verify);
    }

    #[test]
    fn request() {
        replay("request", super::request);
    }
}
