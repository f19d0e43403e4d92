//! The memory that hostile input can make the library allocate (S04, S10). The tests count bytes, so the bounds hold on
//! any machine.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use allocation_counter::measure;
use axum::{Router, body::Body, routing::get};
use http::{HeaderValue, Request, StatusCode, header::COOKIE};
use level_session::{
    ErrorKind, FjallStore, Session, SessionLayer,
    store::{Commit, Select, Step, Write},
};
use level_session_tests::visitor::{App, Visitor};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::{collections::HashMap, fmt, sync::Arc};
use tokio::runtime::Runtime;
use tower_service::Service as _;

/// The maximum memory of a request for its session at any time, regardless of the number and size of its cookies, in
/// addition to the request itself: the unit of work, and the cookie parser.
const COOKIES: u64 = 2 * 1024 + 512;
/// The additional memory for each `Cookie` header line, of which HTTP/2 may send several: a reference to it, twice
/// while a list grows.
const LINE: u64 = 128;
/// The maximum memory of an attempt to read a damaged value, at any time.
const DAMAGED: u64 = 16 * 1024;

/// The maximum memory of reading a value, at any time, for each of its bytes. A value has at most a million bytes.
const EACH_BYTE: u64 = 128;

async fn look(session: Session) -> level_session::Result<&'static str> {
    Ok(match session.get::<u64>("user").await? {
        None => "nobody",
        Some(_) => "somebody",
    })
}

/// The peak memory of a request with these cookies, above its peak without the session.
fn most(app: &App, router: &Router, lines: &[HeaderValue], expected: &str) -> u64 {
    let runtime = Runtime::new().unwrap();
    let ask = |router: &Router| {
        let mut service = router.clone().into_service();
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = http::Uri::from_static("/look");
        for line in lines {
            request.headers_mut().append(COOKIE, line.clone());
        }
        let _ = app.faults.calls(); // the list of the test itself
        let mut response = None;
        let info = measure(|| {
            response = Some(runtime.block_on(service.call(request)));
        });
        let response = response.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body = runtime.block_on(axum::body::to_bytes(response.into_body(), 100));
        (info.bytes_max, body.unwrap())
    };
    let bare = Router::new().route("/look", get(async || "nobody"));
    for router in [&bare, router] {
        ask(router); // allocations that are made once
    }
    let (taken, body) = ask(router);
    assert_eq!(body, expected);
    taken - ask(&bare).0
}

/// Prevents: a request whose `Cookie` header fills the memory.
#[test]
fn cookies_take_no_memory_however_many_and_large_they_are() {
    let app = App::new();
    let mut visitor = Visitor::new();
    Runtime::new()
        .unwrap()
        .block_on(app.request(&mut visitor, async |session: Session| {
            session.set("user", 7_u64)
        }))
        .unwrap();
    let good = format!("__Host-s={}", visitor.cookie().unwrap());
    let forged = format!("__Host-s={}.{}; ", "A".repeat(32), "A".repeat(43));
    let layer = SessionLayer::from(app.sessions.clone());
    let router = Router::new().route("/look", get(look)).layer(layer);
    let line = |text: String| HeaderValue::try_from(text).unwrap();
    const HYPER: usize = 400 * 1024; // the maximum size that hyper accepts for an HTTP/1 head
    for size in [16 * 1024, HYPER, 10 << 20] {
        let many = |part: &str| part.repeat(size / part.len());
        for (what, text) in [
            ("one cookie", format!("__Host-s={}", "A".repeat(size))),
            ("a neighbour", format!("a={}", "A".repeat(size))),
            ("separators", ";".repeat(size)),
            ("neighbours", many("theme=dark; ")),
            ("bad twins", many(&forged)),
            ("twins of another shape", many("__Host-s=a; ")),
        ] {
            let taken = most(&app, &router, &[line(text.clone())], "nobody");
            println!("{what} of {size}: {taken}");
            assert!(taken <= COOKIES, "{what} of {size} bytes: {taken}");
            // The session's cookie comes after 199 cookies that look like it.
            let hidden = what == "bad twins" && size / forged.len() >= 200;
            let expected = ["somebody", "nobody"][usize::from(hidden)];
            let taken = most(&app, &router, &[line(format!("{text}; {good}"))], expected);
            assert!(
                taken <= COOKIES,
                "{what} of {size} bytes, and ours: {taken}"
            );
        }
    }
    for lines in [1, 100, 10_000] {
        let mut all = vec![line("a=1".into()); lines];
        all.push(line(good.clone()));
        let taken = most(&app, &router, &all, "somebody");
        println!("{lines} lines: {taken}");
        let bound = COOKIES + LINE * lines as u64;
        assert!(taken <= bound, "{lines} lines: {taken}");
    }
}

fn refused<T: DeserializeOwned + fmt::Debug>(app: &App, visitor: &Visitor) -> u64 {
    let session: Session = app.begin(visitor);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let _ = app.faults.calls();
    let mut result = None;
    let info = measure(|| {
        result = Some(runtime.block_on(session.get::<T>("user")));
    });
    let error = result.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    info.bytes_max
}

/// Prevents: a few damaged bytes in the store that make a read allocate gigabytes.
#[test]
fn a_stored_length_is_not_believed() {
    let app = App::new();
    let mut visitor = Visitor::new();
    let runtime = Runtime::new().unwrap();
    runtime
        .block_on(app.request(&mut visitor, async |session: Session| {
            session.set("user", 7_u64)
        }))
        .unwrap();
    let now = app.clock.now();
    let store = app.sessions.store();
    let [id] = runtime.block_on(store.page(None, 2, now)).unwrap().items[..] else {
        panic!("one session")
    };
    // A string, bytes, a list, a map; with lengths up to more than the memory has, alone and before 60,000 zero bytes,
    // each of which could be an element; and with the maximum depth.
    let lengths: [&[u8]; 4] = [
        &[251, 0x60, 0xEA],
        &[252, 0, 0, 0, 0x40],
        &[253, 0, 0, 0, 0, 0, 1, 0, 0],
        &[253, 255, 255, 255, 255, 255, 255, 255, 255],
    ];
    let mut damage = vec![[&[1][..], &[8, 1].repeat(60_000)].concat()];
    for tag in [6, 7, 8, 9] {
        for length in lengths {
            let head = [&[1, tag][..], length].concat();
            damage.push([&head[..], &[0xFF; 59_999]].concat());
            damage.push(head);
        }
    }
    let whole_list = [&[1, 8, 251, 0x60, 0xEA][..], &[0; 60_001]].concat();
    damage.push(whole_list.clone());
    for bytes in damage {
        let write = Write::set("user".into(), bytes.clone().into());
        let commit =
            Commit::new(id, now, Step::keep(None)).with_writes(std::slice::from_ref(&write));
        runtime.block_on(store.commit(commit)).unwrap();
        let most = [
            refused::<u64>(&app, &visitor),
            refused::<String>(&app, &visitor),
            refused::<Vec<[u64; 8]>>(&app, &visitor),
            refused::<Vec<Vec<u64>>>(&app, &visitor),
            refused::<HashMap<String, String>>(&app, &visitor),
            refused::<level_session::Value>(&app, &visitor),
            refused::<IgnoredAny>(&app, &visitor),
        ];
        let shown = &bytes[..bytes.len().min(12)];
        println!("{shown:?} of {}: {most:?}", bytes.len());
        let bound = match bytes == whole_list {
            true => EACH_BYTE * bytes.len() as u64, // it is a valid list with an extra byte
            false => DAMAGED,
        };
        assert!(
            most.iter().all(|most| *most <= bound),
            "{shown:?} of {}: {most:?}",
            bytes.len()
        );
    }
}

/// Prevents: the same, through the record that lists the fields of a session.
#[test]
fn a_length_in_a_record_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let database = fjall::Database::builder(dir.path()).open().unwrap();
    let meta = database.keyspace("session.meta", fjall::KeyspaceCreateOptions::default);
    let meta = meta.unwrap();
    let builder = FjallStore::builder().cache_sessions(0).sweep_every(None);
    let app = App::over(Arc::new(builder.build(database).unwrap()));
    let runtime = Runtime::new().unwrap();
    let mut visitor = Visitor::new();
    runtime
        .block_on(app.request(&mut visitor, async |session: Session| {
            session.set("user", 7_u64)
        }))
        .unwrap();
    let store = app.sessions.store();
    let now = app.clock.now();
    let [id] = runtime.block_on(store.page(None, 2, now)).unwrap().items[..] else {
        panic!("one session")
    };
    let good = meta.get(id.as_bytes()).unwrap().unwrap();
    for length in [
        [0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        [0x80, 0x80, 0x80, 0x80, 0x04],
    ] {
        // The length of a name, and the length of the part after a name of one character.
        for begins in [&[][..], &[1, b'z']] {
            let bytes = [&good, begins, &length, b"more"].concat();
            meta.insert(id.as_bytes(), bytes).unwrap();
            let mut result = None;
            let info =
                measure(|| result = Some(runtime.block_on(store.load(id, Select::All, now))));
            let error = result.unwrap().unwrap_err();
            assert!(error.to_string().contains("is damaged"), "{error}");
            println!("a record with a length of {length:?}: {}", info.bytes_max);
            assert!(info.bytes_max <= DAMAGED, "{length:?}: {}", info.bytes_max);
        }
    }
}
