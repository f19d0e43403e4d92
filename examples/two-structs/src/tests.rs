use super::*;
use axum::{
    body::Body,
    http::{Request, header},
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// A visitor: the application, and the cookie that it has set.
struct Visitor {
    app: Router,
    cookie: String,
}

impl Visitor {
    fn new() -> Self {
        Self {
            app: app().unwrap(),
            cookie: String::new(),
        }
    }

    async fn call(&mut self, method: &str, path: &str) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, &self.cookie);
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        if let Some(cookie) = response.headers().get(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

/// Prevents: structs that overwrite each other's fields, or a sign-in that other structs do not see.
#[tokio::test]
async fn three_structs_are_one_session() {
    let mut visitor = Visitor::new();
    visitor.call("GET", "/add/tea").await;
    let (status, _) = visitor.call("POST", "/survey/5").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    let before = visitor.cookie.clone();
    visitor.call("POST", "/sign-in/7").await;
    assert_ne!(visitor.cookie, before, "a new id");
    let (status, _) = visitor.call("POST", "/survey/5").await;
    assert_eq!(status, StatusCode::OK);

    let (_, all) = visitor.call("GET", "/session").await;
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    let expected = serde_json::json!({
        "auth-session.user": 7,
        "shop.cart": ["tea"],
        "survey.stars": 5,
    });
    assert_eq!(all, expected);

    visitor.cookie = before;
    let (_, all) = visitor.call("GET", "/session").await;
    assert_eq!(all, "{}", "the old id is dead");
}

/// Prevents: failed attempts that are not counted because the response is an error.
#[tokio::test]
async fn failed_attempts_run_out() {
    let mut visitor = Visitor::new();
    for _ in 0..auth_session::MOST_FAILURES {
        let (status, _) = visitor.call("POST", "/sign-in/0").await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    let (status, _) = visitor.call("POST", "/sign-in/7").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
}

/// Prevents: a user who sees the cart of the previous one.
#[tokio::test]
async fn another_user_finds_nothing_of_the_first() {
    let mut visitor = Visitor::new();
    visitor.call("POST", "/sign-in/7").await;
    visitor.call("GET", "/add/tea").await;
    visitor.call("POST", "/sign-in/8").await;
    let (_, all) = visitor.call("GET", "/session").await;
    assert_eq!(all, r#"{"auth-session.user":8}"#);
}
