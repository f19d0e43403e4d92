//! A library that ships session data of its own: who is signed in. Applications nest [`AuthSession`] in their struct, or
//! take `Session<AuthSession>` beside it: either way it is one session, and the same fields.
//!
//! What is public here is what the library promises: the fields are private, so their accessors are, and applications
//! have the methods of [`AuthSessionFields`]. What it does not promise it can change.

/// The library that the derive's code refers to: whoever has this crate can use the version that fits.
pub use level_session;

use level_session::{Result, SessionData};

/// Who is signed in.
///
/// The namespace is the crate's name, so the keys are this crate's own whatever else is in the session.
#[derive(Debug, SessionData)]
#[session(namespace = "auth-session")]
#[allow(
    missing_debug_implementations,
    reason = "it would show who is signed in"
)]
pub struct AuthSession {
    /// The user. All sessions of one can be found by it.
    #[session(index)]
    user: Option<u64>,
    /// Failed attempts since the last that did not.
    #[session(counter)]
    failures: u32,
    /// Where to go after signing in.
    #[session(ttl = "10m")]
    destination: Option<String>,
}

/// After so many failed attempts in one session no more are taken. (One session: an attacker can have many. Whoever
/// guards accounts counts by account and by address as well.)
pub const MOST_FAILURES: u32 = 5;

impl AuthSessionFields {
    /// Who is signed in, if anybody is.
    ///
    /// # Errors
    /// Those of reading a field.
    pub async fn user_id(&self) -> Result<Option<u64>> {
        self.user().await
    }

    /// Signs a user in, and says where they wanted to go. The session gets a new id, so that nobody who knew the old
    /// one is signed in as well (ASVS 7.2.4). What another user has left behind is removed, the application's fields
    /// included.
    ///
    /// # Errors
    /// Those of reading and of writing a field.
    pub async fn sign_in(&self, user: u64) -> Result<Option<String>> {
        let destination = self.destination().await?;
        if self.user().await?.is_some_and(|other| other != user) {
            self.clear()?;
        }
        self.renew()?;
        self.user().set(user)?;
        self.failures().remove()?;
        self.destination().remove()?;
        Ok(destination)
    }

    /// Counts a failed attempt; of concurrent ones each counts. Answer with a 4xx: what a 5xx has changed is not stored.
    ///
    /// # Errors
    /// Those of writing a field.
    pub fn attempt_failed(&self) -> Result<()> {
        self.failures().add(1)
    }

    /// Whether another attempt is taken.
    ///
    /// # Errors
    /// Those of reading a field.
    pub async fn may_try(&self) -> Result<bool> {
        Ok(self.failures().await? < MOST_FAILURES)
    }

    /// Remembers for ten minutes where a visitor wanted to go who has to sign in first.
    ///
    /// # Errors
    /// Those of writing a field.
    pub fn after_sign_in(&self, destination: impl Into<String>) -> Result<()> {
        self.destination().set::<String>(destination.into())
    }

    /// Signs out, which ends the session and all that is in it.
    ///
    /// # Errors
    /// Those of [`destroy`](level_session::UntypedSession::destroy).
    pub fn sign_out(&self) -> Result<()> {
        self.destroy()
    }
}
