//! Unusual requests: handlers that respond to errors, streaming bodies, calls that are not pages, and nested layers.

use crate::site::{Site, get_page, layer, pages, post_page, send, signed_in, site, stored, visit};
use axum::{
    Extension, Router,
    body::Body,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use hyper::body::{Body as _, Bytes, Frame};
use level_session::{
    CookieConfig, ErrorKind, Result, SameSite, Session, SessionData,
    store::testing::{Call, Faults},
};
use level_session_tests::{
    over_every_local_store, over_every_store,
    visitor::{App, Visitor},
};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::Notify;

/// A body that is produced after its head was sent.
struct Later(Option<Pin<Box<dyn Future<Output = String> + Send>>>);

impl Later {
    fn answer(text: impl Future<Output = String> + Send + 'static) -> Response {
        Body::new(Self(Some(Box::pin(text)))).into_response()
    }
}

impl hyper::body::Body for Later {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(text) = &mut self.0 else {
            return Poll::Ready(None);
        };
        text.as_mut().poll(cx).map(|text| {
            self.0 = None;
            Some(Ok(Frame::data(text.into())))
        })
    }
}

fn commits(faults: &Faults) -> usize {
    let calls = faults.calls().into_iter();
    calls
        .filter(|call| matches!(call, Call::Commit { .. }))
        .count()
}

/// Prevents: a streaming page (server-side rendering, server-sent events) that fails halfway because the session cannot
/// be read after the head was sent; and a late read that creates or refreshes a session, or whose response is cached
/// for all visitors.
#[tokio::test]
async fn reading_goes_on_while_the_body_streams() {
    async fn page(session: Session<Site>) -> Response {
        Later::answer(async move {
            let user = session.user().await;
            let again = session.get::<u64>("user").await.unwrap();
            let late = session.visits().add(1).unwrap_err();
            assert_eq!(late.kind(), ErrorKind::Closed);
            assert!(late.to_string().contains("`detach()`"), "{late}");
            format!(
                "{:?} {again:?} {}",
                user.unwrap(),
                session.is_live().await.unwrap()
            )
        })
    }
    over_every_store(async |store| {
        let app = App::over(store);
        let router = pages().route("/page", get(page)).layer(layer(&app));
        let mut visitor = signed_in(&router).await;
        let before = visitor.clone();
        app.sleep(24 * 60 * 60); // a refresh is due, but the session was not used in time
        let _ = app.faults.calls();
        let answer = get_page(&router, &mut visitor, "/page").await;
        assert_eq!(answer.text(), "Some(7) Some(7) true");
        assert_eq!(answer.headers["vary"], "Cookie", "the body depends on it");
        assert_eq!(visitor, before, "the head had left");
        assert_eq!(commits(&app.faults), 0);

        let answer = get_page(&router, &mut Visitor::new(), "/page").await;
        assert_eq!(answer.text(), "None None false");
        assert_eq!(answer.cookies(), [""; 0]);
        assert_eq!(answer.headers["vary"], "Cookie");
        assert_eq!(commits(&app.faults), 0);
        assert_eq!(stored(&app).await.len(), 1);
    })
    .await;
}

/// Prevents: a body that shows changes of its handler that were not stored, or not the stored values.
#[tokio::test]
async fn what_streams_shows_what_is_stored() {
    async fn page(status: StatusCode, session: Session<Site>) -> Result<Response> {
        session.visits().add(1)?;
        session.user().set(8)?;
        session.notice().set("saved")?;
        session.del("old")?;
        let mut answer = Later::answer(async move {
            let seen = (session.user().await, session.visits().await);
            let notice = session.notice().peek().await;
            let old = session.get::<u64>("old").await.unwrap();
            format!(
                "{:?} {} {:?} {old:?}",
                seen.0.unwrap(),
                seen.1.unwrap(),
                notice.unwrap()
            )
        });
        *answer.status_mut() = status;
        Ok(answer)
    }
    over_every_store(async |store| {
        let app = App::over(store);
        let router = pages()
            .route("/old", post(async |session: Session| session.set("old", 1)))
            .route("/good", post(|session| page(StatusCode::OK, session)))
            .route(
                "/bad",
                post(|session| page(StatusCode::BAD_GATEWAY, session)),
            )
            .layer(layer(&app));
        let mut visitor = signed_in(&router).await;
        post_page(&router, &mut visitor, "/old").await;
        let answer = post_page(&router, &mut visitor, "/bad").await;
        assert_eq!(answer.text(), "Some(7) 0 None Some(1)");
        let answer = post_page(&router, &mut visitor, "/good").await;
        assert_eq!(answer.text(), "Some(8) 1 Some(\"saved\") None");
        let answer = post_page(&router, &mut Visitor::new(), "/good").await;
        assert_eq!(
            answer.text(),
            "Some(8) 1 Some(\"saved\") None",
            "of a new session"
        );
    })
    .await;
}

/// Prevents: a session that still seems live to late reads.
#[tokio::test]
async fn what_streams_learns_of_an_end() {
    async fn page(Extension(ended): Extension<Arc<Notify>>, session: Session<Site>) -> Response {
        Later::answer(async move {
            ended.notified().await;
            format!("{:?}", session.user().await.map_err(|error| error.kind()))
        })
    }
    async fn told(
        Extension(site): Extension<Router>,
        headers: HeaderMap,
        session: Session<Site>,
    ) -> Response {
        assert_eq!(session.user().await.unwrap(), Some(7));
        sign_out_elsewhere(&site, &headers).await;
        assert!(session.visits().await.is_err());
        Later::answer(async move {
            let user = session.user().await.map_err(|error| error.kind());
            format!("{user:?}") // it was read before, so it is not shown again
        })
    }
    // Some stores return all fields on the first read and are not asked again.
    over_every_local_store(async |store| {
        let app = App::over(store);
        let ended = Arc::new(Notify::new());
        let router = pages()
            .route("/page", get(page))
            .route("/told", get(told))
            .layer(Extension(ended.clone()))
            .layer(Extension(site(&app)))
            .layer(layer(&app));
        let mut visitor = signed_in(&router).await;
        let mut other = visitor.clone();
        let end = async {
            tokio::task::yield_now().await; // the head was sent
            post_page(&router, &mut other, "/sign-out").await;
            ended.notify_one();
        };
        let (answer, ()) = tokio::join!(get_page(&router, &mut visitor, "/page"), end);
        assert_eq!(answer.text(), "Err(Gone)");
        let mut visitor = signed_in(&router).await;
        let answer = get_page(&router, &mut visitor, "/told").await;
        assert_eq!(answer.text(), "Err(Gone)");
    })
    .await;
}

/// Prevents: the error "grpc-status header missing" in a gRPC client when the session ended or the store failed.
#[tokio::test]
async fn a_grpc_call_whose_session_cannot_be_stored_gets_its_status() {
    async fn call(
        ends: bool,
        headers: HeaderMap,
        router: Router,
        session: Session<Site>,
    ) -> Response {
        session.user().set(8).unwrap();
        if ends {
            let cookie = headers.get("cookie").cloned();
            let cookie = cookie.map(|cookie| (http::header::COOKIE, cookie));
            send(&router, Method::POST, "/sign-out", cookie).await;
        }
        ([("content-type", "application/grpc+proto")], "a message").into_response()
    }
    over_every_store(async |store| {
        let app = App::over(store);
        let (whole, ended) = (site(&app), site(&app));
        let router = pages()
            .route(
                "/call",
                post(move |headers, session| call(false, headers, whole, session)),
            )
            .route(
                "/ended",
                post(move |headers, session| call(true, headers, ended, session)),
            )
            .layer(layer(&app));
        let mut visitor = signed_in(&router).await;
        for (path, status) in [("/call", "13"), ("/ended", "10")] {
            app.faults.fail_commits(path == "/call");
            let request = http::Request::post(path)
                .header("cookie", visitor.request()["cookie"].clone())
                .body(Body::empty())
                .unwrap();
            let answer = tower::ServiceExt::oneshot(router.clone(), request)
                .await
                .unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "as gRPC has it");
            assert_eq!(answer.headers()["grpc-status"], status, "{path}");
            assert_eq!(answer.headers()["content-type"], "application/grpc+proto");
            assert!(answer.headers().contains_key("grpc-message"));
            assert!(answer.headers().get("set-cookie").is_none());
            assert!(answer.body().is_end_stream(), "trailers-only");
        }
        app.faults.fail_commits(false);
        let answer = post_page(&router, &mut visitor, "/call").await;
        assert_eq!(answer.text(), "a message");
        assert!(
            !answer.headers.contains_key("grpc-status"),
            "it comes with the trailers"
        );
    })
    .await;
}

/// The reaction of a handler to an ended session.
async fn sign_out_elsewhere(router: &Router, headers: &HeaderMap) {
    let cookie = headers.get("cookie").cloned();
    let cookie = cookie.map(|cookie| (http::header::COOKIE, cookie));
    let answer = send(router, Method::POST, "/sign-out", cookie).await;
    assert_eq!(answer.status, StatusCode::OK);
}

/// Prevents: an empty page after a double click on "sign in" or "sign out", although the handler had a response.
#[tokio::test]
async fn a_handler_that_was_told_of_the_end_answers_itself() {
    type Sites = Extension<Router>;
    async fn by_commit(
        Extension(site): Sites,
        headers: HeaderMap,
        session: Session<Site>,
    ) -> Response {
        session.user().set(8).unwrap();
        sign_out_elsewhere(&site, &headers).await;
        match session.commit().await {
            Err(error) if error.kind() == ErrorKind::Gone => {
                Redirect::to("/sign-in").into_response()
            }
            other => panic!("{other:?}"),
        }
    }
    async fn by_reading(
        Extension(site): Sites,
        headers: HeaderMap,
        session: Session<Site>,
    ) -> Response {
        session.visits().add(1).unwrap();
        assert!(session.is_live().await.unwrap());
        sign_out_elsewhere(&site, &headers).await;
        match session.user().await {
            Err(error) if error.kind() == ErrorKind::Gone => "you have signed out".into_response(),
            other => panic!("{other:?}"),
        }
    }
    async fn passed_on(
        Extension(site): Sites,
        headers: HeaderMap,
        session: Session<Site>,
    ) -> Result<()> {
        session.is_live().await?;
        sign_out_elsewhere(&site, &headers).await;
        session.visits().await.map(drop)
    }
    async fn unknowing(
        Extension(site): Sites,
        headers: HeaderMap,
        session: Session<Site>,
    ) -> Redirect {
        session.user().set(8).unwrap();
        sign_out_elsewhere(&site, &headers).await;
        Redirect::to("/saved")
    }
    over_every_store(async |store| {
        let app = App::over(store);
        let router = pages()
            .route("/commit", post(by_commit))
            .route("/read", post(by_reading))
            .route("/passed-on", post(passed_on))
            .route("/unknowing", post(unknowing))
            .layer(Extension(site(&app)))
            .layer(layer(&app));
        for (path, status, text) in [
            ("/commit", 303, ""),
            ("/read", 200, "you have signed out"),
            (
                "/passed-on",
                409,
                "your session has ended or changed: please try again\n",
            ),
            ("/unknowing", 409, ""),
        ] {
            let mut visitor = signed_in(&router).await;
            let answer = post_page(&router, &mut visitor, path).await;
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.text(), text, "{path}");
            assert_eq!(answer.cookies(), [""; 0], "{path}");
            assert_eq!(stored(&app).await, [], "{path}: nothing comes back");
        }
    })
    .await;
}

/// Prevents: a public connection (a WebSocket, server-sent events) that returns 500 to visitors without a session or
/// with an expired one, or ends at once, so that the browser reconnects again and again.
#[tokio::test]
async fn a_visitor_without_a_session_can_be_detached() {
    async fn events(session: Session<Site>) -> Result<Response> {
        let session = session.detach()?;
        Ok(Later::answer(async move {
            let ended = tokio::time::timeout(Duration::from_millis(20), session.ended());
            let ended = ended.await.is_ok();
            let user = session.user().await.unwrap();
            session.visits().add(1).unwrap();
            let late = session.commit().await.map_err(|error| error.kind());
            format!("{ended} {user:?} {late:?}")
        }))
    }
    over_every_store(async |store| {
        let app = App::over(store);
        let router = pages().route("/events", get(events)).layer(layer(&app));
        let mut expired = signed_in(&router).await;
        let answer = get_page(&router, &mut expired, "/events").await;
        assert_eq!(answer.text(), "false Some(7) Ok(())");
        app.sleep(365 * 24 * 60 * 60);
        for (mut visitor, kind) in [(Visitor::new(), "Misuse"), (expired, "Gone")] {
            let answer = get_page(&router, &mut visitor, "/events").await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(answer.text(), format!("false None Err({kind})"));
            assert_eq!(answer.cookies(), [""; 0]);
        }
        assert_eq!(stored(&app).await, []);
    })
    .await;
}

/// Prevents: a detached handle without a session while a session is being created: its socket would survive every
/// sign-out.
#[tokio::test]
async fn a_session_that_is_being_made_is_not_detached_as_nobody_s() {
    let app = App::new();
    let session: Session<Site> = app.begin(&Visitor::new());
    session.user().set(7).unwrap();
    assert_eq!(session.detach().unwrap_err().kind(), ErrorKind::Misuse);
    session.commit().await.unwrap();
    let detached = session.detach().unwrap();
    assert_eq!(detached.user().await.unwrap(), Some(7));
    detached.destroy().unwrap();
    detached.commit().await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), detached.ended());
    ended.await.expect("it has ended").unwrap();

    let at_once = App::new().with(|sessions| sessions.create_at_once(true));
    let session: Session<Site> = at_once.begin(&Visitor::new());
    assert_eq!(session.detach().unwrap_err().kind(), ErrorKind::Misuse);
}

/// Prevents: a notice that a crawler, a link preview or a health check takes, so that the visitor never sees it (RFC
/// 9110, section 9.3.2: HEAD is GET without the content).
#[tokio::test]
async fn head_leaves_a_flash_where_it_is() {
    async fn page(session: Session<Site>) -> Result<String> {
        Ok(session.notice().await?.unwrap_or_default())
    }
    async fn leave(session: Session<Site>) -> Result<()> {
        session.notice().set("saved")
    }
    over_every_store(async |store| {
        let app = App::over(store);
        let router = pages()
            .route("/page", get(page).post(leave))
            .layer(layer(&app));
        let mut visitor = signed_in(&router).await;
        post_page(&router, &mut visitor, "/page").await;
        for _ in 0..2 {
            let answer = visit(&router, &mut visitor, Method::HEAD, "/page").await;
            assert_eq!(answer.headers["content-length"], "5", "what GET would say");
        }
        assert_eq!(
            get_page(&router, &mut visitor, "/page").await.text(),
            "saved"
        );
        assert_eq!(get_page(&router, &mut visitor, "/page").await.text(), "");
    })
    .await;
}

/// The data of a sign-in through an identity provider that posts its response from another site.
#[derive(Debug, SessionData)]
struct Flow {
    state: Option<String>,
}

fn cookie(name: &'static str, same_site: SameSite) -> CookieConfig {
    let cookie = CookieConfig::builder().name(name).same_site(same_site);
    cookie.build().unwrap()
}

/// Prevents: a value in the wrong session on a route with two sessions: the shop's cookie is `SameSite=Lax`, and an
/// identity provider's form needs a cookie with `SameSite=None`.
#[tokio::test]
async fn two_sessions_of_one_request_are_told_apart() {
    async fn begin(shop: Session<Site>, flow: Session<Flow>) -> Result<()> {
        shop.user().set(7)?;
        flow.state().set("drawn")
    }
    async fn end(shop: Session<Site>, flow: Session<Flow>) -> Result<String> {
        let state = flow.state().take().await?;
        flow.destroy()?;
        Ok(format!("{:?} {state:?}", shop.user().await?))
    }
    over_every_store(async |store| {
        let app = App::over(store);
        let shop = app.clone().with(|sessions| sessions.data::<Site>());
        let flow = app.clone().with(|sessions| {
            let cookie = cookie("__Host-flow", SameSite::None);
            sessions.cookie(cookie).data::<Flow>()
        });
        for shop_is_outside in [true, false] {
            let routes = Router::new()
                .route("/begin", post(begin))
                .route("/end", post(end))
                .route(
                    "/shop",
                    get(async |shop: Session<Site>| {
                        shop.user().await.map(|user| format!("{user:?}"))
                    }),
                );
            let router = match shop_is_outside {
                true => routes.layer(layer(&flow)).layer(layer(&shop)),
                false => routes.layer(layer(&shop)).layer(layer(&flow)),
            };
            let mut visitor = Visitor::new();
            let answer = post_page(&router, &mut visitor, "/begin").await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(answer.cookies().len(), 2, "{answer:?}");
            let names: Vec<_> = visitor.jar.keys().map(String::as_str).collect();
            assert_eq!(names, ["__Host-flow", "__Host-s"]);
            // A request from another site has only one of the cookies.
            let mut posted = visitor.clone();
            posted.jar.remove("__Host-s");
            assert_eq!(get_page(&router, &mut posted, "/shop").await.text(), "None");
            let answer = post_page(&router, &mut visitor, "/end").await;
            assert_eq!(answer.text(), "Some(7) Some(\"drawn\")");
            let names: Vec<_> = visitor.jar.keys().map(String::as_str).collect();
            assert_eq!(names, ["__Host-s"]);
            assert_eq!(
                get_page(&router, &mut visitor, "/shop").await.text(),
                "Some(7)"
            );
        }
    })
    .await;
}

fn message<T>(result: Result<T>) -> String {
    let error = result.err().expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::Misuse);
    error.to_string()
}

/// Prevents: an extractor that silently returns the inner one of two sessions.
#[tokio::test]
async fn a_struct_of_neither_or_both_of_two_sessions_is_refused_with_a_sentence() {
    async fn ask(extensions: http::Extensions) -> String {
        [
            message(Session::<Site>::from_extensions(&extensions)),
            message(Session::<()>::from_extensions(&extensions)),
        ]
        .join("\n")
    }
    let app = App::new();
    let both = |with: fn(level_session::SessionsBuilder) -> level_session::SessionsBuilder| {
        let one = app.clone().with(with);
        let other = app
            .clone()
            .with(|sessions| with(sessions).cookie(cookie("__Host-flow", SameSite::None)));
        let handler =
            get(async |request: axum::extract::Request| ask(request.extensions().clone()).await);
        Router::new()
            .route("/", handler)
            .layer(layer(&other))
            .layer(layer(&one))
    };
    for router in [
        both(|sessions| sessions),
        both(|sessions| sessions.data::<Site>()),
    ] {
        let answer = get_page(&router, &mut Visitor::new(), "/").await;
        let text = answer.text();
        assert!(text.contains("`__Host-s` and `__Host-flow`"), "{text}");
        assert!(
            text.contains("Site") && text.contains("without a struct"),
            "{text}"
        );
        assert!(text.contains(".data::<..>()"), "{text}");
    }
}

/// Prevents: an empty 409 at a renewal, or a lost write with a 200, because two layers for one cookie overwrite each
/// other's `Set-Cookie`.
#[tokio::test]
async fn two_layers_of_one_cookie_with_other_settings_are_refused_with_a_sentence() {
    let app = App::new();
    let other = app
        .clone()
        .with(|sessions| sessions.renewal_grace(Duration::from_secs(10)));
    let outer = |routes: Router| {
        let counts = async |session: Session<Site>,
                            request: axum::extract::Request,
                            next: axum::middleware::Next| {
            session.visits().add(1).unwrap();
            next.run(request).await
        };
        routes
            .layer(axum::middleware::from_fn(counts))
            .layer(layer(&app))
    };
    let said = get(async |request: axum::extract::Request| {
        message(Session::<Site>::from_extensions(request.extensions()))
    });
    let router = outer(pages().route("/said", said).layer(layer(&other)));
    let mut visitor = Visitor::new();
    let answer = post_page(&router, &mut visitor, "/sign-in").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(stored(&app).await, []);
    let answer = get_page(&router, &mut visitor, "/plain").await;
    assert_eq!(
        answer.status,
        StatusCode::OK,
        "what uses no session is none the worse"
    );
    assert_eq!(answer.cookies().len(), 1, "and the outer session is whole");
    let answer = get_page(&router, &mut visitor, "/said").await;
    assert!(
        answer.text().contains("the cookie `__Host-s`"),
        "{answer:?}"
    );
    // Layers of the same sessions share one exchange, at any depth.
    let router = outer(site(&app).layer(layer(&app)));
    let answer = post_page(&router, &mut visitor, "/sign-in").await;
    assert_eq!((answer.status, answer.cookies().len()), (StatusCode::OK, 1));
    assert_eq!(get_page(&router, &mut visitor, "/visits").await.text(), "4");
}
