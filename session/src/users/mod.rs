//! Finds, lists and ends the sessions of a user, inside or outside a request.

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

/// How many sessions or marks of ended sessions one step of [`Sessions::sweep`] examines.
const SWEPT_AT_ONCE: usize = 1_000;

/// Finding, listing and ending sessions, in a request handler or in a worker without HTTP.
impl Sessions {
    /// Lists the live sessions whose field has this value, page by page: for example, all sessions of a user. The field must
    /// be declared `#[session(index)]`.
    ///
    /// Only stored values are found. A value that a request has set but not committed yet is not found, nor is a value that
    /// was stored before the index was declared, until it is set again.
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

    /// Like [`find`](Self::find), without the application's types: takes the field's key and any value with the same encoding
    /// as the stored one, such as a [`Value`](crate::Value).
    #[must_use = "nothing is read before `next_page` is awaited"]
    pub fn find_by<Q: Serialize + ?Sized>(&self, key: impl FieldKey, value: &Q) -> Listing<'_> {
        Listing::of(self, sought_by(key.name(), value))
    }

    /// Lists all live sessions, page by page: for operators.
    #[must_use = "nothing is read before `next_page` is awaited"]
    pub fn all(&self) -> Listing<'_> {
        Listing::of_all(self)
    }

    /// Returns a session with all its fields, if it is live.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store).
    pub async fn show(&self, session: &SessionHandle) -> Result<Option<Found>> {
        let all = listing::Reading::All;
        listing::look(self, session.digest(), &all, None).await
    }

    /// Ends a session of any user. Returns whether the session was live: `false` if it had ended or expired, or if this store
    /// does not know it. For operators and for decisions of the application. To let a user end another of their own sessions,
    /// use [`end_other`](crate::UntypedSession::end_other), which checks whose session it is.
    ///
    /// Requests in flight on this session get [`ErrorKind::Gone`](crate::ErrorKind::Gone), and
    /// [`ended`](crate::UntypedSession::ended) returns.
    ///
    /// ```
    /// # use level_session::{Result, Sessions, SessionHandle};
    /// # async fn operator(sessions: &Sessions, text: &str) -> std::result::Result<(), Box<dyn std::error::Error>> {
    /// let handle: SessionHandle = text.parse()?; // an error if the text is not a handle
    /// if !sessions.end(&handle).await? {
    ///     println!("no such session");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store). If [`Error::may_be_stored`] is `true`, the session may have ended;
    /// calling `end` again is safe.
    pub async fn end(&self, session: &SessionHandle) -> Result<bool> {
        let reason = EndReason::Application;
        ending::end(self.runtime(), session.digest(), None, reason).await
    }

    /// Ends all sessions of a user and returns how many: for example, after a password was stolen, or when an account is
    /// closed.
    ///
    /// The call is complete: every session that had the value when the call began has ended when it returns, even if it was
    /// renewed in the meantime. A session that signed in during the call has either ended as well, or was stored after the
    /// others had ended. So change the password first and end the sessions afterwards: the old password then creates no
    /// further session. On a store without [exact limits](crate::store::Abilities::exact_limits), a session that signs in or is
    /// renewed while the last of the others ends may remain: call this method once more.
    ///
    /// Sessions end one by one, each as a whole. If the call fails part-way, the sessions ended so far stay ended, and the call
    /// can be repeated.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store); [`ErrorKind::Misuse`](crate::ErrorKind::Misuse) for a field that is not
    /// declared `#[session(index)]`; [`ErrorKind::Encode`](crate::ErrorKind::Encode) for a value that cannot be encoded;
    /// [`ErrorKind::Contended`](crate::ErrorKind::Contended).
    pub async fn end_all<T, Q>(&self, key: Key<T>, value: &Q) -> Result<u64>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let sought = sought(key, value)?;
        ending::end_all(self.runtime(), &sought, None, EndReason::Application).await
    }

    /// Like [`end_all`](Self::end_all), without the application's types: see [`find_by`](Self::find_by). A field that is not an
    /// index matches no sessions.
    ///
    /// # Errors
    /// The errors of [`end_all`](Self::end_all), except [`ErrorKind::Misuse`](crate::ErrorKind::Misuse).
    pub async fn end_all_by<Q: Serialize + ?Sized>(
        &self,
        key: impl FieldKey,
        value: &Q,
    ) -> Result<u64> {
        let sought = sought_by(key.name(), value)?;
        ending::end_all(self.runtime(), &sought, None, EndReason::Application).await
    }

    /// Like [`end_all`](Self::end_all), but keeps this session, which is identified by its current id. To end the others in the
    /// same commit as the changes of a request, use [`end_others`](crate::UntypedSession::end_others).
    ///
    /// # Errors
    /// The errors of [`end_all`](Self::end_all).
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

    /// Counts the live sessions by paging through all of them: for operators, and for a gauge that is set once a minute.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store).
    pub async fn count(&self) -> Result<u64> {
        self.all().count().await
    }

    /// Removes expired sessions, and marks of ended sessions that are no longer needed. Returns how many sessions were removed.
    /// Not needed for stores that clean up by themselves.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store). Sessions that were removed before the error stay removed.
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
