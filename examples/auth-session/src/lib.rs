//! A library that defines its own session data: the signed-in user. Applications nest [`AuthSession`] in their struct, or
//! extract a `Session<AuthSession>` beside it. Both access the same fields of the same session.
//!
//! The fields are private, and so are their accessors. Applications use the methods of [`AuthSessionFields`], which are the
//! public API; the library can change everything else.

/// The version of level-session that this crate uses, for applications.
pub use level_session;

use level_session::{Result, SessionData};

/// The signed-in user.
///
/// The namespace is the crate's name, so the keys do not clash with other fields of the session.
#[derive(Debug, SessionData)]
#[session(namespace = "auth-session")]
#[allow(
    missing_debug_implementations,
    reason = "it would show the id of the user"
)]
pub struct AuthSession {
    /// The id of the user. The index finds all sessions of a user.
    #[session(index)]
    user: Option<u64>,
    /// Failed attempts since the last successful one.
    #[session(counter)]
    failures: u32,
    /// The page to open after signing in.
    #[session(ttl = "10m")]
    destination: Option<String>,
}

/// The maximum number of failed attempts in one session. An attacker can open many sessions, so a real application also
/// counts by account and by address.
pub const MOST_FAILURES: u32 = 5;

impl AuthSessionFields {
    /// The id of the signed-in user, if any.
    ///
    /// # Errors
    /// The errors of reading a field.
    pub async fn user_id(&self) -> Result<Option<u64>> {
        self.user().await
    }

    /// Signs a user in, and returns the page that they wanted to open. The session gets a new id, so that an attacker who
    /// knew the old id is not signed in too (ASVS 7.2.4). If another user was signed in, all fields of the session are
    /// removed, including the application's.
    ///
    /// # Errors
    /// The errors of reading and writing a field.
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

    /// Counts a failed attempt. Concurrent attempts are all counted. Respond with a 4xx status: with a 5xx status, the
    /// changes of the request are not stored.
    ///
    /// # Errors
    /// The errors of writing a field.
    pub fn attempt_failed(&self) -> Result<()> {
        self.failures().add(1)
    }

    /// Whether another attempt is allowed.
    ///
    /// # Errors
    /// The errors of reading a field.
    pub async fn may_try(&self) -> Result<bool> {
        Ok(self.failures().await? < MOST_FAILURES)
    }

    /// Remembers for ten minutes which page to open after the sign-in.
    ///
    /// # Errors
    /// The errors of writing a field.
    pub fn after_sign_in(&self, destination: impl Into<String>) -> Result<()> {
        self.destination().set::<String>(destination.into())
    }

    /// Signs out: ends the session with all its fields.
    ///
    /// # Errors
    /// The errors of [`destroy`](level_session::UntypedSession::destroy).
    pub fn sign_out(&self) -> Result<()> {
        self.destroy()
    }
}
