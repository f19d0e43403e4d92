//! The application of these tests, and the requests of its visitors.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderName, Method, Request, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use http::header::SET_COOKIE;
use level_session::{
    Error, Result, Session, SessionData, SessionLayer, Sessions, Timestamp, store::Digest,
};
use level_session_tests::visitor::{App, Visitor};
use std::time::Duration;
use tower::ServiceExt as _;

/// The session data of the site.
#[derive(Debug, SessionData)]
pub(crate) struct Site {
    /// The signed-in user.
    pub(crate) user: Option<u64>,
    /// The number of visits.
    #[session(counter)]
    pub(crate) visits: u64,
    /// Shown once.
    #[session(flash)]
    pub(crate) notice: Option<String>,
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The `Set-Cookie` headers.
    pub(crate) fn cookies(&self) -> Vec<&str> {
        let all = self.headers.get_all(SET_COOKIE).iter();
        all.map(|header| header.to_str().unwrap()).collect()
    }

    /// All headers except `Set-Cookie`, and the body.
    pub(crate) fn all_but_cookies(&self) -> Vec<u8> {
        let mut text = self.body.clone();
        for (name, value) in &self.headers {
            if name != SET_COOKIE {
                text.extend(name.as_str().as_bytes());
                text.extend(value.as_bytes());
            }
        }
        text
    }
}

/// The pages.
pub(crate) fn pages() -> Router {
    async fn user(session: Session<Site>) -> Result<String> {
        Ok(format!("{:?}", session.user().await?))
    }
    async fn sign_in(session: Session<Site>) -> Result<&'static str> {
        session.renew()?;
        session.user().set(7)?;
        Ok("welcome")
    }
    async fn fail(session: Session<Site>) -> Result<StatusCode> {
        session.renew()?;
        session.user().set(8)?;
        Ok(StatusCode::BAD_GATEWAY)
    }
    async fn fail_signing_out(session: Session<Site>) -> Result<StatusCode> {
        session.destroy()?;
        Ok(StatusCode::INTERNAL_SERVER_ERROR)
    }
    async fn refuse(session: Session<Site>) -> Result<StatusCode> {
        session.visits().add(1)?;
        Ok(StatusCode::FORBIDDEN)
    }
    async fn panics(session: Session<Site>) -> Result<()> {
        session.user().set(9)?;
        session.renew()?;
        panic!("a handler that panics")
    }
    async fn all(session: Session<Site>) -> Result<impl IntoResponse> {
        let debug = format!("{session:?} {:?}", session.log_id());
        let all = session.get_all().await?;
        Ok(format!("{debug} {}", serde_json::to_string(&all).unwrap()))
    }
    Router::new()
        .route("/plain", get(async || "nothing of the session"))
        .route("/user", get(user))
        .route("/all", get(all))
        .route("/sign-in", post(sign_in))
        .route(
            "/sign-out",
            post(async |session: Session<Site>| session.destroy()),
        )
        .route(
            "/visit",
            post(async |session: Session<Site>| session.visits().add(1)),
        )
        .route(
            "/visits",
            get(async |session: Session<Site>| {
                let visits = session.visits().await?;
                Ok::<_, Error>(visits.to_string())
            }),
        )
        .route(
            "/token",
            get(async |session: Session<Site>| session.csrf_token().await),
        )
        .route("/fail", post(fail))
        .route("/fail-signing-out", post(fail_signing_out))
        .route("/refuse", post(refuse))
        .route("/panic", post(panics))
}

/// The site behind its layer.
pub(crate) fn site(app: &App) -> Router {
    pages().layer(layer(app))
}

pub(crate) fn layer(app: &App) -> SessionLayer {
    SessionLayer::from(app.sessions.clone())
}

/// Sends a request with these headers.
pub(crate) async fn send(
    router: &Router,
    method: Method,
    path: &str,
    headers: impl IntoIterator<Item = (HeaderName, http::HeaderValue)>,
) -> Answer {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().extend(headers);
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    }
}

/// Sends a visitor's request.
pub(crate) async fn visit(
    router: &Router,
    visitor: &mut Visitor,
    method: Method,
    path: &str,
) -> Answer {
    let headers = visitor.request();
    let headers = headers.iter().map(|(n, v)| (n.clone(), v.clone()));
    let answer = send(router, method, path, headers).await;
    visitor.receive(&answer.headers);
    answer
}

pub(crate) async fn get_page(router: &Router, visitor: &mut Visitor, path: &str) -> Answer {
    visit(router, visitor, Method::GET, path).await
}

pub(crate) async fn post_page(router: &Router, visitor: &mut Visitor, path: &str) -> Answer {
    visit(router, visitor, Method::POST, path).await
}

/// A visitor who has signed in.
pub(crate) async fn signed_in(router: &Router) -> Visitor {
    let mut visitor = Visitor::new();
    let answer = post_page(router, &mut visitor, "/sign-in").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(visitor.cookie().is_some());
    visitor
}

/// The live sessions, as the store lists them.
pub(crate) async fn stored(app: &App) -> Vec<Digest> {
    stored_in(&app.sessions, app.clock.now()).await
}

pub(crate) async fn stored_in(sessions: &Sessions, now: Timestamp) -> Vec<Digest> {
    let store = sessions.store();
    store.page(None, 1_000, now).await.unwrap().items
}

/// One day, after which every test session with a shorter idle timeout has expired.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
