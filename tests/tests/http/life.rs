//! The life cycle (rows L), where HTTP makes a difference.

use crate::site::{
    DAY, Site, get_page, layer, pages, post_page, send, signed_in, site, stored, visit,
};
use axum::{
    Extension,
    http::{Method, StatusCode},
    routing::post,
};
use level_session::{
    CookieConfig, EndReason, Error, Event, Expiry, Result, SameSite, Session, store::testing::Call,
};
use level_session_tests::{
    over_every_local_store, over_every_store,
    visitor::{App, Visitor},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Notify;

/// A handler that has used its session and waits.
#[derive(Clone, Default)]
struct Gate {
    arrived: Arc<Notify>,
    open: Arc<Notify>,
}

async fn slow(Extension(gate): Extension<Gate>, session: Session<Site>) -> Result<&'static str> {
    session.visits().await?;
    gate.arrived.notify_one();
    gate.open.notified().await;
    session.user().set(666)?;
    Ok("done")
}

/// Prevents: a request in flight that gets a success although its session was ended, or that revives it (L01, L03).
#[tokio::test]
async fn a_request_whose_session_ended_meanwhile_is_a_conflict_and_stores_nothing() {
    for end in ["/sign-out", "/sign-in"] {
        over_every_store(async |store| {
            let app = App::over(store);
            let gate = Gate::default();
            let router = pages()
                .route("/slow", post(slow))
                .layer(Extension(gate.clone()))
                .layer(layer(&app));
            let mut visitor = signed_in(&router).await;
            let mut late = visitor.clone();
            let request = tokio::spawn({
                let router = router.clone();
                async move {
                    let answer = post_page(&router, &mut late, "/slow").await;
                    (answer, late)
                }
            });
            gate.arrived.notified().await;
            let answer = post_page(&router, &mut visitor, end).await;
            assert_eq!(answer.status, StatusCode::OK);
            let sessions = stored(&app).await;
            gate.open.notify_one();
            let (answer, mut late) = request.await.unwrap();
            assert_eq!(answer.status, StatusCode::CONFLICT, "{end}");
            assert_eq!(answer.text(), "", "{end}: nothing of the handler's page");
            assert_eq!(answer.cookies(), [""; 0], "{end}: no cookie, neither way");
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert_eq!(stored(&app).await, sessions, "{end}");
            let answer = get_page(&router, &mut late, "/user").await;
            assert_eq!(answer.text(), "None", "{end}: the old id is dead");
            let answer = get_page(&router, &mut visitor, "/user").await;
            let expected = ["None", "Some(7)"][usize::from(end == "/sign-in")];
            assert_eq!(answer.text(), expected, "{end}");
        })
        .await;
    }
}

/// Prevents: an old cookie that survives the renewal, and a failing handler that renews (L01, F06).
#[tokio::test]
async fn a_renewal_in_a_failing_handler_did_not_happen() {
    over_every_store(async |store| {
        let app = App::over(store);
        let router = site(&app);
        let mut visitor = signed_in(&router).await;
        let before = visitor.clone();
        for (path, status) in [
            ("/fail", StatusCode::BAD_GATEWAY),
            ("/fail-signing-out", StatusCode::INTERNAL_SERVER_ERROR),
        ] {
            let answer = post_page(&router, &mut visitor, path).await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.cookies(), [""; 0], "{path}");
            assert_eq!(visitor, before);
            let answer = get_page(&router, &mut visitor, "/user").await;
            assert_eq!(answer.text(), "Some(7)", "{path}");
        }
    })
    .await;
}

/// Prevents: the cart of one user shown to the next user of the same browser (L02).
#[tokio::test]
async fn signing_in_afresh_drops_what_the_former_user_left() {
    let app = App::new();
    let router = pages()
        .route(
            "/sign-in-afresh",
            post(async |session: Session<Site>| {
                session.clear()?;
                session.renew()?;
                session.user().set(8)
            }),
        )
        .layer(layer(&app));
    let mut visitor = signed_in(&router).await;
    post_page(&router, &mut visitor, "/visit").await;
    let former = visitor.clone();
    post_page(&router, &mut visitor, "/sign-in-afresh").await;
    assert_ne!(visitor, former);
    let answer = get_page(&router, &mut visitor, "/visits").await;
    assert_eq!(answer.text(), "0");
    let answer = get_page(&router, &mut visitor, "/user").await;
    assert_eq!(answer.text(), "Some(8)");
}

/// Prevents: a timeout that depends on the browser or on the sweeper (L04, L05, L06).
#[tokio::test]
async fn timeouts_hold_to_the_millisecond_whatever_the_cookie_says() {
    // NIST SP 800-63B-4, sections 2.1.3, 2.2.3 and 2.3.3.
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    let presets = [
        (Expiry::nist_aal1(), 30 * 24 * HOUR, 30 * 24 * HOUR),
        (Expiry::nist_aal2(), HOUR, 24 * HOUR),
        (Expiry::nist_aal3(), 15 * MINUTE, 12 * HOUR),
    ];
    for (expiry, idle, absolute) in presets {
        over_every_store(async |store| {
            let app = App::over(store).with_expiry(expiry);
            let router = site(&app);
            let (idle, absolute) = (Duration::from_secs(idle), Duration::from_secs(absolute));
            let millisecond = Duration::from_millis(1);

            let mut visitor = signed_in(&router).await;
            app.clock.advance(idle - millisecond);
            let kept = visitor.clone();
            let answer = get_page(&router, &mut visitor.clone(), "/user").await;
            assert_eq!(answer.text(), "Some(7)");
            app.clock.advance(idle);
            let answer = get_page(&router, &mut kept.clone(), "/user").await;
            assert_eq!(answer.text(), "None", "the browser has kept its cookie");

            visitor = signed_in(&router).await;
            let signed_in_at = app.clock.now();
            while app.clock.now().since(signed_in_at) + idle / 2 < absolute - millisecond {
                app.clock.advance(idle / 2);
                let answer = get_page(&router, &mut visitor, "/user").await;
                assert_eq!(answer.text(), "Some(7)", "use keeps it alive");
            }
            let left = absolute - millisecond - app.clock.now().since(signed_in_at);
            app.clock.advance(left);
            let answer = get_page(&router, &mut visitor, "/user").await;
            assert_eq!(answer.text(), "Some(7)");
            app.clock.advance(millisecond);
            let answer = get_page(&router, &mut visitor, "/user").await;
            assert_eq!(answer.text(), "None", "however busy it is");
        })
        .await;
    }
}

/// Prevents: a re-authentication that does not restart the absolute timeout (L05; NIST SP 800-63B-4, 5.2).
#[tokio::test]
async fn signing_in_again_restarts_both_timeouts() {
    let expiry = Expiry::idle(DAY).with_absolute(DAY);
    let app = App::new().with_expiry(expiry);
    let router = site(&app);
    let mut visitor = signed_in(&router).await;
    for _ in 0..3 {
        app.clock.advance(DAY / 2);
        post_page(&router, &mut visitor, "/sign-in").await;
    }
    let answer = get_page(&router, &mut visitor, "/user").await;
    assert_eq!(answer.text(), "Some(7)");
    app.clock.advance(DAY);
    let answer = get_page(&router, &mut visitor, "/user").await;
    assert_eq!(answer.text(), "None");
}

/// Prevents: a page that signs its visitor out because its images were requested with the former cookie (L07).
#[tokio::test]
async fn a_burst_on_the_former_id_loses_nobody_within_the_grace() {
    over_every_store(async |store| {
        let app = App::over(store).with(|sessions| sessions.renewal_grace(Duration::from_secs(10)));
        let router = site(&app);
        let mut visitor = signed_in(&router).await;
        let former = visitor.clone();
        post_page(&router, &mut visitor, "/sign-in").await;
        for _ in 0..5 {
            let mut late = former.clone();
            let answer = post_page(&router, &mut late, "/visit").await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(late, former, "the new cookie is not given to the old id");
        }
        let answer = get_page(&router, &mut visitor, "/visits").await;
        assert_eq!(answer.text(), "5");
        // The new id was used.
        let answer = get_page(&router, &mut former.clone(), "/user").await;
        assert_eq!(answer.text(), "None");
    })
    .await;
}

/// Prevents: a sign-out that the browser ignores, because the removal names another cookie (L10).
#[tokio::test]
async fn the_removal_has_the_attributes_of_what_it_removes() {
    let builder = CookieConfig::builder;
    for config in [
        CookieConfig::default(),
        CookieConfig::for_development(),
        builder()
            .name("s")
            .path("/shop")
            .domain("example.com")
            .same_site(SameSite::Strict)
            .build()
            .unwrap(),
        builder()
            .name("__Host-embedded")
            .same_site(SameSite::None)
            .partitioned(true)
            .build()
            .unwrap(),
        builder().name("k").keygrip().build().unwrap(),
    ] {
        let app = App::new().with(|sessions| sessions.cookie(config.clone()));
        let router = site(&app);
        let mut visitor = Visitor::new();
        let set = post_page(&router, &mut visitor, "/sign-in").await;
        let removed = post_page(&router, &mut visitor, "/sign-out").await;
        assert_eq!(visitor, Visitor::new());
        let identity = |cookies: Vec<&str>| -> Vec<Vec<String>> {
            let parts = |cookie: &str| {
                let (name, _) = cookie.split_once('=').unwrap();
                let attributes = cookie.split("; ").skip(1);
                let kept =
                    attributes.filter(|a| !a.starts_with("Max-Age") && !a.starts_with("Expires"));
                let mut all: Vec<_> = kept.map(str::to_owned).collect();
                all.sort();
                all.push(name.to_owned());
                all
            };
            cookies.into_iter().map(parts).collect()
        };
        assert_eq!(identity(set.cookies()), identity(removed.cookies()));
    }
}

/// Prevents: an audit log without the sessions that expired (L13).
#[tokio::test]
async fn what_had_expired_is_told_once_when_it_is_removed() {
    over_every_local_store(async |store| {
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let app = App::over(store.clone())
            .with_expiry(Expiry::idle(DAY))
            .with(|sessions| {
                sessions
                    .observer(|_| panic!("it was replaced"))
                    .observer(move |event| {
                        seen.lock().unwrap().push(event);
                        panic!("an observer cannot prevent anything (L11)");
                    })
            });
        let router = site(&app);
        let mut left = [signed_in(&router).await, signed_in(&router).await];
        let mut expected = stored(&app).await;
        let mut signed_out = signed_in(&router).await;
        post_page(&router, &mut signed_out, "/sign-out").await;
        events.lock().unwrap().clear();
        app.clock.advance(DAY);
        let mut lives = signed_in(&router).await;
        for visitor in &mut left {
            let answer = get_page(&router, visitor, "/user").await;
            assert_eq!(answer.text(), "None");
        }
        for _ in 0..3 {
            store.sweep(app.clock.now(), 100).await.unwrap();
        }
        let mut told: Vec<_> = events.lock().unwrap().drain(..).collect();
        assert!(matches!(told.remove(0), Event::Created { .. }));
        expected.sort();
        let mut removed: Vec<_> = told
            .into_iter()
            .map(|event| match event {
                Event::Ended {
                    session,
                    reason: EndReason::Expired,
                    ..
                } => session.digest(),
                other => panic!("{other:?}"),
            })
            .collect();
        removed.sort();
        assert_eq!(removed, expected);
        let answer = get_page(&router, &mut lives, "/user").await;
        assert_eq!(answer.text(), "Some(7)", "what lives is left");
    })
    .await;
}

/// Prevents: a store access, a cookie or a header for every robot and every image (L14).
#[tokio::test]
async fn a_page_without_the_session_costs_nothing() {
    let app = App::new();
    let router = site(&app);
    let mut visitor = signed_in(&router).await;
    let _ = app.faults.calls();
    for visitor in [&mut visitor, &mut Visitor::new()] {
        let answer = get_page(&router, visitor, "/plain").await;
        for header in ["set-cookie", "vary", "cache-control"] {
            assert!(!answer.headers.contains_key(header), "{header}");
        }
        let answer = visit(&router, visitor, Method::GET, "/nowhere").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(app.faults.calls(), [] as [Call; 0]);
    // Nor does a request that reads, for a new visitor.
    let answer = send(&router, Method::GET, "/user", []).await;
    assert_eq!(answer.cookies(), [""; 0]);
    assert_eq!(app.faults.calls(), [] as [Call; 0]);
}

/// Prevents: an application that cannot distinguish its own mistake from the end of a session.
#[tokio::test]
async fn an_error_that_a_handler_returns_is_opaque_to_the_client() {
    let app = App::new();
    let router = pages()
        .route(
            "/wrong-type",
            post(async |session: Session<Site>| {
                session.set("user", "no number")?;
                Ok::<_, Error>("never")
            }),
        )
        .layer(layer(&app));
    let answer = send(&router, Method::POST, "/wrong-type", []).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.text(), "something went wrong\n");
    assert_eq!(stored(&app).await, []);
}
