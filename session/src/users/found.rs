//! A snapshot of a stored session.

use crate::{
    error::{Error, ErrorKind, Result},
    handle::SessionHandle,
    session::{AllFields, UntypedSession, decode},
    store::{
        Bytes, Digest, FieldName, Lifetime, Meta, Timestamp,
        schema::{AsKey, FieldKey},
    },
};
use serde::de::DeserializeOwned;
use std::fmt;

/// A snapshot of a session in a [`Listing`](super::Listing): for a devices page, or for an operator.
///
/// Reading from a snapshot does not count as a use of the session, and a snapshot cannot change the session.
pub struct Found {
    id: Digest,
    meta: Meta,
    deadline: Timestamp,
    /// The time of the snapshot.
    now: Timestamp,
    /// All fields, or those that were requested.
    fields: Vec<(FieldName, Option<Bytes>)>,
    is_all: bool,
}

impl Found {
    pub(super) const fn new(
        id: Digest,
        meta: Meta,
        deadline: Timestamp,
        now: Timestamp,
        fields: Vec<(FieldName, Option<Bytes>)>,
        is_all: bool,
    ) -> Self {
        Self {
            id,
            meta,
            deadline,
            now,
            fields,
            is_all,
        }
    }

    /// The handle that identifies the session until it is renewed: for a form that ends it.
    #[must_use]
    pub const fn handle(&self) -> SessionHandle {
        SessionHandle::new(self.id)
    }

    /// Whether this is the session of the current request.
    #[must_use]
    pub fn is_current(&self, session: &UntypedSession) -> bool {
        session.handle() == Some(self.handle())
    }

    /// When the session was created. Renewals keep this time.
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.meta.created
    }

    /// When the user signed in: when the session was created, or last renewed.
    #[must_use]
    pub const fn signed_in_at(&self) -> Timestamp {
        self.meta.lease.started
    }

    /// The last use that was stored. By default, a use is stored with other changes, and otherwise at most once per 1 % of the
    /// idle timeout ([`Refresh`](crate::Refresh)). The actual last use may be later by that much: about three hours for the
    /// default timeout of two weeks, and 18 seconds for half an hour. A request counts as a use if it uses its session.
    #[must_use]
    pub const fn last_seen(&self) -> Timestamp {
        self.meta.lease.seen
    }

    /// When the session expires if it is not used before.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.deadline
    }

    /// When the session expires regardless of activity, if there is an absolute timeout.
    #[must_use]
    pub const fn absolute_deadline(&self) -> Option<Timestamp> {
        self.meta.lease.absolute_deadline
    }

    /// The lifetime that was [chosen](crate::UntypedSession::set_lifetime) for this session, if any.
    #[must_use]
    pub const fn lifetime(&self) -> Option<Lifetime> {
        self.meta.lease.lifetime
    }

    /// Returns the value of a field that was [requested](super::Listing::with), or `None` if no value is stored.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the stored value is not a `T`; [`ErrorKind::Misuse`] if the field was not requested.
    pub fn get<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>> {
        let name = FieldKey::name(&key);
        let mut fields = self.fields.iter();
        match fields.find(|(field, _)| *field == name) {
            Some((_, bytes)) => decode(&name, bytes.as_ref(), self.now),
            None if self.is_all => Ok(None),
            None => Err(Error::new(
                ErrorKind::Misuse,
                "was not read with the listing: add `.with(key)` before its first page",
            )
            .on(name)),
        }
    }

    /// All fields that were read, without types. The library's own fields are not included.
    #[must_use]
    pub fn fields(&self) -> AllFields {
        let fields = self.fields.iter();
        let stored = fields.filter_map(|(name, bytes)| Some((name.clone(), bytes.clone()?)));
        let own = stored.filter(|(name, _)| !name.is_reserved());
        AllFields::of(own, self.now)
    }
}

/// For operators.
impl Found {
    /// The stored bytes of each field that was read, including the library's own fields: to show sizes and to find damage.
    pub fn stored(&self) -> impl Iterator<Item = (&FieldName, &Bytes)> {
        let fields = self.fields.iter();
        fields.filter_map(|(name, bytes)| Some((name, bytes.as_ref()?)))
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("handle", &self.handle())
            .field("last_seen", &self.last_seen())
            .field("expires_at", &self.deadline)
            .finish_non_exhaustive()
    }
}
