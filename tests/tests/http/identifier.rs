//! The identifier and the stored data (rows S).

use crate::site::{DAY, Site, get_page, post_page, send, signed_in, site, stored};
use axum::http::{HeaderValue, Method, StatusCode};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::header::COOKIE;
use level_session::{
    Expiry, Keyring, Result, Session, Sessions,
    store::{Commit, MemoryStore, Step, Write},
};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Prevents: a weak id, or a partial sign-in, when the operating system's random generator fails (S01).
#[tokio::test]
async fn a_failing_generator_is_an_error_and_no_cookie() {
    let dry = Arc::new(AtomicBool::new(false));
    let source = {
        let (dry, next) = (dry.clone(), std::sync::atomic::AtomicU8::new(1));
        move || match dry.load(Ordering::Relaxed) {
            true => Err(level_session::store::Error::store("drawing an id", "no entropy").into()),
            false => Ok([next.fetch_add(1, Ordering::Relaxed); 24]),
        }
    };
    let app = App::new().with(|sessions| sessions.id_source(source));
    let router = site(&app);
    let mut known = signed_in(&router).await;
    let before = known.clone();

    dry.store(true, Ordering::Relaxed);
    let mut stranger = Visitor::new();
    for path in ["/visit", "/sign-in"] {
        let answer = post_page(&router, &mut stranger, path).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert_eq!(answer.cookies(), [""; 0], "{path}");
    }
    let answer = get_page(&router, &mut stranger, "/token").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let answer = post_page(&router, &mut known, "/sign-in").await;
    assert_eq!(
        answer.status,
        StatusCode::INTERNAL_SERVER_ERROR,
        "a renewal"
    );
    assert_eq!(known, before, "the id that it had is left to it");
    assert_eq!(stored(&app).await.len(), 1);
    let answer = get_page(&router, &mut known, "/user").await;
    assert_eq!(answer.text(), "Some(7)");
}

/// Prevents: personal data, a counter or a time in the cookie, for any content of the session (S02).
#[tokio::test]
async fn the_cookie_is_as_opaque_for_a_full_session_as_for_an_empty_one() {
    let app = App::new();
    let router = site(&app);
    let mut visitor = signed_in(&router).await;
    let lengths = |visitor: &Visitor| {
        let cookie = visitor.cookie().unwrap();
        let (id, signature) = cookie.split_once('.').unwrap();
        let bytes = |text| URL_SAFE_NO_PAD.decode(text).unwrap().len();
        (bytes(id), bytes(signature))
    };
    assert_eq!(lengths(&visitor), (24, 32));
    let first = visitor.cookie().unwrap().to_owned();
    for _ in 0..3 {
        post_page(&router, &mut visitor, "/visit").await;
        app.clock.advance(DAY);
        get_page(&router, &mut visitor, "/user").await;
    }
    assert_eq!(
        visitor.cookie(),
        Some(&*first),
        "nothing in it counts or tells the time"
    );
}

/// Cookies that were not issued here, or whose session no longer exists.
async fn bad_cookies(app: &App) -> Vec<(&'static str, String)> {
    let router = site(app);
    let mut destroyed = signed_in(&router).await;
    let destroyed_cookie = destroyed.cookie().unwrap().to_owned();
    post_page(&router, &mut destroyed, "/sign-out").await;
    let mut renewed = signed_in(&router).await;
    let former = renewed.cookie().unwrap().to_owned();
    post_page(&router, &mut renewed, "/sign-in").await;
    post_page(&router, &mut renewed, "/sign-out").await;
    let expired = signed_in(&router).await.cookie().unwrap().to_owned();
    app.clock.advance(DAY);

    let elsewhere = site(&App::new()); // the same key, another store
    let signed = signed_in(&elsewhere).await.cookie().unwrap().to_owned();
    let foreign = Sessions::new(MemoryStore::new(), Keyring::generate().unwrap());
    let foreign = App {
        sessions: foreign,
        ..App::new()
    };
    let foreign = signed_in(&site(&foreign))
        .await
        .cookie()
        .unwrap()
        .to_owned();
    let (id, _) = signed.split_once('.').unwrap();
    vec![
        ("random", "Zm9vYmFy.c2Vzc2lvbg".to_owned()),
        ("well-formed and unsigned", id.to_owned()),
        (
            "with a signature of zeros",
            format!("{id}.{}", "A".repeat(43)),
        ),
        ("signed by another's key", foreign),
        ("correctly signed and never stored", signed),
        ("destroyed", destroyed_cookie),
        ("renewed to another id", former),
        ("expired", expired),
    ]
}

/// Prevents: session fixation, and records created by arbitrary requests (S03).
#[tokio::test]
async fn an_id_that_was_not_issued_here_is_never_adopted_and_makes_no_record() {
    over_every_store(async |store| {
        let app = App::over(store).with_expiry(Expiry::idle(DAY));
        let router = site(&app);
        for (kind, cookie) in bad_cookies(&app).await {
            let before = stored(&app).await;
            assert_eq!(before, [], "{kind}");
            let fixed = Visitor {
                jar: [("__Host-s".to_owned(), cookie.clone())].into(),
            };
            for path in ["/plain", "/user", "/all", "/visits"] {
                let mut visitor = fixed.clone();
                let answer = get_page(&router, &mut visitor, path).await;
                assert_eq!(answer.status, StatusCode::OK, "{kind}, {path}");
                assert_eq!(answer.cookies(), [""; 0], "{kind}, {path}");
                assert_eq!(stored(&app).await, [], "{kind}, {path}");
            }
            let mut visitor = fixed.clone();
            let answer = get_page(&router, &mut visitor, "/user").await;
            assert_eq!(answer.text(), "None", "{kind}");
            // A write begins a new session under an id that the server generates.
            for path in ["/visit", "/sign-in"] {
                let mut visitor = fixed.clone();
                let answer = post_page(&router, &mut visitor, path).await;
                assert_eq!(answer.status, StatusCode::OK, "{kind}, {path}");
                let given = visitor.cookie().unwrap().to_owned();
                assert_ne!(given[..32], cookie[..32.min(cookie.len())], "{kind}");
                assert_eq!(stored(&app).await.len(), 1, "{kind}, {path}");
                let answer = get_page(&router, &mut fixed.clone(), "/user").await;
                assert_eq!(answer.text(), "None", "{kind}: the old id stays dead");
                post_page(&router, &mut visitor, "/sign-out").await;
            }
        }
    })
    .await;
}

/// Prevents: a request that crashes the server, or a session look-up with the attacker's bytes (S04).
#[tokio::test]
async fn a_hostile_cookie_header_is_an_anonymous_visitor_and_never_a_5xx() {
    let app = App::new();
    let router = site(&app);
    let good = signed_in(&router).await.cookie().unwrap().to_owned();
    let _ = app.faults.calls();
    let mut headers: Vec<Vec<u8>> = vec![
        b"".into(),
        b"=".into(),
        b";;;;".into(),
        b"__Host-s".into(),
        b"__Host-s=".into(),
        b"__Host-s=\xFF\xFE.\x80".into(),
        [&b"__Host-s="[..], &[0xFF; 32], b".", &[0xFF; 43]].concat(),
        format!("__Host-s={}", "A".repeat(65_536)).into(),
        format!("__Host-s={}", &good[..75]).into(),
        format!("__Host-s={good}A").into(),
        format!("__Host-s=../../{good}").into(),
        b"__Host-s=a; ".repeat(5_000),
        format!("__Host-s={}.{}; ", "A".repeat(32), "A".repeat(43))
            .repeat(5_000)
            .into(),
    ];
    headers.push(headers[6].repeat(3_000));
    for header in headers {
        let shown = String::from_utf8_lossy(&header[..header.len().min(60)]).into_owned();
        let value = HeaderValue::from_bytes(&header).unwrap();
        for path in ["/user", "/all", "/plain"] {
            let answer = send(&router, Method::GET, path, [(COOKIE, value.clone())]).await;
            assert_eq!(answer.status, StatusCode::OK, "{shown}");
            assert_eq!(answer.cookies(), [""; 0], "{shown}");
        }
        assert_eq!(app.faults.calls(), [], "{shown}: the store is not asked");
    }
    // Requests that HTTP itself rejects do not reach the session.
    for byte in [0, b'\n', b'\r', 0x7F] {
        assert!(HeaderValue::from_bytes(&[byte]).is_err());
    }
}

/// Prevents: a stolen backup that signs the thief in (S05).
#[tokio::test]
async fn what_is_stored_is_no_cookie() {
    over_every_store(async |store| {
        let app = App::over(store);
        let router = site(&app);
        signed_in(&router).await;
        let [digest] = stored(&app).await[..] else {
            panic!("one session")
        };
        let whole = URL_SAFE_NO_PAD.encode(digest.as_bytes());
        let part: [u8; 24] = digest.as_bytes()[..24].try_into().unwrap();
        let rest: [u8; 24] = digest.as_bytes()[8..].try_into().unwrap();
        let mut cookies = vec![whole.clone(), format!("{whole}.{}", "A".repeat(43))];
        for part in [part, rest] {
            // Even for an attacker who can sign cookies.
            let forger = App::new().with(|sessions| sessions.id_source(move || Ok(part)));
            cookies.push(signed_in(&site(&forger)).await.cookie().unwrap().to_owned());
        }
        for cookie in cookies {
            let jar = [("__Host-s".to_owned(), cookie)].into();
            let answer = get_page(&router, &mut Visitor { jar }, "/user").await;
            assert_eq!(answer.text(), "None");
        }
    })
    .await;
}

/// Prevents: a page that fails, or shows garbage of another type, because of one damaged field (S10, S11).
#[tokio::test]
async fn damaged_bytes_are_an_error_of_their_field_alone() {
    let app = App::new();
    let router = site(&app);
    let mut visitor = signed_in(&router).await;
    post_page(&router, &mut visitor, "/visit").await;
    let [id] = stored(&app).await[..] else {
        panic!("one session")
    };
    let now = app.clock.now();
    let mut damage: Vec<Vec<u8>> = vec![vec![], vec![0xFF], vec![0; 64], vec![0xFD; 64]];
    damage.push([&[1, 0][..], &[6], &[253; 9]].concat());
    for bytes in damage {
        let write = Write::set("user".into(), bytes.clone().into());
        let commit =
            Commit::new(id, now, Step::keep(None)).with_writes(std::slice::from_ref(&write));
        let outcome = app.sessions.store().commit(commit).await.unwrap();
        assert!(outcome.is_done());

        let answer = get_page(&router, &mut visitor, "/user").await;
        assert_eq!(
            answer.status,
            StatusCode::INTERNAL_SERVER_ERROR,
            "{bytes:?}"
        );
        assert_eq!(answer.text(), "something went wrong\n", "not told why");
        let answer = get_page(&router, &mut visitor, "/visits").await;
        assert_eq!(answer.text(), "1", "{bytes:?}: the others are there");
        let session: Session<Site> = app.begin(&visitor);
        let all = session.get_all().await.unwrap();
        assert_eq!(all.damaged().len(), 1, "{bytes:?}");
        assert_eq!(all.damaged()[0].field(), Some("user"));
    }
    // Signing in again repairs it.
    post_page(&router, &mut visitor, "/sign-in").await;
    let answer = get_page(&router, &mut visitor, "/user").await;
    assert_eq!(answer.text(), "Some(7)");
}

/// Prevents: a type that exhausts the memory or the stack when it is read (S10).
#[tokio::test]
async fn a_value_too_large_or_too_deep_is_refused_when_it_is_written() -> Result<()> {
    let app = App::new();
    let session: Session = app.begin(&Visitor::new());
    session.set("a", "x".repeat(2 << 20)).unwrap_err();
    let mut deep = serde_json::json!(0);
    for _ in 0..500 {
        deep = serde_json::json!([deep]);
    }
    session.set("a", deep).unwrap_err();
    assert_eq!(session.get::<String>("a").await?, None);
    Ok(())
}
