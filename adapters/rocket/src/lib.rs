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
//! It stores changes, replaces responses and logs like level-session's `SessionLayer`, with two differences. Rocket
//! completes a request even if the client has disconnected, and the request's changes are stored. And a panic becomes a
//! 500 response of the catcher.

mod fairing;

pub use fairing::SessionFairing;

use fairing::Begun;
use level_session::{RequestSessions, SessionData};
use rocket::{
    Request,
    http::Status,
    request::{FromRequest, Outcome},
    response::{self, Responder},
};

level_session::adapter_types! {
    /// A [`level_session::Session`], as a request guard. `Option<Session<Shop>>` and `Result<Session<Shop>, Error>` are
    /// guards as well.
    ///
    /// # Errors
    /// Those of [`RequestSessions::session`], as `500 Internal Server Error`, for the catcher.
    pub struct Session;

    /// A [`level_session::Error`], as a responder: the catcher of its [status](level_session::Error::status) builds the
    /// response. The reason is logged.
    pub struct Error;
}

#[rocket::async_trait]
impl<'r, T: SessionData> FromRequest<'r> for Session<T>
where
    level_session::Session<T>: Send,
{
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let present = Begun::with(request, |begun| begun.present.clone());
        let present = present.ok_or_else(level_session::Error::no_middleware);
        match present.and_then(|present| RequestSessions::session(&present)) {
            Ok(session) => Outcome::Success(Self(session)),
            Err(error) => Outcome::Error((status(&error), Error(error))),
        }
    }
}

impl<'r, 'o: 'r> Responder<'r, 'o> for Error {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'o> {
        Err(status(&self.0))
    }
}

/// The status of an error; logs the error.
fn status(error: &level_session::Error) -> Status {
    Status::new(error.to_response().status().as_u16())
}
