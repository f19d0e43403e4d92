//! [level-session](level_session) for salvo 1: a hoop, and sessions as arguments of handlers.
//!
//! ```no_run
//! use level_session::{FjallStore, Keyring, SessionData};
//! use level_session_salvo::{Result, Session, SessionHoop};
//! use salvo_core::prelude::*;
//!
//! #[derive(SessionData)]
//! struct Shop {
//!     #[session(default)]
//!     cart: Vec<String>,
//! }
//!
//! #[handler]
//! async fn add(session: Session<Shop>) -> Result<String> {
//!     session.cart().update(|cart| cart.push("tea".to_owned())).await?;
//!     Ok(format!("{} items", session.cart().await?.len()))
//! }
//!
//! # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! let store = FjallStore::open("sessions.db")?;
//! let sessions = SessionHoop::new(store, Keyring::from_env("SESSION_KEYS")?);
//! let router = Router::new().hoop(sessions).push(Router::with_path("add").post(add));
//! # let _ = router;
//! # Ok(()) }
//! ```
//!
//! It stores changes, replaces responses and logs like level-session's `SessionLayer`.

use level_session::{Head, Keyring, RequestSessions, SessionData, Sessions, store::Store};
use salvo_core::{
    Depot, Extractible, FlowCtrl, Handler, Request, Response, Scribe, async_trait,
    extract::Metadata,
    http::{ResBody, StatusCode},
};

/// The middleware: `Router::new().hoop(SessionHoop::from(sessions))`.
#[derive(Clone, Debug)]
pub struct SessionHoop(Sessions);

impl SessionHoop {
    /// Creates a hoop with the default settings. For other settings, convert `Sessions::builder(..).build()?` with
    /// [`SessionHoop::from`].
    #[must_use]
    pub fn new(store: impl Store, keyring: Keyring) -> Self {
        Sessions::new(store, keyring).into()
    }
}

impl From<Sessions> for SessionHoop {
    fn from(sessions: Sessions) -> Self {
        Self(sessions)
    }
}

#[async_trait]
impl Handler for SessionHoop {
    async fn handle(
        &self,
        request: &mut Request,
        depot: &mut Depot,
        response: &mut Response,
        flow: &mut FlowCtrl,
    ) {
        let exchange = self.0.exchange(request.method(), request.headers());
        let exchange = exchange.enter(request.extensions_mut());
        flow.call_next(request, depot, response).await;
        let Some(mut exchange) = exchange else {
            return;
        };
        // A handle that still exists will read the session while the body streams. The request's own handle does not
        // count.
        request.extensions_mut().remove::<RequestSessions>();
        let status = match &response.body {
            ResBody::Error(error) => error.code,
            _ => StatusCode::OK,
        };
        let status = response.status_code.unwrap_or(status);
        let commit = exchange.commit(Head::new(status, response.headers()));
        if let Err(failure) = commit.await {
            let (head, page) = failure.into_response().into_parts();
            response.status_code(head.status);
            response.set_headers(head.headers);
            response.body(page);
        }
        exchange.end(response.headers_mut());
    }
}

level_session::adapter_types! {
    /// A [`level_session::Session`], as an argument of a handler.
    ///
    /// # Errors
    /// Those of [`level_session::Session::from_extensions`], as `500 Internal Server Error`.
    pub struct Session;

    /// A [`level_session::Error`], as an error that a handler returns: see [`level_session::Error::to_response`].
    pub struct Error;
}

impl<T: SessionData> Session<T> {
    /// Returns the session of a request.
    ///
    /// # Errors
    /// Those of [`level_session::Session::from_extensions`].
    pub fn of(request: &Request) -> Result<Self> {
        let session = level_session::Session::from_extensions(request.extensions())?;
        Ok(Self(session))
    }
}

impl<'ex, T: SessionData> Extractible<'ex> for Session<T>
where
    level_session::Session<T>: Send,
{
    fn metadata() -> &'static Metadata {
        static METADATA: Metadata = Metadata::new("Session");
        &METADATA
    }

    #[allow(
        refining_impl_trait,
        reason = "so that a handler can match on the error"
    )]
    async fn extract(request: &'ex mut Request, _: &'ex mut Depot) -> Result<Self> {
        Self::of(request)
    }
}

impl Scribe for Error {
    fn render(self, response: &mut Response) {
        let (head, text) = self.0.to_response().into_parts();
        response.status_code(head.status);
        response.headers_mut().extend(head.headers);
        response.body(text);
    }
}
