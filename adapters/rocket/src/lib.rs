//! [level-session](level_session) for Rocket 0.5: a fairing, and sessions as request guards.
//!
//! ```no_run
//! use level_session::{FjallStore, Keyring, SessionData};
//! use level_session_rocket::{Result, Session, SessionFairing};
//!
//! #[derive(SessionData)]
//! struct Shop {
//!     #[session(default)]
//!     cart: Vec<String>,
//! }
//!
//! #[rocket::post("/add/<item>")]
//! async fn add(session: Session<Shop>, item: String) -> Result<String> {
//!     session.cart().update(move |cart| cart.push(item.clone())).await?;
//!     Ok(format!("{} items", session.cart().await?.len()))
//! }
//!
//! #[rocket::main]
//! async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//!     let store = FjallStore::open("sessions.db")?;
//!     let sessions = SessionFairing::new(store, Keyring::from_env("SESSION_KEYS")?);
//!     rocket::build().attach(sessions).mount("/", rocket::routes![add]).launch().await?;
//!     Ok(())
//! }
//! ```
//!
//! It stores, answers and logs as level-session's `SessionLayer` does, with two differences. Rocket goes on with a request
//! whose client is gone, and what the request changes is stored. And a panic is a 500 of the catcher's.

mod fairing;

pub use fairing::SessionFairing;

use fairing::Requests;
use level_session::{RequestSessions, SessionData};
use rocket::{
    Request,
    http::Status,
    request::{FromRequest, Outcome},
    response::{self, Responder},
};
use std::{fmt, ops::Deref};

/// The result of a handler that uses its session.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A [`level_session::Session`], as a request guard. `Option<Session<Shop>>` and `Result<Session<Shop>, Error>` are guards
/// as well.
///
/// # Errors
/// Those of [`RequestSessions::session`], as `500 Internal Server Error`, for the catcher.
pub struct Session<T: SessionData = ()>(level_session::Session<T>);

impl<T: SessionData> Session<T> {
    /// The session itself, for functions that know nothing of Rocket.
    #[must_use]
    pub fn into_inner(self) -> level_session::Session<T> {
        self.0
    }
}

impl<T: SessionData> Deref for Session<T> {
    type Target = level_session::Session<T>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T: SessionData> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[rocket::async_trait]
impl<'r, T: SessionData> FromRequest<'r> for Session<T>
where
    level_session::Session<T>: Send,
{
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let present = Requests::of(request).present();
        let session = match present {
            Some(present) => RequestSessions::session(&present),
            None => Err(level_session::Error::no_middleware()),
        };
        match session {
            Ok(session) => Outcome::Success(Self(session)),
            Err(error) => Outcome::Error((status(&error), Error(error))),
        }
    }
}

/// A [`level_session::Error`], as a responder: the catcher of its [status](level_session::Error::status) answers. The log
/// says why.
#[derive(Debug)]
pub struct Error(level_session::Error);

impl From<level_session::Error> for Error {
    fn from(error: level_session::Error) -> Self {
        Self(error)
    }
}

impl Deref for Error {
    type Target = level_session::Error;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'r, 'o: 'r> Responder<'r, 'o> for Error {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'o> {
        Err(status(&self.0))
    }
}

/// The status of an error, which is logged.
fn status(error: &level_session::Error) -> Status {
    Status::new(error.to_response().status().as_u16())
}
