//! Whose sessions are these: to find them, to list them, to end them, from anywhere.

mod found;
mod listing;

pub use found::Found;
pub use listing::Listing;

use crate::{
    ending::{self, Sought},
    error::{Error, Result},
    handle::SessionHandle,
    runtime::EndReason,
    sessions::Sessions,
    store::{
        FieldName,
        schema::{FieldKey, Key},
    },
    value,
};
use serde::Serialize;
use std::borrow::Borrow;

/// How many sessions or marks one step of [`Sessions::sweep`] looks at.
const SWEPT_AT_ONCE: usize = 1_000;

/// Finding, listing and ending sessions: in a handler, or in a worker that knows no HTTP.
impl Sessions {
    /// The sessions that live and whose field has this value, page by page: those of a user. The field is declared
    /// `#[session(index)]`.
    ///
    /// A session is found by its value as it is stored: what a request has set and not committed yet is not found, and
    /// neither is a session whose field was set before the index was declared, until it is set again.
    ///
    /// ```
    /// use level_session::{Keyring, MemoryStore, SessionData, Sessions};
    ///
    /// #[derive(SessionData)]
    /// struct Shop {
    ///     #[session(index)]
    ///     user_id: Option<u64>,
    ///     device: Option<String>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?);
    /// # let session = sessions.begin_typed::<Shop>(&http::HeaderMap::new())?;
    /// # session.user_id().set(7)?;
    /// # session.device().set("a phone")?;
    /// # sessions.finish(&session, &mut http::HeaderMap::new()).await?;
    /// let mut listing = sessions.find(Shop::USER_ID, &7).with(Shop::DEVICE);
    /// # let mut devices = Vec::new();
    /// while let Some(page) = listing.next_page().await? {
    ///     for found in page {
    ///         let device = found.get(Shop::DEVICE)?.unwrap_or_default();
    ///         println!("{device}, last seen {:?}, {}", found.last_seen(), found.handle());
    ///         # devices.push(device);
    ///     }
    /// }
    /// # assert_eq!(devices, ["a phone"]);
    /// # Ok(()) }
    /// ```
    #[must_use = "nothing is read before `next_page` is awaited"]
    pub fn find<T, Q>(&self, key: Key<T>, value: &Q) -> Listing<'_>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Listing::of(self, sought(key, value))
    }

    /// As [`find`](Self::find), without the application's types: by the field's key and any value that is encoded as
    /// what is stored, such as a [`Value`](crate::Value).
    #[must_use = "nothing is read before `next_page` is awaited"]
    pub fn find_by<Q: Serialize + ?Sized>(&self, key: impl FieldKey, value: &Q) -> Listing<'_> {
        Listing::of(self, sought_by(key.name(), value))
    }

    /// All sessions that live, page by page: for operators.
    #[must_use = "nothing is read before `next_page` is awaited"]
    pub fn all(&self) -> Listing<'_> {
        Listing::of_all(self)
    }

    /// One session with all its fields, if it lives.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store).
    pub async fn show(&self, session: &SessionHandle) -> Result<Option<Found>> {
        let all = listing::Reading::All;
        listing::look(self, session.digest(), &all, None).await
    }

    /// Ends a session, whosever it is, and says whether it lived until now: `false` for one that has ended, that has
    /// expired, or that this store never knew. For operators, and for what the application has decided. A user who ends
    /// another session of theirs does it by [`end_other`](crate::UntypedSession::end_other), which looks whose it is.
    ///
    /// Requests that are at work on it get [`ErrorKind::Gone`](crate::ErrorKind::Gone), and [`ended`](crate::UntypedSession::ended) returns.
    ///
    /// ```
    /// # use level_session::{Result, Sessions, SessionHandle};
    /// # async fn operator(sessions: &Sessions, text: &str) -> std::result::Result<(), Box<dyn std::error::Error>> {
    /// let handle: SessionHandle = text.parse()?; // an error for what is no handle
    /// if !sessions.end(&handle).await? {
    ///     println!("there is no such session");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store). Where [`Error::may_be_stored`] says so it may have ended: to end it again is no error.
    pub async fn end(&self, session: &SessionHandle) -> Result<bool> {
        let reason = EndReason::Application;
        ending::end(self.runtime(), session.digest(), None, reason).await
    }

    /// Ends all sessions of a user, and says how many: after a password was stolen, when an account is closed.
    ///
    /// It is complete: a session that had the value when the call began has ended when it returns, also if it was renewed
    /// meanwhile; so has one that signed in meanwhile, or it was stored after the others had ended, and began later.
    /// So change the password first, and end the sessions then: nobody signs in again by the old one.
    /// On a store without [exact limits](crate::store::Abilities::exact_limits) a session that signs in or is renewed while
    /// the last of the others ends may be left: call it once more.
    ///
    /// Sessions end one by one, each whole. If it fails in between, those before have ended, and it can be called again.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store); [`ErrorKind::Misuse`](crate::ErrorKind::Misuse) for a field that is not declared `#[session(index)]`;
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) for a value that cannot be encoded; [`ErrorKind::Contended`](crate::ErrorKind::Contended).
    pub async fn end_all<T, Q>(&self, key: Key<T>, value: &Q) -> Result<u64>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let sought = sought(key, value)?;
        ending::end_all(self.runtime(), &sought, None, EndReason::Application).await
    }

    /// As [`end_all`](Self::end_all), without the application's types: see [`find_by`](Self::find_by). A field that is no
    /// index has no sessions to end.
    ///
    /// # Errors
    /// As [`end_all`](Self::end_all), but for the misuse.
    pub async fn end_all_by<Q: Serialize + ?Sized>(
        &self,
        key: impl FieldKey,
        value: &Q,
    ) -> Result<u64> {
        let sought = sought_by(key.name(), value)?;
        ending::end_all(self.runtime(), &sought, None, EndReason::Application).await
    }

    /// As [`end_all`](Self::end_all), but leaves this session, under the id that it has now. To end the others in the
    /// same commit as what a request changes, use [`end_others`](crate::UntypedSession::end_others).
    ///
    /// # Errors
    /// As [`end_all`](Self::end_all).
    pub async fn end_all_but<T, Q>(
        &self,
        session: &SessionHandle,
        key: Key<T>,
        value: &Q,
    ) -> Result<u64>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let sought = sought(key, value)?;
        let (but, reason) = (Some(session.digest()), EndReason::Application);
        ending::end_all(self.runtime(), &sought, but, reason).await
    }

    /// How many sessions live. It pages through all of them: for operators, and for a gauge that is set once a minute.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store).
    pub async fn count(&self) -> Result<u64> {
        self.all().count().await
    }

    /// Removes what has expired or need no longer be remembered, and says how many sessions that were. A store that
    /// cleans up by itself need not be told.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store); what was removed before stays removed.
    pub async fn sweep(&self) -> Result<u64> {
        let mut sessions = 0;
        loop {
            let now = self.runtime().clock.now();
            let swept = self.store().sweep(now, SWEPT_AT_ONCE).await?;
            sessions += swept.sessions as u64;
            if !swept.more {
                return Ok(sessions);
            }
        }
    }
}

fn sought<T, Q>(key: Key<T>, value: &Q) -> Result<Sought>
where
    T: Borrow<Q>,
    Q: Serialize + ?Sized,
{
    ending::must_be_index(&key.def())?;
    sought_by(key.name().into(), value)
}

fn sought_by<Q: Serialize + ?Sized>(field: FieldName, value: &Q) -> Result<Sought> {
    let stored = value::seal(None, |out| value::encode(value, out));
    match stored {
        Ok(stored) => Sought::new(field, stored),
        Err(cause) => Err(Error::of_value(cause, field)),
    }
}
