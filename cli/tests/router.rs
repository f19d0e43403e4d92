//! The router for administrators, on a running store.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use http_body_util::BodyExt as _;
use level_session::{FjallStore, Keyring, SessionData, SessionHandle, Sessions};
use level_session_cli::admin_router;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const SECRET: &str = "s3cret-of-a-visitor";

#[derive(SessionData)]
struct Shop {
    #[session(index)]
    user_id: Option<u64>,
    secret: Option<String>,
}

struct App {
    router: Router,
    sessions: Sessions,
    _dir: tempfile::TempDir,
}

impl App {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = FjallStore::open(dir.path().join("db")).unwrap();
        let sessions = Sessions::new(store, Keyring::generate().unwrap());
        let router = admin_router(sessions.clone());
        Self {
            router,
            sessions,
            _dir: dir,
        }
    }

    async fn sign_in(&self, user: u64) -> SessionHandle {
        let session = self
            .sessions
            .begin_typed::<Shop>(&HeaderMap::new())
            .unwrap();
        session.user_id().set(user).unwrap();
        session.secret().set(SECRET).unwrap();
        session.commit().await.unwrap();
        session.handle().unwrap()
    }

    /// Every response is JSON and must not be cached.
    async fn ask(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        assert_eq!(head.headers["cache-control"], "no-store");
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        (head.status, body)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = Request::get(path).body(Body::empty());
        self.ask(request.unwrap()).await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn administrators_list_find_show_and_end() {
    let app = App::new();
    let mut all = Vec::new();
    for user in [7, 7, 8] {
        all.push(app.sign_in(user).await);
    }
    assert_eq!(
        app.get("/count").await,
        (StatusCode::OK, json!({ "sessions": 3 }))
    );

    let (mut path, mut listed) = ("/sessions?limit=2".to_owned(), Vec::new());
    loop {
        let (status, page) = app.get(&path).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let sessions = page["sessions"].as_array().unwrap();
        assert!(sessions.len() <= 2 && !page.to_string().contains(SECRET));
        listed.extend(
            sessions
                .iter()
                .map(|it| it["handle"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/sessions?limit=2&after={next}");
    }
    let mut expected: Vec<_> = all.iter().map(ToString::to_string).collect();
    expected.sort();
    listed.sort();
    assert_eq!(listed, expected);

    let (_, found) = app.get("/find?field=user_id&value=8").await;
    assert_eq!(found["sessions"][0]["handle"], all[2].to_string());
    assert_eq!(found["sessions"].as_array().unwrap().len(), 1);

    let path = format!("/sessions/{}", all[2]);
    let (_, shown) = app.get(&path).await;
    assert_eq!(shown["fields"][0]["name"], "secret");
    assert!(!shown.to_string().contains(SECRET));
    let (_, shown) = app.get(&format!("{path}?values=true")).await;
    assert_eq!(shown["fields"][0]["value"], SECRET);

    let end = format!("{path}/end");
    assert_eq!(app.get(&end).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(app.post(&end, &[]).await.1, json!({ "ended": true }));
    assert_eq!(app.post(&end, &[]).await.1, json!({ "ended": false }));
    assert_eq!(app.get(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(app.get("/count").await.1, json!({ "sessions": 2 }));
}

/// Prevents: a page of another site that ends a visitor's session through an administrator's browser.
#[tokio::test]
async fn what_another_site_sends_is_refused() {
    let app = App::new();
    let handle = app.sign_in(7).await;
    let end = format!("/sessions/{handle}/end");
    let host = ("host", "shop.example");
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[host, ("origin", "https://evil.example")],
        &[host, ("origin", "null")],
        &[host, ("origin", "https://shop.example.evil.example")],
        &[("origin", "https://shop.example")],
    ] {
        let (status, answer) = app.post(&end, headers).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{headers:?}: {answer}");
        assert_eq!(app.sessions.count().await.unwrap(), 1);
    }
    for headers in [
        &[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://shop.example"),
        ][..],
        &[("sec-fetch-site", "none")],
        &[host, ("origin", "http://shop.example")],
    ] {
        let handle = app.sign_in(8).await;
        let (status, answer) = app.post(&format!("/sessions/{handle}/end"), headers).await;
        assert_eq!((status, answer), (StatusCode::OK, json!({ "ended": true })));
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let app = App::new();
    app.sign_in(7).await;
    for path in [
        "/sessions/nothing",
        "/sessions?after=zz",
        "/sessions?after=%C3%A4",
        "/find?field=user_id",
        "/find?field=user_id&value=anna",
        "/sessions?limit=many",
    ] {
        let (status, answer) = app.get(path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {answer}");
    }
    let (status, _) = app.get("/sessions?after=00").await;
    assert_eq!(
        status,
        StatusCode::SERVICE_UNAVAILABLE,
        "a cursor of another store"
    );
    let (status, _) = app.post("/sessions/nothing/end", &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (_, page) = app.get("/find?field=nothing&value=7").await;
    assert_eq!(page, json!({ "sessions": [], "next": null }));
}
