//! The second step: the same routes under tower-sessions' own layer and store, and on top of our session.

use axum::{Router, body::Body, http::Request, routing::get};
use http::{
    Response, StatusCode,
    header::{CACHE_CONTROL, COOKIE, SET_COOKIE},
};
use level_session::{Keyring, SessionLayer};
use level_session_tower_sessions::TowerSessionLayer;
use tower::ServiceExt as _;
use tower_sessions_0_15::{MemoryStore, Session, SessionManagerLayer};

/// An application of tower-sessions, with identical code for both layers.
fn routes() -> Router {
    Router::new()
        .route(
            "/begin",
            get(|session: Session| async move {
                session.insert("theme", "light").await.unwrap();
            }),
        )
        .route(
            "/theme",
            get(|session: Session| async move {
                let theme: Option<String> = session.get("theme").await.unwrap();
                theme.unwrap_or_else(|| "none".to_owned())
            }),
        )
        .route(
            "/fails-after-saving",
            get(|session: Session| async move {
                session.insert("theme", "dark").await.unwrap();
                session.save().await.unwrap();
                StatusCode::BAD_GATEWAY
            }),
        )
        .route(
            "/fails-after-cycling",
            get(|session: Session| async move {
                session.cycle_id().await.unwrap();
                StatusCode::BAD_GATEWAY
            }),
        )
}

/// Asserts that a property does not hold under tower-sessions' layer, and holds under ours.
macro_rules! gained {
    ($holds:ident) => {
        let theirs = routes().layer(SessionManagerLayer::new(MemoryStore::default()));
        assert!(
            !$holds(theirs).await,
            "tower-sessions' own layer has this property too, so it is not a benefit"
        );
        let keyring = Keyring::new([[7; 32]]).unwrap();
        let sessions = SessionLayer::new(level_session::MemoryStore::new(), keyring);
        let ours = routes().layer(TowerSessionLayer::new()).layer(sessions);
        assert!($holds(ours).await);
    };
}

async fn send(app: &Router, path: &str, cookie: &str) -> Response<Body> {
    let request = Request::get(path).header(COOKIE, cookie);
    let request = request.body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

/// Begins a session. Returns the response and the cookie.
async fn begin(app: &Router) -> (Response<Body>, String) {
    let response = send(app, "/begin", "").await;
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    (response, cookie)
}

async fn theme(app: &Router, cookie: &str) -> String {
    use http_body_util::BodyExt as _;
    let body = send(app, "/theme", cookie).await.into_body();
    let bytes = body.collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}

/// Prevents: a partly stored request whose response reported a failure.
#[tokio::test]
async fn a_request_that_fails_stores_nothing() {
    async fn holds(app: Router) -> bool {
        let (_, cookie) = begin(&app).await;
        let status = send(&app, "/fails-after-saving", &cookie).await.status();
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        theme(&app, &cookie).await == "light"
    }
    gained!(holds);
}

/// Prevents: a visitor who loses the session because a request that renews it fails.
#[tokio::test]
async fn a_request_that_fails_does_not_end_the_session_that_it_cycles() {
    async fn holds(app: Router) -> bool {
        let (_, cookie) = begin(&app).await;
        let status = send(&app, "/fails-after-cycling", &cookie).await.status();
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        theme(&app, &cookie).await == "light"
    }
    gained!(holds);
}

/// Prevents: a shared cache that sends one visitor's session cookie to another (C12).
#[tokio::test]
async fn a_response_with_the_cookie_is_kept_by_no_cache() {
    async fn holds(app: Router) -> bool {
        let (response, _) = begin(&app).await;
        let control = response.headers().get(CACHE_CONTROL);
        control.is_some_and(|value| value == "no-store")
    }
    gained!(holds);
}

/// Prevents: a cookie of the same name, set by a neighbouring host, that signs the visitor out (R02).
#[tokio::test]
async fn a_second_cookie_of_the_name_hides_no_session() {
    async fn holds(app: Router) -> bool {
        let (_, good) = begin(&app).await;
        let name = good.split('=').next().unwrap();
        let planted = format!("{name}=AAAAAAAAAAAAAAAAAAAAAA");
        let first = theme(&app, &format!("{planted}; {good}")).await;
        let last = theme(&app, &format!("{good}; {planted}")).await;
        first == "light" && last == "light"
    }
    gained!(holds);
}
