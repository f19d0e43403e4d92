//! The cookie from the outside: browsers, Node, and hostile clients.

mod configuring;
#[cfg(feature = "node")]
mod former;
mod keygrip;
mod reading;
mod signing;
mod writing;

use super::*;
use http::header::COOKIE;

/// Two keys, as an operator might choose them.
const NEW_KEY: &str = "new key for the tests of level-session";
const OLD_KEY: &str = "old key for the tests of level-session";

fn id(byte: u8) -> SessionId {
    SessionId::from_bytes([byte; 24])
}

fn session_cookie(keys: &[&str], config: CookieConfig) -> SessionCookie {
    SessionCookie::new(&Keyring::new(keys).unwrap(), config)
}

fn named(name: &'static str) -> CookieConfig {
    CookieConfig::builder().name(name).build().unwrap()
}

/// The Set-Cookie headers that send a visitor this id.
fn given(cookie: &SessionCookie, id: &SessionId) -> Vec<HeaderValue> {
    let mut response = HeaderMap::new();
    cookie.set(&mut response, id, Some(Duration::from_secs(60)), None);
    response.get_all(SET_COOKIE).iter().cloned().collect()
}

/// The value in the only Set-Cookie header that sends a visitor this id.
fn value_of(cookie: &SessionCookie, id: &SessionId) -> String {
    let [header] = &given(cookie, id)[..] else {
        panic!("one cookie")
    };
    let pair = header.as_bytes().split(|b| *b == b';').next().unwrap();
    let value = read::value_of(pair, cookie.config.name().as_bytes()).unwrap();
    String::from_utf8(value.to_vec()).unwrap()
}

/// A request with these Cookie header lines.
fn request<B: AsRef<[u8]>>(lines: impl IntoIterator<Item = B>) -> HeaderMap {
    let value = |line: B| HeaderValue::from_bytes(line.as_ref()).unwrap();
    lines
        .into_iter()
        .map(|line| (COOKIE, value(line)))
        .collect()
}
