//! What the fuzz targets call, one function a target: bytes in, a panic if a promise is broken. It exists under
//! `cargo fuzz` and in tests, which replay the corpus.

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

/// The Cookie header, a line of input for each header line: the reader finds what a slow model of it finds, and no
/// neighbour hides a cookie that follows.
pub fn cookie_header(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let found: Vec<&[u8]> = candidates_in(lines.iter().copied(), b"s").collect();
    assert_eq!(found, model(&lines, b"s"));

    let followed = [data, b"; s=ours"].concat();
    let lines = followed.split(|byte| *byte == b'\n');
    let found: Vec<&[u8]> = candidates_in(lines, b"s").collect();
    assert_eq!(found.last(), Some(&&b"ours"[..]));
}

/// The rules of the reader once more, in another way: byte by byte, and with copies.
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

/// A signed cookie, in both forms: no bytes are accepted as one, neither alone nor put into a good one. The input is
/// taken as header lines; then its first two bytes say where in a good cookie and in place of how many bytes the rest
/// is put.
pub fn cookie_verify(data: &[u8]) {
    let builder = || CookieConfig::builder().name("s");
    for builder in [builder(), builder().keygrip()] {
        let config = builder.build().expect("the name and the defaults are fine");
        let keyring = Keyring::new([[1; 32], [2; 32]]).expect("two keys of 32 bytes");
        let cookie = SessionCookie::new(&keyring, config);
        let good = good(&cookie);
        assert!(cookie.find(&with_cookies(&good)).is_some());
        let refuses = |header: &[u8]| {
            // A fuzzer learns what the good one is by watching comparisons.
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

/// The Cookie header that answers the cookies of one id.
fn good(cookie: &SessionCookie) -> Vec<u8> {
    let mut response = HeaderMap::new();
    cookie.set(&mut response, &SessionId::from_bytes([7; 24]), None, None);
    let pairs = response.get_all(SET_COOKIE).iter();
    let pairs: Vec<&[u8]> = pairs
        .filter_map(|header| header.as_bytes().split(|byte| *byte == b';').next())
        .collect();
    pairs.join(&b';')
}

/// Whether every cookie of a good header is in another one, give or take what is trimmed.
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

/// A request with these Cookie header lines, without those that HTTP does not let through.
fn with_cookies(lines: &[u8]) -> HeaderMap {
    let lines = lines.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| Some((COOKIE, HeaderValue::from_bytes(line).ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Runs a target over its corpus. A package that was published comes without it.
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
