//! The exchange itself, and its hooks for applications.

use crate::site::{Site, get_page, layer, pages, post_page, signed_in, site, stored};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode},
    response::{Html, IntoResponse},
    routing::{get, post},
};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Frame};
use level_session::{
    CookieConfig, Error, ErrorKind, Exchange, Head, Result, Session, SessionLayer, Sessions,
};
use level_session_tests::{
    http::send as ask,
    over_every_store,
    visitor::{App, Visitor},
};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::trace::TraceLayer;

/// Prevents: a missing page, or one in another design, if a session could not be stored; and a page that reports a
/// success to the client.
#[tokio::test]
async fn the_application_makes_the_page_of_a_failure() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let app = App::new().with(|sessions| {
        sessions.on_failure(move |error| {
            let n = count.fetch_add(1, Ordering::Relaxed);
            let response = Response::builder().header("content-type", "text/html");
            let response = match n {
                0 => response.status(error.status()),
                1 => response.status(303).header("location", "/sorry"),
                _ => response, // 200
            };
            response.body(format!("<p>{:?}", error.kind())).unwrap()
        })
    });
    let router = site(&app);
    let mut visitor = signed_in(&router).await;
    let before = visitor.clone();
    app.faults.fail_commits(true);
    for status in [500, 303, 500] {
        let answer = post_page(&router, &mut visitor, "/visit").await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.text(), "<p>Store");
        assert_eq!(answer.headers["content-type"], "text/html");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["vary"], "Cookie");
        assert_eq!(visitor, before);
    }
    // The response of the handler itself, or of an unrelated failure, is not replaced.
    app.faults.fail_loads(true);
    let answer = get_page(&router, &mut visitor, "/user").await;
    assert_eq!(answer.text(), "something went wrong\n");
    let answer = post_page(&router, &mut visitor, "/fail").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

/// Prevents: partial changes of a cancelled handler, stored because the layer that responds instead uses a status that
/// the library does not know; and a failed GraphQL request that is stored because its status is a success.
#[tokio::test]
async fn the_application_says_which_other_responses_do_not_store() {
    async fn with_header(session: Session<Site>) -> Result<impl IntoResponse> {
        session.visits().add(1)?;
        Ok([("x-graphql-errors", "1")])
    }
    async fn limited(session: Session<Site>) -> Result<StatusCode> {
        session.visits().add(1)?;
        Ok(StatusCode::TOO_MANY_REQUESTS)
    }
    let app = App::new().with(|sessions| {
        sessions.commit_when(|head| {
            assert!(!head.status().is_server_error(), "it is not asked");
            head.status() != 429 && head.header("x-graphql-errors").is_none()
        })
    });
    let router = pages()
        .route("/header", post(with_header))
        .route("/limited", post(limited))
        .layer(layer(&app));
    let mut visitor = signed_in(&router).await;
    for path in ["/header", "/limited", "/fail", "/visit", "/refuse"] {
        post_page(&router, &mut visitor, path).await;
    }
    let answer = get_page(&router, &mut visitor, "/visits").await;
    assert_eq!(answer.text(), "2", "those of /visit and /refuse");
}

/// A body that a layer cannot construct: it only wraps given bytes.
struct Given(Option<Bytes>);

impl hyper::body::Body for Given {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Prevents: a layer that cannot wrap a service whose body type it cannot construct: tonic's, a stream, or the body of
/// an inner layer.
#[tokio::test]
async fn any_body_can_be_replaced() {
    let app = App::new().with(|sessions| {
        sessions.on_failure(|error| {
            let response = Response::builder().status(error.status());
            response.body("a page").unwrap()
        })
    });
    let inner = service_fn(async |request: Request<Full<Bytes>>| {
        let session = Session::<Site>::from_extensions(request.extensions()).unwrap();
        session.visits().add(1).unwrap();
        Ok::<_, Infallible>(Response::new(Given(Some("stored".into()))))
    });
    let service = ServiceBuilder::new()
        .layer(layer(&app).any_body())
        .service(inner);
    for (fails, status, text) in [(false, 200, "stored"), (true, 500, "a page")] {
        app.faults.fail_commits(fails);
        let answer = service.clone().oneshot(Request::default()).await.unwrap();
        assert_eq!(answer.status(), status);
        let body = answer.into_body();
        assert_eq!(body.size_hint().exact(), fails.then_some(6));
        assert!(!body.is_end_stream());
        assert_eq!(body.collect().await.unwrap().to_bytes(), text);
    }
    let plain = App::over(app_store()).sessions;
    let service = ServiceBuilder::new()
        .layer(SessionLayer::from(plain).any_body())
        .service(service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::new(Given(None)))
        }));
    assert_eq!(
        service.oneshot(Request::new(())).await.unwrap().status(),
        200
    );

    app.faults.fail_commits(true);
    let layers = ServiceBuilder::new()
        .layer(layer(&app).any_body())
        .layer(TraceLayer::new_for_http());
    let router = pages().layer(layers);
    let answer = post_page(&router, &mut Visitor::new(), "/visit").await;
    assert_eq!(answer.text(), "a page");
    app.faults.fail_commits(false);
    signed_in(&router).await;
}

fn app_store() -> Arc<dyn level_session::store::Store> {
    Arc::new(level_session::MemoryStore::new())
}

/// Prevents: a handler that cannot be shared by routes with and without a session, and a missing layer that is mistaken
/// for a route without one.
#[tokio::test]
async fn a_session_can_be_asked_for_where_there_may_be_none() {
    async fn page(session: Option<Session<Site>>) -> Result<Html<String>> {
        Ok(Html(match session {
            Some(session) => format!("{:?}", session.user().await?),
            None => "no sessions here".into(),
        }))
    }
    let app = App::new();
    let bare = Router::new().route("/", get(page));
    let answer = get_page(&bare, &mut Visitor::new(), "/").await;
    assert_eq!(answer.text(), "no sessions here");
    let router = bare.merge(pages()).layer(layer(&app));
    let mut visitor = signed_in(&router).await;
    assert_eq!(get_page(&router, &mut visitor, "/").await.text(), "Some(7)");
    let mut nobody = Visitor::new();
    assert_eq!(get_page(&router, &mut nobody, "/").await.text(), "None");
    let other = app.clone().with(|sessions| sessions.max_fields(9));
    let clashing = router.layer(layer(&other));
    let answer = get_page(&clashing, &mut nobody, "/").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
}

/// Prevents: a graceful shutdown that never completes, because event streams and WebSockets do not end by themselves.
#[tokio::test]
async fn a_graceful_shutdown_is_not_held_up_by_open_streams() {
    async fn events(session: Session<Site>) -> Result<impl IntoResponse> {
        let session = session.detach()?;
        let stream = futures(async move {
            session.ended().await.unwrap();
            "the application closes"
        });
        Ok(Body::new(stream))
    }
    let app = App::new();
    let router = pages().route("/events", get(events)).layer(layer(&app));
    let visitor = signed_in(&router).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = stop.clone();
    let sessions = app.sessions.clone();
    let serving = tokio::spawn(async move {
        let ends = async move {
            stopped.notified().await;
            sessions.end_connections();
        };
        axum::serve(listener, router)
            .with_graceful_shutdown(ends)
            .await
            .unwrap();
    });
    let open = |visitor: Visitor| {
        let mut request = Request::get("/events").body(String::new()).unwrap();
        *request.headers_mut() = visitor.request();
        tokio::spawn(ask(address, request))
    };
    let mut streams = [open(visitor), open(Visitor::new())];
    for stream in &mut streams {
        let early = tokio::time::timeout(Duration::from_millis(50), stream).await;
        assert!(early.is_err(), "the stream is open");
    }
    stop.notify_one();
    for stream in streams {
        let answer = tokio::time::timeout(Duration::from_secs(20), stream).await;
        assert_eq!(answer.unwrap().unwrap().body, "the application closes");
    }
    let served = tokio::time::timeout(Duration::from_secs(20), serving).await;
    served.expect("it does not wait for ever").unwrap();
    // Later connections end at once, and a closed application has a closed store.
    let late: Session<Site> = app.begin(&Visitor::new());
    let ended = tokio::time::timeout(Duration::from_secs(20), late.ended()).await;
    ended.expect("it is told").unwrap();
    over_every_store(async |store| {
        let app = App::over(store);
        app.sessions.close().await.unwrap();
        app.sessions.close().await.unwrap();
    })
    .await;
}

/// A body of one text chunk.
fn futures(
    text: impl Future<Output = &'static str> + Send + 'static,
) -> impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static {
    struct Text(Option<Pin<Box<dyn Future<Output = &'static str> + Send>>>);
    impl hyper::body::Body for Text {
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
    Text(Some(Box::pin(text)))
}

/// A framework with header lines: the lines of the request and of the response.
async fn by_lines(
    sessions: &Sessions,
    method: &str,
    cookies: &[&[u8]],
    status: u16,
    said: &[(&str, &[u8])],
    handler: impl AsyncFnOnce(Session<Site>),
) -> (u16, Vec<(String, String, bool)>) {
    let mut exchange = sessions.exchange_lines(method, cookies);
    handler(exchange.session().typed().unwrap()).await;
    let find = |name: &str| {
        said.iter()
            .find(|(other, _)| *other == name)
            .map(|(_, v)| *v)
    };
    let mut status = status;
    let mut lines: Vec<_> = said.to_vec();
    if let Err(failure) = exchange.commit(Head::lookup(status, &find)).await {
        status = failure.into_response().status().as_u16();
        lines.clear();
    }
    let all = exchange.end_lines(lines);
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), text, value.is_sensitive())
    };
    (status, all.iter().map(line).collect())
}

/// Prevents: frameworks with their own header types that get fewer headers, or different ones.
#[tokio::test]
async fn a_framework_with_headers_of_its_own_gets_the_same_lines() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        let begin = async |session: Session<Site>| session.user().set(7).unwrap();
        let said: &[(&str, &[u8])] = &[
            ("Vary", b"Accept"),
            ("content-type", b"text/html"),
            ("set-cookie", b"theme=dark"),
            ("set-cookie", b"__Host-s=of the application"),
        ];
        let (status, lines) = by_lines(&app.sessions, "POST", &[], 200, said, begin).await;
        assert_eq!(status, 200);
        let mut headers = HeaderMap::new();
        for (name, value, sensitive) in &lines {
            assert!(Exchange::HEADERS.iter().any(|known| known == name.as_str()));
            let ours = name == "set-cookie" && value.starts_with("__Host-s=");
            assert_eq!(*sensitive, ours, "{name}");
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2, "{lines:?}");
        let vary: Vec<_> = headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["Accept", "Cookie"]);
        assert_eq!(headers["cache-control"], "no-store");
        visitor.receive(&headers);

        // A cookie in lines, among others that no header may contain.
        let cookie = visitor.request()["cookie"].as_bytes().to_vec();
        let spoilt = [b"a=\0\x01; ".as_slice(), &cookie, b";b=\xff\x7f"].concat();
        for lines in [
            &[cookie.as_slice()][..],
            &[b"x=y", &spoilt],
            &[b"\n", &cookie],
        ] {
            let read = async |session: Session<Site>| {
                assert_eq!(session.user().await.unwrap(), Some(7), "{lines:?}");
            };
            by_lines(&app.sessions, "GET", lines, 200, &[], read).await;
        }
        // A verdict on the response, also in lines.
        let change = async |session: Session<Site>| session.user().set(8).unwrap();
        let cookies = &[cookie.as_slice()];
        let grpc: &[(&str, &[u8])] = &[("grpc-status", b"13")];
        for (status, said) in [(500, &[][..]), (408, &[]), (200, grpc), (0, &[])] {
            let (got, _) = by_lines(&app.sessions, "POST", cookies, status, said, change).await;
            assert_eq!(got, status);
        }
        let read = app.request(&mut visitor, async |s: Session<Site>| s.user().await);
        assert_eq!(read.await.unwrap(), Some(7));
        app.faults.fail_commits(true);
        let (status, lines) = by_lines(&app.sessions, "POST", cookies, 200, said, change).await;
        assert_eq!(status, 500);
        assert!(!lines.iter().any(|(name, ..)| name == "set-cookie"));
        app.faults.fail_commits(false);
        // HEAD as text.
        app.request(&mut visitor, async |s: Session<Site>| {
            s.notice().set("saved")
        })
        .await
        .unwrap();
        for _ in 0..2 {
            let look = async |session: Session<Site>| {
                assert_eq!(session.notice().await.unwrap().as_deref(), Some("saved"));
            };
            by_lines(&app.sessions, "HEAD", cookies, 200, &[], look).await;
        }
    })
    .await;
}

/// Prevents: a dropped exchange that stores changes or leaves its handles open, and a second middleware that ends a
/// session which the first one will end.
#[tokio::test]
async fn an_exchange_that_is_dropped_stores_nothing() {
    let app = App::new();
    let exchange = app.sessions.exchange(&Method::POST, &HeaderMap::new());
    let session: Session<Site> = exchange.session().typed().unwrap();
    session.user().set(7).unwrap();
    drop(exchange);
    assert_eq!(session.user().set(8).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(session.user().await.unwrap(), None);
    assert_eq!(stored(&app).await, []);

    // During its commit.
    let mut exchange = app.sessions.exchange(&Method::POST, &HeaderMap::new());
    let session: Session<Site> = exchange.session().typed().unwrap();
    session.user().set(7).unwrap();
    app.faults.hang(true);
    let headers = HeaderMap::new();
    {
        let commit = exchange.commit(Head::new(StatusCode::OK, &headers));
        let commit = tokio::time::timeout(Duration::from_millis(10), commit).await;
        assert!(commit.is_err(), "the store hangs");
    }
    drop(exchange);
    app.faults.hang(false);
    let closed = session.commit().await.unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::Closed);

    let begin = |app: &App| app.sessions.exchange(&Method::GET, &HeaderMap::new());
    let (present, outer) = begin(&app).within(None);
    assert!(outer.is_some());
    let (same, inner) = begin(&app).within(Some(&present));
    assert!(inner.is_none(), "the outer one ends it");
    assert!(same.session::<Site>().is_ok());
    let cookie = CookieConfig::builder().name("__Host-flow").build().unwrap();
    let other = app.clone().with(|sessions| sessions.cookie(cookie));
    let (both, inner) = begin(&other).within(Some(&present));
    assert!(inner.is_some());
    assert_eq!(
        both.session::<Site>().unwrap_err().kind(),
        ErrorKind::Misuse
    );
    let (_, again) = begin(&app).within(Some(&both));
    assert!(again.is_none(), "however deep");
}

/// Prevents: an adapter that has to guess the response.
#[tokio::test]
async fn an_error_knows_its_status_and_its_page() {
    let error = Error::no_middleware();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(
        error.to_string().contains("no session middleware"),
        "{error}"
    );
    let response = error.to_response();
    assert_eq!(
        (response.status(), *response.body()),
        (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong\n")
    );
    let none = Session::<Site>::from_extensions(&http::Extensions::new());
    assert_eq!(none.unwrap_err().to_string(), error.to_string());
    let app = App::new();
    let mut visitor = signed_in(&site(&app)).await;
    let late: Session<Site> = app.begin(&visitor);
    late.user().set(1).unwrap();
    post_page(&site(&app), &mut visitor, "/sign-out").await;
    let gone = late.commit().await.unwrap_err();
    assert_eq!(gone.status(), StatusCode::CONFLICT);
    assert!(gone.to_response().body().contains("try again"));
}
