//! Whole requests: with any request headers, any operations, and any headers of the handler.

use crate::{
    cookie::CookieConfig,
    error::ErrorKind,
    expiry::Expiry,
    keyring::Keyring,
    session::UntypedSession,
    sessions::Sessions,
    store::MemoryStore,
    store::{Clock, Timestamp},
    value::Value,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, COOKIE, SET_COOKIE, VARY},
};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

/// The input is a sequence of steps: an operation, the number of its bytes, these bytes. The steps determine the
/// headers of requests, the operations of handlers on the session, the headers of responses, and the time between
/// requests. For any input, nothing panics, and every response passes the checks of [`Browser::end`].
pub fn request(data: &[u8]) {
    let Some((&settings, steps)) = data.split_first() else {
        return;
    };
    let mut browser = Browser::new(settings);
    for Step { what, bytes } in Steps(steps) {
        browser.step(what, bytes);
    }
    browser.end(true);
}

struct Step<'a> {
    what: u8,
    bytes: &'a [u8],
}

struct Steps<'a>(&'a [u8]);

impl<'a> Iterator for Steps<'a> {
    type Item = Step<'a>;
    fn next(&mut self) -> Option<Step<'a>> {
        let [what, length, rest @ ..] = self.0 else {
            return None;
        };
        let (bytes, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        self.0 = rest;
        Some(Step { what: *what, bytes })
    }
}

/// A hostile client that knows every cookie that was ever sent.
struct Browser {
    sessions: Sessions,
    config: CookieConfig,
    clock: Clock,
    drawn: Arc<AtomicU64>,
    /// The `Cookie` header for the last response that set a cookie.
    last: Option<Vec<u8>>,
    /// Every cookie value that was ever sent.
    given: Vec<Vec<u8>>,
    request: HeaderMap,
    response: HeaderMap,
    session: Option<UntypedSession>,
    began: Timestamp,
}

impl Browser {
    fn new(settings: u8) -> Self {
        let is = |bit: u8| settings & (1 << bit) != 0;
        let builder = CookieConfig::builder().name("s").secure(is(0));
        let builder = if is(1) { builder.keygrip() } else { builder };
        let config = builder.build().expect("a name without a prefix");
        let (drawn, count) = (Arc::new(AtomicU64::new(1)), is(5));
        let ids = drawn.clone();
        let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        let expiry = Expiry::idle(Duration::from_secs(100));
        let sessions = Sessions::builder(
            MemoryStore::new(),
            Keyring::new([[1; 32], [2; 32]]).expect("two keys of 32 bytes"),
        )
        .cookie(config.clone())
        .clock(clock.clone())
        .create_at_once(is(2))
        .renewal_grace(Duration::from_secs(if is(3) { 10 } else { 0 }))
        .expiry(if is(4) {
            expiry.with_absolute(Duration::from_secs(150))
        } else {
            expiry
        })
        .id_source(move || {
            // A generator that repeats each id, if `count`.
            let n = ids.fetch_add(1, Ordering::Relaxed) / if count { 2 } else { 1 };
            let mut id = [0xA5; 24];
            id[..8].copy_from_slice(&n.to_be_bytes());
            Ok(id)
        })
        .build()
        .expect("settings that can be used");
        Self {
            sessions,
            config,
            began: clock.now(),
            clock,
            drawn,
            last: None,
            given: Vec::new(),
            request: HeaderMap::new(),
            response: HeaderMap::new(),
            session: None,
        }
    }

    fn step(&mut self, what: u8, bytes: &[u8]) {
        match what % 24 {
            // The request.
            0 => append(&mut self.request, COOKIE, bytes),
            1 => append(&mut self.request, COOKIE, &[b"s=", bytes].concat()),
            2 => append(&mut self.request, COOKIE, &[b"s.sig=", bytes].concat()),
            3 => {
                let last = self.last.clone().unwrap_or_default();
                append(&mut self.request, COOKIE, &[&last, bytes].concat());
            }
            4 => self.spoiled(bytes),
            // The handler's headers.
            5 => append(&mut self.response, SET_COOKIE, bytes),
            6 => append(&mut self.response, SET_COOKIE, &[b"s=", bytes].concat()),
            7 => append(&mut self.response, VARY, bytes),
            8 => append(&mut self.response, CACHE_CONTROL, bytes),
            9 => append(&mut self.response, HeaderName::from_static("x-any"), bytes),
            // Between requests.
            10 => self.end(true),
            11 => self.end(false),
            12 => {
                let seconds = bytes.first().copied().unwrap_or(1);
                self.clock.advance(Duration::from_secs(seconds.into()));
            }
            // The handler.
            what => self.operate(what, &String::from_utf8_lossy(bytes)),
        }
    }

    /// A valid cookie with one changed byte.
    fn spoiled(&mut self, bytes: &[u8]) {
        let mut header = self.last.clone().unwrap_or_default();
        if let [at, with] = *bytes
            && !header.is_empty()
        {
            let at = usize::from(at) % header.len();
            header[at] = with;
        }
        append(&mut self.request, COOKIE, &header);
    }

    fn session(&mut self) -> &UntypedSession {
        let (sessions, request) = (&self.sessions, &self.request);
        let (clock, began) = (&self.clock, &mut self.began);
        self.session.get_or_insert_with(|| {
            *began = clock.now();
            sessions.begin(request)
        })
    }

    fn operate(&mut self, what: u8, text: &str) {
        let session = self.session().clone();
        let key = text.get(..1).unwrap_or("_").to_owned();
        let text = text.to_owned();
        let result = now(async {
            match what {
                13 => session.get::<Value>(&*key).await.map(drop),
                14 => session.set(&*key, text),
                15 => session.del(&*key),
                16 => session.renew(),
                17 => session.destroy(),
                18 => session.clear(),
                19 => session.commit().await,
                20 => {
                    let append = move |value: &mut Option<String>| {
                        value.get_or_insert_default().push_str(&text);
                    };
                    session.update(&*key, append).await
                }
                21 => session.take::<String>(&*key).await.map(drop),
                22 => match text.as_str() {
                    "" => session.csrf_token().await.map(drop),
                    token => session
                        .verify_csrf(token)
                        .await
                        .map(|ok| assert!(!ok, "forged")),
                },
                _ => match session.is_live().await {
                    Ok(true) => {
                        self.must_be_given();
                        session.get_all().await.map(drop)
                    }
                    other => other.map(drop),
                },
            }
        });
        if let Err(error) = result {
            let kind = error.kind();
            let expected = matches!(kind, ErrorKind::Gone | ErrorKind::Encode);
            assert!(expected, "{error:?}");
            let shown = format!("{error} {error:?}");
            let secret = |value: &Vec<u8>| shown.contains(&*String::from_utf8_lossy(value));
            assert!(!self.given.iter().any(secret), "{shown}");
        }
    }

    /// Checks that a live session either was created by this request, or belongs to a cookie in the request that was
    /// sent to the client before.
    fn must_be_given(&self) {
        let lines: Vec<_> = self.request.get_all(COOKIE).iter().collect();
        let presented = |value: &Vec<u8>| lines.iter().any(|line| contains(line.as_bytes(), value));
        let committed = self.given.is_empty() || self.given.iter().any(presented);
        let made_here = now(self.session.as_ref().expect("it began").created_at())
            .ok()
            .flatten()
            .is_some_and(|created| created >= self.began);
        assert!(committed || made_here, "a session out of nowhere");
    }

    /// Ends the request, successfully or not, and checks the response.
    fn end(&mut self, well: bool) {
        let session = self.session().clone();
        let handlers = std::mem::take(&mut self.response);
        let mut headers = handlers.clone();
        if well {
            if let Err(error) = now(self.sessions.finish(&session, &mut headers)) {
                assert_eq!(error.kind(), ErrorKind::Gone, "{error:?}");
            }
        } else {
            self.sessions.abandon(&session, &mut headers);
        }
        let late = session.renew().expect_err("the request is over");
        assert_eq!(late.kind(), ErrorKind::Closed);
        self.check(&headers, &handlers);
        self.request.clear();
        self.session = None;
    }

    /// Checks a response, given the handler's headers.
    fn check(&mut self, headers: &HeaderMap, handlers: &HeaderMap) {
        let drawn = self.drawn.load(Ordering::Relaxed);
        let mut pairs = Vec::new();
        let names = [Some(self.config.name()), self.config.signature_name()];
        for name in names.into_iter().flatten() {
            let ours: Vec<_> = headers
                .get_all(SET_COOKIE)
                .iter()
                .filter(|header| name_of(header) == name.as_bytes())
                .collect();
            assert!(ours.len() <= 1, "two cookies of one name: {ours:?}");
            // The session's cookie is marked as sensitive; the handler's cookies are not checked.
            let Some(cookie) = ours.first().filter(|cookie| cookie.is_sensitive()) else {
                continue;
            };
            let text = cookie.to_str().expect("visible ASCII");
            let (pair, attributes) = text.split_once("; ").expect("attributes");
            let value = pair.split_once('=').expect("a pair").1;
            assert_eq!(attributes.contains("Secure"), self.config.is_secure());
            assert!(attributes.contains("SameSite=Lax") && attributes.contains("HttpOnly"));
            let no_cache = headers.get_all(CACHE_CONTROL).iter().any(|value| {
                let value = value.as_bytes().to_ascii_lowercase();
                contains(&value, b"no-store") || contains(&value, b"private")
            });
            assert!(no_cache, "a shared cache may keep {headers:?}");
            match value {
                "" => assert!(attributes.contains("Max-Age=0")),
                value => {
                    let id = value.split('.').next().expect("a first part");
                    if name == self.config.name() {
                        let id = URL_SAFE_NO_PAD.decode(id).expect("an id");
                        let (number, rest) = id.split_first_chunk().expect("24 bytes");
                        assert_eq!(rest, [0xA5; 16], "an id that was not generated here");
                        assert!(u64::from_be_bytes(*number) <= drawn, "never drawn");
                    }
                    pairs.push(pair.as_bytes().to_vec());
                    self.given.push(value.as_bytes().to_vec());
                }
            }
        }
        // Every other added header is one of two fixed lines.
        for (name, value) in headers {
            let by_handler = handlers.get_all(name).iter().any(|other| other == value);
            let added = (name == VARY && value == "Cookie")
                || (name == CACHE_CONTROL && value == "no-store")
                || (name == SET_COOKIE && value.is_sensitive());
            assert!(by_handler || added, "{name}: {value:?} out of nowhere");
        }
        if !pairs.is_empty() {
            self.last = Some(pairs.join(&b"; "[..]));
        }
    }
}

fn name_of(header: &HeaderValue) -> Vec<u8> {
    let bytes = header.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b'=');
    let name = end.map_or(&b""[..], |end| &bytes[..end]);
    name.trim_ascii().to_vec()
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.append(name, value);
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|part| part == needle)
}

/// The outcome of a future that never waits: the store is in memory and nothing else uses the session.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("it waits for something"),
    }
}
