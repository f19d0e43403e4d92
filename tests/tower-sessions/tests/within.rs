//! A session of tower-sessions on top of ours, together with typed fields.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use axum::{Router, body::Body, http::Request, http::StatusCode, routing::get};
use http::header::{COOKIE, SET_COOKIE};
use level_session::{Keyring, MemoryStore, Session, SessionData, SessionLayer, Sessions};
use level_session_tower_sessions::TowerSessionLayer;
use std::sync::Arc;
use tower::ServiceExt as _;
use tower_sessions_0_14::Session as Old;
use tower_sessions_0_15::{Expiry, Session as Theirs};

#[derive(SessionData)]
struct Shop {
    user: Option<u64>,
    #[session(default)]
    cart: Vec<String>,
    #[session(flash)]
    notice: Option<String>,
}

/// A handler that uses both sessions of its request.
type Does = Arc<dyn Fn(Theirs, Session<Shop>) -> Done + Send + Sync>;
type Done = std::pin::Pin<Box<dyn Future<Output = StatusCode> + Send>>;

struct App {
    sessions: Sessions,
    jar: Option<String>,
}

impl App {
    fn new() -> Self {
        let keyring = Keyring::new([[7; 32]]).unwrap();
        let sessions = Sessions::builder(MemoryStore::new(), keyring)
            .data::<Shop>()
            .build()
            .unwrap();
        Self {
            sessions,
            jar: None,
        }
    }

    /// Sends one request of the visitor.
    async fn request<F: Future<Output = StatusCode> + Send + 'static>(
        &mut self,
        does: impl Fn(Theirs, Session<Shop>) -> F + Send + Sync + 'static,
    ) -> StatusCode {
        let does: Does = Arc::new(move |theirs, ours| Box::pin(does(theirs, ours)));
        let app: Router = Router::new()
            .route("/", get(move |theirs, ours| does(theirs, ours)))
            .layer(TowerSessionLayer::new())
            .layer(SessionLayer::from(self.sessions.clone()));
        let mut request = Request::new(Body::empty());
        if let Some(cookie) = &self.jar {
            request
                .headers_mut()
                .insert(COOKIE, cookie.parse().unwrap());
        }
        let response = app.oneshot(request).await.unwrap();
        let cookies: Vec<_> = response.headers().get_all(SET_COOKIE).iter().collect();
        assert!(cookies.len() < 2, "one cookie at most");
        if let Some(cookie) = cookies.first() {
            let cookie = cookie.to_str().unwrap();
            self.jar = match cookie.contains("Max-Age=0") {
                true => None,
                false => cookie.split_once(';').map(|(pair, _)| pair.to_owned()),
            };
        }
        response.status()
    }

    /// Creates a visitor with a session.
    async fn with_a_session() -> Self {
        let mut app = Self::new();
        let status = app
            .request(|theirs, ours| async move {
                theirs.insert("theme", "light").await.unwrap();
                ours.cart().set(vec!["tea".to_owned()]).unwrap();
                StatusCode::OK
            })
            .await;
        assert_eq!(status, StatusCode::OK);
        assert!(app.jar.is_some());
        app
    }

    /// The content that a request sees: the theme of tower-sessions, and our cart and notice.
    async fn finds(&mut self) -> (Option<String>, Vec<String>, Option<String>) {
        let found = Arc::new(std::sync::Mutex::new(None));
        let into = found.clone();
        self.request(move |theirs, ours| {
            let into = into.clone();
            async move {
                let theme = theirs.get("theme").await.unwrap();
                let (cart, notice) = (ours.cart().await.unwrap(), ours.notice().await.unwrap());
                *into.lock().unwrap() = Some((theme, cart, notice));
                StatusCode::OK
            }
        })
        .await;
        let found = found.lock().unwrap().take();
        found.unwrap()
    }
}

/// Prevents: two separate sessions, which differ after the first error.
#[tokio::test]
async fn theirs_and_ours_are_one_session() {
    let mut app = App::with_a_session().await;
    app.request(|theirs, ours| async move {
        // Each sees the writes of the other.
        let cart: Vec<String> = theirs.get("cart").await.unwrap().unwrap();
        assert_eq!(cart, ["tea"]);
        assert_eq!(ours.get::<String>("theme").await.unwrap().unwrap(), "light");
        theirs.insert("cart", ["rice"]).await.unwrap();
        theirs.remove::<String>("theme").await.unwrap();
        ours.user().set(7).unwrap();
        StatusCode::OK
    })
    .await;
    assert_eq!(app.finds().await, (None, vec!["rice".to_owned()], None));
}

/// Prevents: a stale copy in one request that overwrites the change of another.
#[tokio::test]
async fn a_key_that_they_have_not_changed_is_not_written() {
    let mut app = App::with_a_session().await;
    app.request(|theirs, ours| async move {
        let _: Option<String> = theirs.get("theme").await.unwrap();
        // After both have read the session.
        ours.cart().set(vec!["rice".to_owned()]).unwrap();
        theirs.insert("theme", "dark").await.unwrap();
        theirs.save().await.unwrap();
        ours.cart().set(vec!["salt".to_owned()]).unwrap();
        StatusCode::OK
    })
    .await;
    let found = app.finds().await;
    assert_eq!(
        found,
        (Some("dark".to_owned()), vec!["salt".to_owned()], None)
    );
}

/// Prevents: a failed request that is partly stored.
#[tokio::test]
async fn what_fails_stores_nothing() {
    let mut app = App::with_a_session().await;
    let before = app.jar.clone();
    let status = app
        .request(|theirs, ours| async move {
            theirs.cycle_id().await.unwrap();
            theirs.insert("theme", "dark").await.unwrap();
            theirs.save().await.unwrap();
            ours.cart().set(vec!["rice".to_owned()]).unwrap();
            StatusCode::BAD_GATEWAY
        })
        .await;
    assert_eq!((status, &app.jar), (StatusCode::BAD_GATEWAY, &before));
    let found = app.finds().await;
    assert_eq!(
        found,
        (Some("light".to_owned()), vec!["tea".to_owned()], None)
    );
}

/// Prevents: an old id that works after the sign-in, and typed fields that a sign-in loses.
#[tokio::test]
async fn cycling_renews_the_session() {
    let mut app = App::with_a_session().await;
    let old = app.jar.clone();
    app.request(|theirs, ours| async move {
        theirs.cycle_id().await.unwrap();
        theirs.insert("theme", "dark").await.unwrap();
        assert_eq!(ours.cart().await.unwrap(), ["tea"]);
        StatusCode::OK
    })
    .await;
    assert_ne!(app.jar, old);
    let found = app.finds().await;
    assert_eq!(
        found,
        (Some("dark".to_owned()), vec!["tea".to_owned()], None)
    );
    app.jar = old;
    assert_eq!(app.finds().await, (None, vec![], None));
}

/// Prevents: a sign-out that keeps typed fields, or removes the farewell.
#[tokio::test]
async fn flushing_destroys_the_session_and_keeps_what_is_written_after() {
    for speaks in [false, true] {
        let mut app = App::with_a_session().await;
        let old = app.jar.clone();
        app.request(move |theirs, ours| async move {
            ours.notice().set("before").unwrap();
            theirs.flush().await.unwrap();
            assert_eq!(ours.cart().await.unwrap(), [""; 0]);
            if speaks {
                ours.notice().set("bye").unwrap();
                theirs.insert("theme", "dark").await.unwrap();
            }
            StatusCode::OK
        })
        .await;
        assert_eq!(app.jar.is_some(), speaks);
        assert_ne!(app.jar, old);
        let found = app.finds().await;
        match speaks {
            false => assert_eq!(found, (None, vec![], None)),
            true => assert_eq!(found, (Some("dark".into()), vec![], Some("bye".into()))),
        }
        app.jar = old;
        assert_eq!(app.finds().await, (None, vec![], None));
    }
}

/// Prevents: errors if a request creates a session and ends or cycles it before any client has its id.
#[tokio::test]
async fn what_the_request_has_made_can_be_cycled_and_ended() {
    let mut app = App::new();
    app.request(|theirs, ours| async move {
        ours.cart().set(vec!["tea".to_owned()]).unwrap();
        theirs.insert("theme", "light").await.unwrap();
        theirs.save().await.unwrap();
        theirs.cycle_id().await.unwrap();
        StatusCode::OK
    })
    .await;
    let found = app.finds().await;
    assert_eq!(
        found,
        (Some("light".to_owned()), vec!["tea".to_owned()], None)
    );

    let mut app = App::new();
    app.request(|theirs, _| async move {
        theirs.insert("theme", "light").await.unwrap();
        theirs.save().await.unwrap();
        theirs.flush().await.unwrap();
        StatusCode::OK
    })
    .await;
    assert_eq!(app.jar, None);
}

/// Prevents: `clear` that keeps keys that were not read, or ends the session.
#[tokio::test]
async fn clearing_removes_what_the_request_sees() {
    for reads in [false, true] {
        let mut app = App::with_a_session().await;
        let before = app.jar.clone();
        app.request(move |theirs, _| async move {
            if reads {
                let _: Option<String> = theirs.get("theme").await.unwrap();
            }
            theirs.clear().await;
            theirs.insert("other", 1).await.unwrap();
            theirs.set_expiry(Some(Expiry::OnSessionEnd));
            StatusCode::OK
        })
        .await;
        assert_eq!(app.finds().await, (None, vec![], None));
        assert_eq!(app.jar, before);
    }
}

/// Prevents: a record or a cookie for a request that does nothing with its session.
#[tokio::test]
async fn a_visitor_who_does_nothing_costs_nothing() {
    let mut app = App::new();
    app.request(|theirs, _| async move {
        assert_eq!(theirs.id(), None);
        let nothing: Option<String> = theirs.get("theme").await.unwrap();
        assert_eq!(nothing, None);
        theirs.cycle_id().await.unwrap();
        StatusCode::OK
    })
    .await;
    assert_eq!(app.jar, None);
}

/// Prevents: a declared field with a value that its accessor cannot read.
#[tokio::test]
async fn a_declared_field_takes_its_type_alone() {
    let mut app = App::with_a_session().await;
    let status = app
        .request(|theirs, ours| async move {
            ours.user().set(7).unwrap();
            theirs.insert("cart", 7).await.unwrap();
            StatusCode::OK
        })
        .await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(app.finds().await.1, ["tea"]);
}

/// Prevents: sessions of two core versions, axum-login's and the application's, that do not see each other's changes.
#[tokio::test]
async fn both_versions_of_the_core_share_the_session() {
    let mut app = App::with_a_session().await;
    let router: Router = Router::new()
        .route(
            "/",
            get(|old: Old, new: Theirs| async move {
                let theme: String = old.get("theme").await.unwrap().unwrap();
                assert_eq!(theme, "light");
                old.insert("theme", "dark").await.unwrap();
                new.insert("other", 1).await.unwrap();
            }),
        )
        .layer(TowerSessionLayer::new())
        .layer(SessionLayer::from(app.sessions.clone()));
    let mut request = Request::new(Body::empty());
    let cookie = app.jar.as_ref().unwrap().parse().unwrap();
    request.headers_mut().insert(COOKIE, cookie);
    assert_eq!(
        router.oneshot(request).await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(app.finds().await.0.as_deref(), Some("dark"));
}
