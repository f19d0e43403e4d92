//! Faults (rows F), as a client sees them.

use crate::site::{Site, get_page, layer, pages, post_page, send, signed_in, site, stored, visit};
use axum::{
    Extension, Router,
    body::Body,
    http::{HeaderValue, Method, Request, Response, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use level_session::{
    ErrorKind, Result, Session, SessionLayer,
    store::testing::{Call, Faults},
};
use level_session_tests::{
    over_every_local_store, over_every_store,
    visitor::{App, Visitor},
};
use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};

/// Prevents: an empty session that is shown, and then written, instead of one that could not be read (F05).
#[tokio::test]
async fn a_store_that_cannot_be_read_is_an_opaque_5xx() {
    let app = App::new();
    let router = site(&app);
    let mut visitor = signed_in(&router).await;
    let before = visitor.clone();
    app.faults.fail_loads(true);
    app.faults.fail_commits(true); // a request that only writes does not read first
    for (method, path) in [
        (Method::GET, "/user"),
        (Method::GET, "/all"),
        (Method::GET, "/token"),
        (Method::POST, "/visit"),
        (Method::POST, "/sign-in"),
        (Method::POST, "/sign-out"),
    ] {
        let answer = visit(&router, &mut visitor, method, path).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(
            ["", "something went wrong\n"].contains(&answer.text()),
            "{path}: the client is not told why: {answer:?}"
        );
        assert_eq!(visitor, before, "{path}: the cookie is left alone");
    }
    // A page that does not use the session is not affected.
    let answer = get_page(&router, &mut visitor, "/plain").await;
    assert_eq!(answer.status, StatusCode::OK);
    app.faults.fail_commits(false);
    app.faults.fail_loads(false);
    let answer = get_page(&router, &mut visitor, "/user").await;
    assert_eq!(answer.text(), "Some(7)", "nothing was overwritten");
    let answer = get_page(&router, &mut visitor, "/visits").await;
    assert_eq!(answer.text(), "0");
}

/// Prevents: a success reported to the client for changes that were not stored (F05).
#[tokio::test]
async fn a_store_that_fails_on_commit_turns_the_response_into_a_5xx() {
    over_every_store(async |store| {
        let app = App::over(store);
        let router = site(&app);
        let mut visitor = signed_in(&router).await;
        let before = visitor.clone();
        app.faults.fail_commits(true);
        for path in ["/visit", "/sign-in", "/sign-out"] {
            for visitor in [&mut visitor, &mut Visitor::new()] {
                if visitor.cookie().is_none() && path == "/sign-out" {
                    continue; // nothing to store
                }
                let cookies = visitor.clone();
                let answer = post_page(&router, visitor, path).await;
                assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
                assert_eq!(answer.text(), "", "{path}");
                assert_eq!(answer.headers["cache-control"], "no-store");
                let told = ["cache-control", "vary", "content-length"];
                let more = answer
                    .headers
                    .keys()
                    .find(|name| !told.contains(&name.as_str()));
                assert_eq!(more, None, "{path}: the client is not told why");
                assert_eq!(*visitor, cookies, "{path}");
            }
        }
        app.faults.fail_commits(false);
        assert_eq!(visitor, before);
        assert_eq!(stored(&app).await.len(), 1);
        let answer = get_page(&router, &mut visitor, "/user").await;
        assert_eq!(answer.text(), "Some(7)");
        let answer = get_page(&router, &mut visitor, "/visits").await;
        assert_eq!(answer.text(), "0");
    })
    .await;
}

/// Prevents: partial changes that are stored although the handler panicked (F06).
#[tokio::test]
async fn a_handler_that_panics_stores_nothing() {
    over_every_store(async |store| {
        let app = App::over(store);
        let catching = || CatchPanicLayer::new();
        let outside = site(&app).layer(catching());
        let inside = pages().layer(catching()).layer(layer(&app));
        let uncaught = site(&app);
        let mut visitor = signed_in(&uncaught).await;
        let before = (visitor.clone(), stored(&app).await);
        let _ = app.faults.calls();
        for router in [outside, inside] {
            for visitor in [&mut visitor, &mut Visitor::new()] {
                let answer = post_page(&router, visitor, "/panic").await;
                assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
                assert_eq!(answer.cookies(), [""; 0]);
            }
        }
        let request = {
            let (router, mut visitor) = (uncaught.clone(), visitor.clone());
            tokio::spawn(async move { post_page(&router, &mut visitor, "/panic").await })
        };
        assert!(request.await.unwrap_err().is_panic());
        let commits = app.faults.calls().into_iter();
        assert_eq!(
            commits
                .filter(|call| matches!(call, Call::Commit { .. }))
                .count(),
            0
        );
        assert_eq!((visitor.clone(), stored(&app).await), before);
        let answer = get_page(&uncaught, &mut visitor, "/user").await;
        assert_eq!(answer.text(), "Some(7)");
    })
    .await;
}

/// Prevents: a session that stays open for a task of a service that panicked when it was called.
#[tokio::test]
async fn a_service_that_panics_when_it_is_called_closes_its_session() {
    #[derive(Clone, Default)]
    struct Panics(Arc<Mutex<Option<Session>>>);
    impl Service<Request<Body>> for Panics {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<Body>, Infallible>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let session = Session::<()>::from_extensions(request.extensions()).unwrap();
            session.set("a", 1).unwrap();
            *self.0.lock().unwrap() = Some(session);
            panic!("a service that panics")
        }
    }
    let app = App::new();
    let inner = Panics::default();
    let mut service = layer(&app).layer(inner.clone());
    let call = AssertUnwindSafe(|| service.call(Request::new(Body::empty())));
    assert!(std::panic::catch_unwind(call).is_err());
    let session = inner.0.lock().unwrap().take().unwrap();
    let error = session.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(stored(&app).await, []);
}

/// Prevents: changes of an aborted request that are stored, partially or completely (F06).
#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    async fn hang(Extension(seen): Extension<Arc<Mutex<Option<Session>>>>, session: Session) {
        session.set("a", 1).unwrap();
        session.renew().unwrap();
        *seen.lock().unwrap() = Some(session);
        std::future::pending::<()>().await;
    }
    over_every_store(async |store| {
        let app = App::over(store);
        let seen = Arc::new(Mutex::new(None::<Session>));
        let router = pages()
            .route("/hang", post(hang))
            .layer(Extension(seen.clone()))
            .layer(layer(&app));
        let mut visitor = signed_in(&router).await;
        let before = stored(&app).await;
        let _ = app.faults.calls();
        for known in [false, true] {
            let mut visitor = if known {
                visitor.clone()
            } else {
                Visitor::new()
            };
            let request = post_page(&router, &mut visitor, "/hang");
            let gone = tokio::time::timeout(Duration::from_millis(20), request).await;
            assert!(gone.is_err(), "the response future is dropped");
            let session: Session = seen
                .lock()
                .unwrap()
                .take()
                .expect("the handler was at work");
            let error = session.commit().await.unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::Closed,
                "nor can a task it left behind"
            );
        }
        // Dropped before the first poll.
        let request = Request::post("/visit").body(Body::empty()).unwrap();
        drop(router.clone().oneshot(request));
        assert_eq!(app.faults.calls(), []);
        assert_eq!(stored(&app).await, before);
        let answer = get_page(&router, &mut visitor, "/user").await;
        assert_eq!(answer.text(), "Some(7)");
    })
    .await;
}

/// Prevents: a policy for 5xx responses that cannot be changed, or that covers more than documented (F06).
#[tokio::test]
async fn the_application_can_choose_to_store_with_a_5xx() {
    let app = App::new().with(|sessions| sessions.commit_on_server_error(true));
    let choosing = SessionLayer::from(app.sessions.clone());
    let router = pages().layer(choosing);
    let mut visitor = signed_in(&router).await;
    let before = visitor.clone();
    let answer = post_page(&router, &mut visitor, "/fail").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_ne!(
        visitor, before,
        "the renewal happened, and its cookie is sent"
    );
    let answer = get_page(&router, &mut visitor, "/user").await;
    assert_eq!(answer.text(), "Some(8)");
    let panics = router.clone().layer(CatchPanicLayer::new());
    post_page(&panics, &mut visitor, "/panic").await;
    let answer = get_page(&router, &mut visitor, "/user").await;
    assert_eq!(
        answer.text(),
        "Some(8)",
        "a panic stores nothing all the same"
    );
}

/// Prevents: a counter of failed sign-ins that never counts, because every attempt was rejected.
#[tokio::test]
async fn a_4xx_and_every_other_status_below_500_stores() {
    async fn with_status(status: StatusCode, session: Session<Site>) -> Result<impl IntoResponse> {
        session.visits().add(1)?;
        Ok(Response::builder()
            .status(status)
            .body(Body::empty())
            .unwrap())
    }
    let app = App::new();
    let mut router = pages();
    let statuses = [101, 200, 204, 206, 302, 304, 400, 401, 403, 404, 429, 499];
    for status in statuses {
        let code = StatusCode::from_u16(status).unwrap();
        router = router.route(
            &format!("/status/{status}"),
            get(move |session| with_status(code, session)),
        );
    }
    let router = router.layer(layer(&app));
    let mut visitor = Visitor::new();
    for (n, status) in statuses.into_iter().enumerate() {
        let answer = get_page(&router, &mut visitor, &format!("/status/{status}")).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.cookies().len(), usize::from(n == 0), "{status}");
        assert!(answer.headers.contains_key("vary"), "{status}");
    }
    let answer = get_page(&router, &mut visitor, "/visits").await;
    assert_eq!(answer.text(), statuses.len().to_string());
}

/// Prevents: partial changes that are stored because a layer inside the session layer has cancelled the handler and
/// responds instead (F13).
#[tokio::test(start_paused = true)]
async fn a_timeout_in_the_handler_s_place_stores_nothing() {
    async fn slow(session: Session<Site>) -> Result<()> {
        session.renew()?;
        session.user().set(8)?;
        session.visits().add(1)?;
        std::future::pending::<()>().await;
        session.set("second_half", true)
    }
    over_every_local_store(async |store| {
        let app = App::over(store);
        let timeout =
            TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_millis(10));
        let router = pages()
            .route("/slow", post(slow).layer(timeout))
            .layer(layer(&app));
        let mut visitor = signed_in(&router).await;
        let before = visitor.clone();
        let answer = post_page(&router, &mut visitor, "/slow").await;
        assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(visitor, before, "the id is the same");
        let answer = get_page(&router, &mut visitor, "/user").await;
        assert_eq!(answer.text(), "Some(7)");
    })
    .await;
}

/// Prevents: changes of a failed remote procedure call that are stored because the failure has the status 200 (F06).
#[tokio::test]
async fn a_grpc_error_stores_nothing() {
    async fn fails(session: Session<Site>) -> Result<impl IntoResponse> {
        session.user().set(8)?;
        Ok(([("grpc-status", "13")], ()))
    }
    let app = App::new();
    let router = pages().route("/call", post(fails)).layer(layer(&app));
    let mut visitor = signed_in(&router).await;
    let answer = post_page(&router, &mut visitor, "/call").await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = get_page(&router, &mut visitor, "/user").await;
    assert_eq!(answer.text(), "Some(7)");
}

/// Prevents: a task that writes to a session after the response, without an error (F06).
#[tokio::test]
async fn a_task_that_comes_to_the_session_after_the_response_is_told() {
    type Outcomes = UnboundedSender<Option<ErrorKind>>;
    async fn spawn(Extension(outcomes): Extension<Outcomes>, session: Session<Site>) {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let results = [
                session.user().set(1),
                session.commit().await,
                session.detach().map(drop),
                // Reads still work.
                session.csrf_token().await.map(drop),
                session.user().await.map(|user| assert_eq!(user, Some(7))),
            ];
            for result in results {
                outcomes
                    .send(result.err().map(|error| error.kind()))
                    .unwrap();
            }
        });
    }
    let app = App::new();
    let (sender, mut outcomes) = unbounded_channel();
    let router = pages()
        .route("/spawn", post(spawn))
        .layer(Extension(sender))
        .layer(layer(&app));
    let mut visitor = signed_in(&router).await;
    let _ = app.faults.calls();
    let answer = post_page(&router, &mut visitor, "/spawn").await;
    assert_eq!(answer.status, StatusCode::OK);
    for _ in 0..3 {
        assert_eq!(outcomes.recv().await, Some(Some(ErrorKind::Closed)));
    }
    for _ in 0..2 {
        assert_eq!(outcomes.recv().await, Some(None));
    }
    let calls = app.faults.calls().into_iter();
    let commits = calls.filter(|call| matches!(call, Call::Commit { .. }));
    assert_eq!(commits.count(), 0, "what reads late refreshes nothing");
}

/// Prevents: a task that changes the session while its request ends, without an error, and a response that waits for a
/// task which is no longer polled.
#[tokio::test]
async fn a_task_that_is_changing_the_session_when_its_request_ends_is_told() {
    async fn spawn(
        Extension(faults): Extension<Faults>,
        Extension(outcomes): Extension<UnboundedSender<Result<()>>>,
        session: Session<Site>,
    ) {
        session.visits().await.unwrap(); // so that it is known
        let _ = faults.calls();
        faults.hang(true);
        let task = tokio::spawn(async move {
            let outcome = session.user().update(|user| *user = Some(8)).await;
            outcomes.send(outcome).unwrap();
        });
        // Until the task waits for the store, or no longer needs it.
        while faults.calls().is_empty() && !task.is_finished() {
            tokio::task::yield_now().await;
        }
    }
    over_every_local_store(async |store| {
        let app = App::over(store);
        let (sender, mut outcomes) = unbounded_channel::<Result<()>>();
        let router = pages()
            .route("/spawn", post(spawn))
            .layer(Extension(app.faults.clone()))
            .layer(Extension(sender))
            .layer(layer(&app));
        let mut visitor = signed_in(&router).await;
        let answering = async {
            let answer = post_page(&router, &mut visitor, "/spawn").await;
            assert_eq!(answer.status, StatusCode::OK);
        };
        let store_answers = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            app.faults.hang(false);
        };
        tokio::join!(answering, store_answers);
        let stored = match outcomes.recv().await.unwrap() {
            Ok(()) => "Some(8)", // in time: the store had already returned the field
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Closed);
                "Some(7)"
            }
        };
        let answer = get_page(&router, &mut visitor, "/user").await;
        assert_eq!(answer.text(), stored);
    })
    .await;
}

/// Prevents: a service error (without a response) that stores the changes of its request.
#[tokio::test]
async fn a_service_that_answers_an_error_stores_nothing() {
    let app = App::new();
    let inner = tower::service_fn(async |request: Request<Body>| {
        let session = Session::<()>::from_extensions(request.extensions()).unwrap();
        session.set("a", 1).unwrap();
        Err::<Response<Body>, _>("no response")
    });
    let service = layer(&app).layer(inner);
    let answer = service.oneshot(Request::new(Body::empty())).await;
    assert_eq!(answer.unwrap_err(), "no response");
    assert_eq!(app.faults.calls(), []);
    assert_eq!(stored(&app).await, []);
}

/// Prevents: two cookies, two sessions, or a sign-in whose cookie is lost, if a router with the layer is nested in
/// another one with it.
#[tokio::test]
async fn layers_within_layers_share_one_session() {
    let app = App::new();
    let inner = site(&app);
    let outer = Router::new()
        .nest("/shop", inner)
        .route(
            "/outer",
            get(async |session: Session<Site>| session.visits().add(1)),
        )
        .layer(axum::middleware::from_fn(
            async |session: Session<Site>, request: Request<Body>, next: axum::middleware::Next| {
                session.visits().add(10).unwrap();
                next.run(request).await
            },
        ))
        .layer(layer(&app));
    let mut visitor = Visitor::new();
    get_page(&outer, &mut visitor, "/outer").await;
    assert_eq!(stored(&app).await.len(), 1);
    let answer = post_page(&outer, &mut visitor, "/shop/visit").await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = post_page(&outer, &mut visitor, "/shop/sign-in").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.cookies().len(), 1, "{answer:?}");
    let answer = get_page(&outer, &mut visitor.clone(), "/shop/user").await;
    assert_eq!(answer.text(), "Some(7)", "the renewal reached the visitor");
    let answer = get_page(&site(&app), &mut visitor, "/visits").await;
    assert_eq!(answer.text(), "42");
}

/// Prevents: an unclear error for a missing layer.
#[tokio::test]
async fn a_route_without_the_layer_says_so_in_the_log_alone() {
    let router = pages();
    let answer = get_page(&router, &mut Visitor::new(), "/user").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.text(), "something went wrong\n");
    let header = HeaderValue::from_static("__Host-s=a");
    assert!(!answer.headers.values().any(|value| value == header));
}

/// Prevents: a sign-in beyond the limit that looks like a success, or like a server error (L09).
#[tokio::test]
async fn a_sign_in_beyond_the_limit_is_a_conflict_and_says_what_to_do() {
    #[derive(level_session::SessionData)]
    #[session(namespace = "till")]
    struct Till {
        #[session(index, limit = 1, when_full = "refuse")]
        number: Option<u32>,
    }
    let app = App::new();
    let router = pages()
        .route(
            "/till",
            post(async |session: Session<Till>| session.number().set(1)),
        )
        .route(
            "/till/page",
            post(async |session: Session<Till>| {
                session.number().set(1)?;
                match session.commit().await {
                    Err(error) if error.kind() == ErrorKind::Full => {
                        session.discard()?;
                        session.set("tries", 1)?;
                        Ok((StatusCode::FORBIDDEN, "somebody is at this till"))
                    }
                    other => other.map(|()| (StatusCode::OK, "welcome")),
                }
            }),
        )
        .layer(layer(&app));
    let answer = send(&router, Method::POST, "/till", []).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = send(&router, Method::POST, "/till", []).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(answer.cookies(), [""; 0]);
    assert_eq!(stored(&app).await.len(), 1, "nothing of it is stored");
    // A handler that checks for it has its own page.
    let answer = send(&router, Method::POST, "/till/page", []).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.text(), "somebody is at this till");
    assert_eq!(stored(&app).await.len(), 2, "what it wrote afterwards");
}
