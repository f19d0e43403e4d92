//! Finds and ends the sessions of a user by an index.

use crate::{
    id::SessionId,
    index::{Index, entry_of},
    store::BridgeStore,
};
use level_session_store::{Digest, Error, ErrorKind, FieldName, Result, Timestamp};
use serde::Serialize;
use time::OffsetDateTime;

/// How many sessions are requested at a time.
const PAGE: usize = 100;

/// A session returned by [`BridgeStore::find`]. It does not reveal the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserSession {
    digest: Digest,
    /// When the session was created under its current id.
    pub created: Timestamp,
    /// When the session was last saved.
    pub saved: Timestamp,
    /// When the session expires.
    pub expires: OffsetDateTime,
}

impl UserSession {
    /// Whether this is the session with this id, for example that of the current request.
    #[must_use]
    pub fn is(&self, id: impl Into<SessionId>) -> bool {
        self.digest == id.into().digest()
    }
}

impl BridgeStore {
    /// Returns the live sessions whose indexed part of `key` has this value.
    ///
    /// ```
    /// # async fn handler(store: level_session_tower_sessions::BridgeStore) -> level_session_store::Result<()> {
    /// let of_user_7 = store.find("axum-login.data", &7).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if `key` has no [index](crate::BridgeStoreBuilder::with_index); [`ErrorKind::Store`];
    /// [`ErrorKind::Encode`] if the value cannot be encoded.
    pub async fn find<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
    ) -> Result<Vec<UserSession>> {
        let name = self.indexed(key)?;
        let entry = entry_of(name, value)?;
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let now = self.now();
            let page = self
                .inner()
                .find(key, &entry, after.as_ref(), PAGE, now)
                .await?;
            for session in page.items {
                let known = found
                    .iter()
                    .any(|other: &UserSession| other.digest == session.id);
                let Some((saved, expires)) = self.life(session.id).await?.filter(|_| !known) else {
                    continue;
                };
                found.push(UserSession {
                    digest: session.id,
                    created: session.meta.created,
                    saved,
                    expires,
                });
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// Ends a session. Requests in flight can no longer save it. Returns `false` if it had already ended.
    ///
    /// # Errors
    /// [`ErrorKind::Store`].
    pub async fn end(&self, session: &UserSession) -> Result<bool> {
        self.end_by(session.digest).await
    }

    /// Ends every session that [`find`](Self::find) returns, and returns how many.
    ///
    /// # Errors
    /// The errors of [`find`](Self::find). Sessions that were ended before the error stay ended.
    pub async fn end_all<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<usize> {
        self.end_where(key, value, |_| true).await
    }

    /// Ends every session that [`find`](Self::find) returns, except this one, and returns how many: "sign out everywhere else".
    ///
    /// # Errors
    /// The errors of [`end_all`](Self::end_all).
    pub async fn end_others<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        keep: impl Into<SessionId> + Copy + Send,
    ) -> Result<usize> {
        let keep = keep.into();
        self.end_where(key, value, |session| !session.is(keep))
            .await
    }

    async fn end_where<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        ends: impl Fn(&UserSession) -> bool,
    ) -> Result<usize> {
        let mut ended = 0;
        for session in self
            .find(key, value)
            .await?
            .iter()
            .filter(|found| ends(found))
        {
            ended += usize::from(self.end(session).await?);
        }
        Ok(ended)
    }

    fn indexed(&self, key: &str) -> Result<&FieldName> {
        let mut indexes = self.indexes().iter();
        let found = indexes.find(|Index { key: indexed, .. }| **indexed == *key);
        found.map(|index| &index.key).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                format!(
                    "the key `{}` has no index; add one with `with_index`",
                    key.escape_debug()
                ),
            )
        })
    }
}
