//! A session that was found.

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

/// A session that was found, as it stood at one moment: for a devices page, or an operator.
///
/// It is a picture and no session: what is read of it does not count as a use, and nothing can be changed by it.
pub struct Found {
    id: Digest,
    meta: Meta,
    deadline: Timestamp,
    /// When it was looked at.
    now: Timestamp,
    /// What was read: all fields, or those that were asked for.
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

    /// What names it, until it is renewed: for a form that ends it.
    #[must_use]
    pub const fn handle(&self) -> SessionHandle {
        SessionHandle::new(self.id)
    }

    /// Whether it is the session of this request.
    #[must_use]
    pub fn is_current(&self, session: &UntypedSession) -> bool {
        session.handle() == Some(self.handle())
    }

    /// When it was made. Renewals keep it.
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.meta.created
    }

    /// When it signed in: when it was made, or renewed last.
    #[must_use]
    pub const fn signed_in_at(&self) -> Timestamp {
        self.meta.lease.started
    }

    /// The last use that was written down. By default a use is written down at most once in 1 % of the idle timeout
    /// ([`Refresh`](crate::Refresh)), or with what else is stored: so the last use may be later by that much, which is
    /// about three hours for the default of two weeks, and 18 seconds for half an hour. A request counts if it uses its
    /// session.
    #[must_use]
    pub const fn last_seen(&self) -> Timestamp {
        self.meta.lease.seen
    }

    /// When it ends unless it is used before.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.deadline
    }

    /// When it ends however busy it is, if there is an absolute timeout.
    #[must_use]
    pub const fn absolute_deadline(&self) -> Option<Timestamp> {
        self.meta.lease.absolute_deadline
    }

    /// The lifetime that was [chosen](crate::UntypedSession::set_lifetime) for it, if one was.
    #[must_use]
    pub const fn lifetime(&self) -> Option<Lifetime> {
        self.meta.lease.lifetime
    }

    /// Reads a field that was [asked for](super::Listing::with): `None` where nothing is stored.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if what is stored is no `T`; [`ErrorKind::Misuse`] for a field that was not asked for.
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

    /// Every field that was read, without types. The library's own are not among them.
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
    /// What is stored of each field that was read, byte for byte, the library's own included: for sizes, and to tell what
    /// is damaged.
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
