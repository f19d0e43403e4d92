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
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// # session.set("device", "a phone")?;
    /// # session.commit().await?;
    /// let page = sessions.all().next_page().await?.unwrap();
    /// let form = format!(r#"<input type="hidden" name="device" value="{}">"#, page[0].handle());
    /// assert_eq!(Some(page[0].handle()), session.handle());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn handle(&self) -> SessionHandle {
        SessionHandle::new(self.id)
    }

    /// Whether this is the session of the current request.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// # session.set("device", "a phone")?;
    /// # session.commit().await?;
    /// let other = sessions.begin(&http::HeaderMap::new()); // another device
    /// let found = sessions.show(&session.handle().unwrap()).await?.unwrap();
    /// assert!(found.is_current(&session));
    /// assert!(!found.is_current(&other));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_current(&self, session: &UntypedSession) -> bool {
        session.handle() == Some(self.handle())
    }

    /// When the session was created. Renewals keep this time.
    ///
    /// ```
    /// # use level_session::{Clock, Expiry, Keyring, MemoryStore, Sessions, Timestamp};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let clock = Clock::manual(Timestamp::from_millis(1_000));
    /// # let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?).clock(clock.clone()).build()?;
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// # session.set("device", "a phone")?;
    /// # session.commit().await?;
    /// clock.advance(Duration::from_secs(60));
    /// session.renew()?;
    /// session.commit().await?;
    /// let found = sessions.show(&session.handle().unwrap()).await?.unwrap();
    /// assert_eq!(clock.now().since(found.created_at()).as_secs(), 60);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.meta.created
    }

    /// When the user signed in: when the session was created, or last renewed.
    ///
    /// ```
    /// # use level_session::{Clock, Expiry, Keyring, MemoryStore, Sessions, Timestamp};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let clock = Clock::manual(Timestamp::from_millis(1_000));
    /// # let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?).clock(clock.clone()).build()?;
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// # session.set("device", "a phone")?;
    /// # session.commit().await?;
    /// clock.advance(Duration::from_secs(60));
    /// session.renew()?; // the visitor signs in
    /// session.commit().await?;
    /// let found = sessions.show(&session.handle().unwrap()).await?.unwrap();
    /// assert_eq!(found.signed_in_at(), clock.now());
    /// assert!(found.created_at() < found.signed_in_at());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn signed_in_at(&self) -> Timestamp {
        self.meta.lease.started
    }

    /// The last use that was stored. By default, a use is stored with other changes, and otherwise at most once per 1 % of the
    /// idle timeout ([`Refresh`](crate::Refresh)). The actual last use may be later by that much: about three hours for the
    /// default timeout of two weeks, and 18 seconds for half an hour. A request counts as a use if it uses its session.
    ///
    /// ```
    /// # use level_session::{Clock, Expiry, Keyring, MemoryStore, Sessions, Timestamp};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let clock = Clock::manual(Timestamp::from_millis(1_000));
    /// # let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?).clock(clock.clone()).build()?;
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// # session.set("device", "a phone")?;
    /// # session.commit().await?;
    /// clock.advance(Duration::from_secs(60));
    /// session.touch()?;
    /// session.commit().await?;
    /// clock.advance(Duration::from_secs(5));
    /// let found = sessions.show(&session.handle().unwrap()).await?.unwrap();
    /// assert_eq!(clock.now().since(found.last_seen()).as_secs(), 5);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn last_seen(&self) -> Timestamp {
        self.meta.lease.seen
    }

    /// When the session expires if it is not used before.
    ///
    /// ```
    /// # use level_session::{Clock, Expiry, Keyring, MemoryStore, Sessions, Timestamp};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let clock = Clock::manual(Timestamp::from_millis(1_000));
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .expiry(Expiry::idle(Duration::from_secs(60)))
    ///     # .clock(clock.clone())
    ///     .build()?;
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// # session.set("device", "a phone")?;
    /// # session.commit().await?;
    /// let found = sessions.show(&session.handle().unwrap()).await?.unwrap();
    /// assert_eq!(found.expires_at(), found.last_seen().after(Duration::from_secs(60)));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.deadline
    }

    /// When the session expires regardless of activity, if there is an absolute timeout.
    ///
    /// ```
    /// # use level_session::{Clock, Expiry, Keyring, MemoryStore, Sessions, Timestamp};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let clock = Clock::manual(Timestamp::from_millis(1_000));
    /// let day = Duration::from_secs(24 * 3600);
    /// let expiry = Expiry::idle(Duration::from_secs(3600)).with_absolute(day);
    /// # let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?).clock(clock.clone()).expiry(expiry).build()?;
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// # session.set("device", "a phone")?;
    /// # session.commit().await?;
    /// // .. in sessions with this expiry
    /// let found = sessions.show(&session.handle().unwrap()).await?.unwrap();
    /// assert_eq!(found.absolute_deadline(), Some(found.signed_in_at().after(day)));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn absolute_deadline(&self) -> Option<Timestamp> {
        self.meta.lease.absolute_deadline
    }

    /// The lifetime that was [chosen](crate::UntypedSession::set_lifetime) for this session, if any.
    ///
    /// ```
    /// # use level_session::{Expiry, Lifetime};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// # session.set("device", "a phone")?;
    /// # session.commit().await?;
    /// let chosen = Lifetime::from(Expiry::nist_aal2());
    /// session.set_lifetime(chosen)?;
    /// session.commit().await?;
    /// let found = sessions.show(&session.handle().unwrap()).await?.unwrap();
    /// assert_eq!(found.lifetime(), Some(chosen));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn lifetime(&self) -> Option<Lifetime> {
        self.meta.lease.lifetime
    }

    /// Returns the value of a field that was [requested](super::Listing::with), or `None` if no value is stored.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// # session.set("device", "a phone")?;
    /// # session.commit().await?;
    /// let mut listing = sessions.all().with("device");
    /// for found in listing.next_page().await?.unwrap() {
    ///     assert_eq!(found.get::<String>("device")?.as_deref(), Some("a phone"));
    ///     assert!(found.get::<u64>("device").is_err()); // holds a string
    ///     assert!(found.get::<String>("theme").is_err()); // was not requested
    /// }
    /// # Ok(()) }
    /// ```
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
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("visits", 3)?;
    /// session.commit().await?;
    /// let found = sessions.show(&session.handle().unwrap()).await?.unwrap();
    /// let fields = found.fields();
    /// assert_eq!(fields.len(), 1);
    /// assert_eq!(fields["visits"], 3_u64.into());
    /// # Ok(()) }
    /// ```
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
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// # session.set("device", "a phone")?;
    /// # session.commit().await?;
    /// let found = sessions.show(&session.handle().unwrap()).await?.unwrap();
    /// for (name, bytes) in found.stored() {
    ///     println!("{name}: {} bytes", bytes.len());
    /// }
    /// assert_eq!(found.stored().count(), 1);
    /// # Ok(()) }
    /// ```
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
