//! Every promise of level-session to the users of a web framework, as tests with a real server in a real process.
//!
//! An adapter is complete when a small program that serves the [application](app) with it passes. The program needs a
//! handler for each of these routes, for every method:
//!
//! | route | handler | middleware |
//! |---|---|---|
//! | `/act/{action}` | [`app::act`] with the session and the action | the sessions |
//! | `/nested/{action}` | the same | the sessions, twice |
//! | `/two` | [`app::two`] | the sessions, and within them [`other`](app::Fixture::other) |
//! | `/late` | a response that streams [`app::late`] | the sessions |
//! | `/outside/{action}` | [`app::act`] | nothing |
//! | `/optional` | [`app::optional`] | nothing |
//!
//! It serves HTTP/1.1 at [`Fixture::address`](app::Fixture::address), passes errors of handlers to its framework as a
//! user would (with `?`), shuts down at SIGTERM, and then closes the sessions. With axum:
//!
//! ```no_run
//! use axum::{Router, body::Body, extract::Path, http::StatusCode, response::{IntoResponse, Response}, routing::any};
//! use level_session::{Error, Session, SessionLayer};
//! use level_session_adapter_conformance::app::{self, Fixture, Other, Reply, Visit};
//!
//! async fn act(session: Session<Visit>, Path(action): Path<String>) -> Result<Response, Error> {
//!     Ok(respond(app::act(session, &action).await?))
//! }
//!
//! async fn two(visit: Session<Visit>, other: Session<Other>) -> Result<Response, Error> {
//!     Ok(respond(app::two(visit, other).await?))
//! }
//!
//! async fn late(session: Session<Visit>) -> Body {
//!     Body::from_stream(app::late(session))
//! }
//!
//! async fn optional(session: Option<Session<Visit>>) -> Response {
//!     respond(app::optional(session))
//! }
//!
//! fn respond(reply: Reply) -> Response {
//!     let mut response = reply.body.into_response();
//!     *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
//!     for (name, value) in reply.headers {
//!         response.headers_mut().append(name, value.parse().expect("a header"));
//!     }
//!     response
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let fixture = Fixture::from_env()?;
//!     let sessions = SessionLayer::from(fixture.sessions.clone());
//!     let app = Router::new()
//!         .route("/act/{action}", any(act))
//!         .route("/nested/{action}", any(act).layer(sessions.clone()))
//!         .route("/two", any(two).layer(SessionLayer::from(fixture.other.clone())))
//!         .route("/late", any(late))
//!         .layer(sessions)
//!         .route("/outside/{action}", any(act))
//!         .route("/optional", any(optional));
//!     let listener = tokio::net::TcpListener::bind(fixture.address).await?;
//!     axum::serve(listener, app).with_graceful_shutdown(app::terminated()).await?;
//!     Ok(fixture.close().await?)
//! }
//! ```
//!
//! A test of the package that has this program starts it as often as needed:
//!
//! ```ignore
//! use level_session_adapter_conformance::Conformance;
//! use std::process::Command;
//!
//! #[test]
//! fn the_adapter_keeps_every_promise() {
//!     Conformance::new(|| Command::new(env!("CARGO_BIN_EXE_my-program"))).run();
//! }
//! ```

pub mod app;
mod checks;
mod client;
mod server;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
};

/// The names of all promises, in the order of their tests: for the tests of a protocol that keeps some promises
/// differently, and to which other promises do not apply.
pub fn promises() -> impl Iterator<Item = &'static str> {
    checks::ALL.iter().map(|(promise, _)| *promise)
}

/// The tests of one adapter.
#[must_use = "nothing is tested before `run`"]
pub struct Conformance {
    program: Box<dyn Fn() -> Command>,
    traits: Traits,
}

/// Differences between frameworks.
#[derive(Clone, Copy, Debug, Default)]
struct Traits {
    serves_the_gone: bool,
    is_everywhere: bool,
}

impl Conformance {
    /// The tests of the adapter that this program uses.
    pub fn new(program: impl Fn() -> Command + 'static) -> Self {
        Self {
            program: Box::new(program),
            traits: Traits::default(),
        }
    }

    /// The framework completes a request even if the client has disconnected, and the request's changes are stored. By
    /// default, the handler must be cancelled, and nothing stored.
    pub fn serves_clients_that_are_gone(mut self) -> Self {
        self.traits.serves_the_gone = true;
        self
    }

    /// The framework's middleware wraps every route, so that `/outside` and `/optional` do not exist; `/two` and
    /// `/nested` are wrapped like the others: by the sessions, the sessions once more, and the other sessions around
    /// them.
    pub fn is_around_every_route(mut self) -> Self {
        self.traits.is_everywhere = true;
        self
    }

    /// Runs every test.
    ///
    /// # Panics
    /// If a promise is broken. All of them are tested, and the message names the broken ones.
    pub fn run(self) {
        let mut server = server::Server::new(self.program);
        let mut broken = Vec::new();
        for (promise, check) in checks::ALL {
            let kept = catch_unwind(AssertUnwindSafe(|| check(&mut server, self.traits)));
            if kept.is_err() {
                broken.push(*promise);
                // A request that is still waiting in the server must not disturb the next test.
                server.kill();
            }
        }
        assert!(broken.is_empty(), "broken promises: {broken:#?}");
        server.stop();
    }
}

impl fmt::Debug for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Conformance");
        out.field("traits", &self.traits).finish_non_exhaustive()
    }
}
