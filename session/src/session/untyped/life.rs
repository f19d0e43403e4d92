//! The life cycle: a new id, the end, the lifetime, and the other sessions of the same user.

use super::UntypedSession;
use crate::{
    ending::{self, Sought},
    error::{Error, ErrorKind, Result},
    handle::SessionHandle,
    runtime::EndReason,
    store::{FieldName, Lifetime, schema::Key},
};

impl UntypedSession {
    /// Gives the session a new id when the request's changes are committed. Its fields are kept. The old id stops
    /// working in the same atomic step. Call it at sign-in and at every change of privilege (ASVS 7.2.4). The absolute
    /// timeout starts again.
    ///
    /// To drop the fields of a previous visitor as well, call [`clear`](Self::clear) too.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("cart", ["tea"])?;
    /// session.commit().await?;
    /// let before = session.handle();
    ///
    /// session.renew()?;
    /// session.set("user_id", 7)?;
    /// session.commit().await?;
    /// assert_ne!(session.handle(), before);
    /// assert!(session.get::<Vec<String>>("cart").await?.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Misuse`] on a [detached](Self::detach) session, which has no response to send the new cookie with:
    ///   renew the session in a request.
    /// - [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    #[doc(alias = "regenerate")]
    #[doc(alias = "cycle_id")]
    pub fn renew(&self) -> Result<()> {
        self.refuse_detached()?;
        self.0.lock().renew()
    }

    fn refuse_detached(&self) -> Result<()> {
        match self.0.is_detached() {
            false => Ok(()),
            true => Err(Error::new(
                ErrorKind::Misuse,
                "a detached session has no response to send a new cookie with: renew the session in a request",
            )),
        }
    }

    /// Ends the session when the request's changes are committed: its fields, its index entries, its id and the cookie.
    /// Any other request on this session gets [`ErrorKind::Gone`] and cannot bring the session back.
    ///
    /// From now on this request sees an empty session. Fields written after `destroy` begin a new session in the same atomic
    /// step: for a "you are signed out" notice, for example.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("user_id", 7)?;
    /// session.commit().await?;
    /// let other = session.detach()?; // another request
    ///
    /// session.destroy()?;
    /// assert_eq!(session.get::<u64>("user_id").await?, None);
    /// session.commit().await?;
    /// other.set("theme", "dark")?;
    /// assert!(other.commit().await.is_err()); // the session is gone
    /// # Ok(()) }
    /// ```
    ///
    /// If the browser sends several session cookies, the sessions of the first four cookies with a valid signature all
    /// end. Ending a session that has already ended (it expired, or the user clicked twice) is a success and removes
    /// the cookie, with one exception: if the session was renewed within the last minute, it lives on under a new id,
    /// and its new cookie may already be in the browser. Removing the cookie could then remove the new one, so the
    /// request gets [`ErrorKind::Gone`] and the visitor can sign out again.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    #[doc(alias = "flush")]
    #[doc(alias = "invalidate")]
    #[doc(alias = "logout")]
    pub fn destroy(&self) -> Result<()> {
        self.0.lock().destroy()
    }

    /// Removes every field but keeps the session and its id. Reserved fields (`level-session:..`) stay.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.set("referrer", "newsletter")?;
    /// session.clear()?;
    /// assert!(session.get_all().await?.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    #[doc(alias = "delAll")]
    pub fn clear(&self) -> Result<()> {
        self.0.lock().clear()
    }

    /// Chooses how long this session lives, from this commit on and instead of the configured timeouts: for "remember me", or
    /// for a public computer. Renewals keep the lifetime; `None` returns to the configured timeouts. A session that signs in
    /// should get a new id too, so call [`renew`](Self::renew) as well.
    ///
    /// [`max_lifetime`](crate::SessionsBuilder::max_lifetime) limits the choice, also after it was made.
    /// [`Lifetime::longest`] is always as long as that limit, so it follows changes of the setting in both directions.
    ///
    /// A [`Lifetime`] also decides whether the cookie outlives the browser, whatever the cookie's settings say: it does,
    /// unless the lifetime is [`transient`](Lifetime::with_transient).
    ///
    /// ```
    /// use level_session::{Expiry, Lifetime, Result, Session};
    /// use std::time::Duration;
    ///
    /// # async fn sign_in(session: Session, remember_me: bool) -> Result<()> {
    /// let lifetime: Lifetime = match remember_me {
    ///     true => Expiry::idle(Duration::from_secs(90 * 24 * 3600)).into(),
    ///     false => Lifetime::from(Expiry::nist_aal2()).with_transient(true),
    /// };
    /// session.renew()?;
    /// session.set_lifetime(lifetime)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`renew`](Self::renew); [`ErrorKind::Misuse`] for a lifetime that never ends if no `max_lifetime` is set.
    #[doc(alias = "remember_me")]
    pub fn set_lifetime(&self, lifetime: impl Into<Option<Lifetime>>) -> Result<()> {
        self.refuse_detached()?;
        let lifetime = lifetime.into();
        if self.0.runtime.lifetimes.never_ends(lifetime) {
            return Err(Error::new(
                ErrorKind::Misuse,
                "the chosen lifetime never ends: choose a shorter one, or bound it with `SessionsBuilder::max_lifetime`",
            ));
        }
        self.0.lock().set_lifetime(lifetime)
    }

    /// Ends all other sessions that have the same value as this one in a field declared `#[session(index)]`. Use it,
    /// for example, to end a user's other sessions after a change of the password. They end in the commit of this
    /// request, in the same step; if it fails, none of them ends. On a store with [exact
    /// limits](crate::store::Abilities::exact_limits), no concurrent sign-in or renewal escapes it. Does nothing if the
    /// field is not set.
    ///
    /// ```
    /// # use level_session::{Result, Session, SessionData};
    /// # #[derive(SessionData)]
    /// # struct Shop { #[session(index)] user_id: Option<u64> }
    /// async fn change_password(session: Session<Shop>) -> Result<()> {
    ///     // .. in the database of users, first: from now on the old password signs nobody in
    ///     session.renew()?;
    ///     session.end_others(Shop::USER_ID).await
    /// }
    /// ```
    ///
    /// The change of the password in another database is not part of the commit, so make it first. If the commit then
    /// fails, the other sessions live on, and the request returns an error: let the user try again, or call
    /// [`Sessions::end_all`](crate::Sessions::end_all).
    ///
    /// The commit contains all of these sessions: if there may be thousands, call
    /// [`Sessions::end_all_but`](crate::Sessions::end_all_but) first. That method also describes stores without
    /// [exact limits](crate::store::Abilities::exact_limits).
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] for a field that is not indexed; those of reading the field. The commit fails with
    /// [`ErrorKind::Contended`] if another request changes the field's value meanwhile.
    pub async fn end_others<T>(&self, key: Key<T>) -> Result<()> {
        ending::must_be_index(&key.def())?;
        let name = FieldName::from_static(key.name());
        match self.0.read(&name).await? {
            Some(value) => self.0.lock().end_others(&name, value),
            None => Ok(()),
        }
    }

    /// Ends another session that has the same value as this one in a field declared `#[session(index)]`: another session of
    /// the same user, chosen on a page of devices. It ends at once. Returns `false` if that session had already ended or
    /// belongs to another user; such a session is left alone. If it is this session's own handle, this session ends
    /// too, as if another session had ended it: to sign out, call [`destroy`](Self::destroy).
    ///
    /// ```
    /// # use level_session::{Result, Session, SessionData, SessionHandle};
    /// # #[derive(SessionData)] struct Shop { #[session(index)] user_id: Option<u64> }
    /// /// The user has chosen one of their devices.
    /// async fn sign_out_device(session: Session<Shop>, device: SessionHandle) -> Result<&'static str> {
    ///     match session.end_other(Shop::USER_ID, &device).await? {
    ///         true => Ok("signed out"),
    ///         false => Ok("that device had signed out already"),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Misuse`] if the field is not declared `#[session(index)]`: add the attribute.
    /// - [`ErrorKind::Contended`] if other requests kept changing that session: try again.
    /// - Those of reading the field.
    pub async fn end_other<T>(&self, key: Key<T>, session: &SessionHandle) -> Result<bool> {
        ending::must_be_index(&key.def())?;
        let name = FieldName::from_static(key.name());
        let Some(value) = self.0.read(&name).await? else {
            return Ok(false);
        };
        let user = Sought::new(name, value)?;
        let reason = EndReason::OtherSession;
        ending::end(&self.0.runtime, session.digest(), Some(&user), reason).await
    }

    /// Restarts the idle timeout, even if it was restarted a moment ago.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    ///
    /// session.touch()?;
    /// session.commit().await?; // the session now lives two more weeks
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub fn touch(&self) -> Result<()> {
        self.0.lock().touch()
    }
}
