//! A request that reads one field makes almost no allocations. The counts do not depend on the machine, so this test
//! detects every regression.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use allocation_counter::measure;
use axum::{Router, body::Body, routing::get};
use http::{HeaderValue, Request, StatusCode, header};
use level_session::{
    FjallStore, Keyring, Session, SessionData, SessionLayer,
    store::{MemoryStore, Store},
};
use tokio::runtime::Runtime;
use tower_service::Service as _;

/// The maximum number of allocations of a request with the cookie, above one through a layer that does nothing: the
/// unit of work, and its entry in the request's extensions (a box, and a larger table).
const IGNORED: u64 = 3;
/// The same maximum applies if the request reads one field: the read does not allocate.
const READ_ONE: u64 = 3;

#[derive(SessionData)]
struct Shop {
    user: Option<u64>,
}

#[tokio::main(flavor = "current_thread")]
async fn layered<S: Store>(store: S) -> Result<(Router, HeaderValue), Box<dyn std::error::Error>> {
    let router = routes().layer(SessionLayer::new(store, Keyring::generate()?));
    let made = router
        .clone()
        .into_service()
        .call(request("/write", None))
        .await?;
    let cookie = made.headers().get(header::SET_COOKIE).ok_or("no cookie")?;
    let cookie = cookie.to_str()?.split(';').next().unwrap_or_default();
    Ok((router, HeaderValue::try_from(cookie)?))
}

/// The same routes; the ones without a session do the same work without it.
fn routes() -> Router {
    Router::new()
        .route("/bare", get(async || "ok"))
        .route("/ignored", get(async || "ok"))
        .route(
            "/read",
            get(async |session: Session<Shop>| match session.user().await {
                Ok(Some(7)) => Ok("ok"),
                _ => Err(StatusCode::INTERNAL_SERVER_ERROR),
            }),
        )
        .route(
            "/write",
            get(async |session: Session<Shop>| session.user().set(7).map(|()| "ok")),
        )
}

fn request(path: &'static str, cookie: Option<&HeaderValue>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = http::Uri::from_static(path);
    if let Some(cookie) = cookie {
        request.headers_mut().insert(header::COOKIE, cookie.clone());
    }
    request
}

/// The allocations of one request, after everything that is created once has been created.
fn allocations(router: &Router, path: &'static str, cookie: &HeaderValue) -> u64 {
    let runtime = Runtime::new().unwrap();
    // As `axum::serve` does: without it every request rebuilds the routes of the handlers.
    let mut service = router.clone().with_state(()).into_service();
    let mut ask = || {
        let request = request(path, Some(cookie));
        let mut status = None;
        let info = measure(|| {
            runtime.block_on(async {
                status = Some(
                    service
                        .call(request)
                        .await
                        .map(|response| response.status()),
                );
            });
        });
        assert_eq!(status, Some(Ok(StatusCode::OK)), "{path}");
        info.count_total
    };
    for _ in 0..3 {
        ask();
    }
    (0..5).map(|_| ask()).min().unwrap()
}

fn check(store: impl Store) {
    let (router, cookie) = layered(store).unwrap();
    let bare = allocations(&routes(), "/bare", &cookie);
    let ignored = allocations(&router, "/ignored", &cookie) - bare;
    let read = allocations(&router, "/read", &cookie) - bare;
    let layer = {
        let layered = routes().layer(tower_layer::Identity::new());
        allocations(&layered, "/bare", &cookie) - bare
    };
    println!("bare {bare}, a layer that does nothing {layer}, ignored {ignored}, read one {read}");
    assert!(ignored <= layer + IGNORED, "{ignored} allocations");
    assert!(read <= layer + READ_ONE, "{read} allocations");
}

#[test]
fn reading_from_memory() {
    check(MemoryStore::new());
}

#[test]
fn reading_from_fjall() {
    let dir = tempfile::tempdir().unwrap();
    check(FjallStore::open(dir.path().join("db")).unwrap());
}
