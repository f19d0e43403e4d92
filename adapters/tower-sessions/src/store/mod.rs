//! Implements the operations of tower-sessions' store with a store of ours, independent of the core's version.
//!
//! `Session::cycle_id` consists of two calls: it deletes the record, and the save at the end of the request creates it
//! under another id. To a store, the first call looks like a sign-out, and there is no session between the two.
//! Therefore, the record of a loaded session has a separate id, the alias, which tower-sessions passes only to its
//! store: `flush` and `delete` pass the session's id, `cycle_id` passes the alias. A delete by the alias parks the
//! session: it renews the session to a digest that belongs to no id. `create` then renews the parked session to its new
//! id. Each step is atomic, includes the changes that other requests stored before, and has no effect on a session that
//! has ended. If the handler fails, the parked session is never used, and expires.

mod builder;

pub use builder::BridgeStoreBuilder;

use crate::{
    id::SessionId,
    index::Index,
    record::{self, Data, EXPIRY, LOADED, Loaded},
};
use level_session_store::{
    Bytes, Clear, Clock, Commit, Digest, Error, ErrorKind, FieldName, Lifetime, Loaded as Known,
    Op, Outcome, Result, Select, Snapshot, Step, Store, Timeouts, Timestamp, Use, Write,
};
use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};
use time::OffsetDateTime;

/// How many sessions one sweep examines.
const SWEEP: usize = 1000;
/// How long a session may be parked, which is the maximum time from `cycle_id` to the end of a request.
const PARKED: Duration = Duration::from_secs(60);

/// A store for tower-sessions, based on a store of level-session. Clones refer to the same store.
///
/// It implements `SessionStore` and `ExpiredDeletion` of the cores whose features are enabled. Stores that remove expired
/// sessions in the background, such as fjall's, do not need `continuously_delete_expired`.
///
/// A store can contain sessions of tower-sessions and of level-session at the same time: neither can be used as the other.
#[derive(Clone)]
pub struct BridgeStore(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Clock,
    indexes: Vec<Index>,
    /// The key that converts between ids and aliases. It is secret so that no client can compute the alias of a session and
    /// send it as a cookie.
    secret: i128,
    /// Hashes the fields of loaded records.
    hashing: RandomState,
}

/// A session in the form of tower-sessions.
pub(crate) struct Record {
    pub(crate) id: SessionId,
    pub(crate) data: Data,
    pub(crate) expiry: OffsetDateTime,
}

impl BridgeStore {
    /// Creates a store that uses this one, with default settings.
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        Self::with(Arc::new(store), Clock::system(), Vec::new())
    }

    /// Creates a builder for a store with indexes or another clock.
    pub fn builder(store: impl Store) -> BridgeStoreBuilder {
        BridgeStoreBuilder::new(Arc::new(store))
    }

    pub(crate) fn with(store: Arc<dyn Store>, clock: Clock, indexes: Vec<Index>) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            indexes,
            secret: secret(),
            hashing: RandomState::new(),
        }))
    }

    /// The underlying store.
    #[must_use]
    pub fn inner(&self) -> &dyn Store {
        &*self.0.store
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn indexes(&self) -> &[Index] {
        &self.0.indexes
    }

    fn alias(&self, id: SessionId) -> SessionId {
        SessionId(id.0 ^ self.0.secret)
    }

    /// Reads a session, if it is live.
    pub(crate) async fn load(&self, id: SessionId) -> Result<Option<Record>> {
        let now = self.now();
        let found = self.0.store.load(id.digest(), Select::All, now).await?;
        let Known::Live(found) = found else {
            return Ok(None);
        };
        let seen = found.meta.lease.seen;
        let fields = found.fields.into_all().ok_or_else(broken)?;
        let mark = fields.iter().find(|(name, _)| *name == EXPIRY);
        let Some(expiry) = record::live_until(mark.map(|(_, bytes)| bytes), now)? else {
            return Ok(None);
        };
        let mut data = record::data(&fields)?;
        record::note_loaded(&mut data, id, seen, expiry, false, &self.0.hashing);
        let id = self.alias(id);
        Ok(Some(Record { id, data, expiry }))
    }

    /// Writes the changes of a record since it was loaded. A record without loaded state was cleared, and replaces all fields.
    pub(crate) async fn save(
        &self,
        id: SessionId,
        data: &Data,
        expiry: OffsetDateTime,
    ) -> Result<()> {
        let now = self.now();
        let ids = [id, self.alias(id)];
        let loaded = Loaded::of(data)?;
        let (id, seen) = match &loaded {
            Some(loaded) if !ids.contains(&loaded.id) => return Err(foreign()),
            Some(loaded) if now < loaded.expires => (loaded.id.digest(), loaded.seen),
            // Expired, unless a save has extended the session in the meantime.
            Some(loaded) => {
                let id = loaded.id.digest();
                (id, self.life(id).await?.ok_or_else(gone)?.0)
            }
            None => match self.cleared(ids).await? {
                Some(found) => found,
                // Clearing a session that has ended has no effect, and must not revive it.
                None if data.is_empty() => return Ok(()),
                None => return Err(gone()),
            },
        };
        let mut writes = self.changes(data, loaded.as_ref())?;
        writes.push(record::expiry_field(expiry)?);
        let usage = Use::new(Timeouts::new(idle(expiry, seen, now)), Duration::ZERO);
        let commit = Commit::new(id, now, Step::keep(Some(usage.with_forced(true))))
            .with_clear(match loaded {
                Some(_) => Clear::Nothing,
                None => Clear::Fields,
            })
            .with_writes(&writes);
        done(self.0.store.commit(commit).await?)
    }

    /// The changes of a record since it was loaded, or all keys if it was not loaded.
    fn changes(&self, data: &Data, loaded: Option<&Loaded<'_>>) -> Result<Vec<Write>> {
        record::changes(data, loaded, &self.0.hashing, self.indexes())
    }

    /// The session of a cleared record, and its last use. The record no longer shows whether it was loaded, so both ids are
    /// tried.
    async fn cleared(&self, ids: [SessionId; 2]) -> Result<Option<(Digest, Timestamp)>> {
        for id in ids.map(SessionId::digest) {
            if let Some((seen, _)) = self.life(id).await? {
                return Ok(Some((id, seen)));
            }
        }
        Ok(None)
    }

    /// Creates a session under this id or, if the id is or was in use, under the next one that `draw` returns. A loaded record
    /// comes from `cycle_id`: its session gets the id.
    pub(crate) async fn create(
        &self,
        id: &mut SessionId,
        data: &mut Data,
        expiry: OffsetDateTime,
        draw: impl Fn() -> SessionId,
    ) -> Result<()> {
        let now = self.now();
        match Loaded::of(data)? {
            Some(loaded) if !loaded.made => {
                *data = self.cycle(id, data, &loaded, expiry, now, draw).await?;
            }
            Some(loaded) => {
                // This request created the session, so no other request knows its id yet.
                self.ended_just_now(loaded.id.digest(), now).await?;
                self.make(id, data, expiry, now, draw).await?;
            }
            None => self.make(id, data, expiry, now, draw).await?,
        }
        record::note_loaded(data, *id, now, expiry, true, &self.0.hashing);
        Ok(())
    }

    async fn make(
        &self,
        id: &mut SessionId,
        data: &Data,
        expiry: OffsetDateTime,
        now: Timestamp,
        draw: impl Fn() -> SessionId,
    ) -> Result<()> {
        let mut writes = self.changes(data, None)?;
        writes.push(record::expiry_field(expiry)?);
        let step = Step::create(now, lifetime(expiry, now).lease(now, now));
        loop {
            let commit = Commit::new(id.digest(), now, step).with_writes(&writes);
            match self.0.store.commit(commit).await? {
                Outcome::Exists => *id = draw(),
                outcome => return done(outcome),
            }
        }
    }

    /// Gives a parked session its new id, and applies the changes of the request.
    async fn cycle(
        &self,
        id: &mut SessionId,
        data: &Data,
        loaded: &Loaded<'_>,
        expiry: OffsetDateTime,
        now: Timestamp,
        draw: impl Fn() -> SessionId,
    ) -> Result<Data> {
        let parked = self.parked(loaded.id.digest());
        let found = self.0.store.load(parked, Select::All, now).await?;
        let Known::Live(Snapshot { fields, .. }) = found else {
            return Err(gone());
        };
        // No other request uses the parked session, so its content does not change before the commit.
        let held = fields.into_all().ok_or_else(broken)?;
        let mut writes = self.changes(data, Some(loaded))?;
        let merged = merge(data, &writes, &held)?;
        writes.push(record::expiry_field(expiry)?);
        let home = self.0.store.home(parked);
        loop {
            while self.0.store.home(id.digest()) != home {
                *id = draw();
            }
            let lease = lifetime(expiry, now).lease(now, now);
            let commit = Commit::new(parked, now, Step::renew(id.digest(), lease, None))
                .with_writes(&writes);
            match self.0.store.commit(commit).await? {
                Outcome::Exists => *id = draw(),
                outcome => {
                    done(outcome)?;
                    return Ok(merged);
                }
            }
        }
    }

    /// Ends a session, or parks it if `id` is its alias. Not an error if there is no session.
    pub(crate) async fn delete(&self, id: SessionId) -> Result<()> {
        let digest = id.digest();
        loop {
            let now = self.now();
            match self.0.store.load(digest, Select::Nothing, now).await? {
                // If `end_by` fails, another request has just ended or cycled the session.
                Known::Live(_) if !self.end_by(digest).await? => continue,
                // If another request has just cycled the session, a sign-out applies to the parked session as well.
                Known::Ended(at)
                    if was_cycled(at)
                        && !self.end_by(self.parked(digest)).await?
                        && now.since(at) < PARKED =>
                {
                    return Err(cycled());
                }
                Known::Missing => self.park(self.alias(id).digest(), now).await?,
                _ => {}
            }
            return Ok(());
        }
    }

    /// Ends the live session under this digest. Returns `false` if there is none.
    pub(crate) async fn end_by(&self, id: Digest) -> Result<bool> {
        let now = self.now();
        let commit = Commit::new(id, now, Step::Destroy).with_ended_at(mark(now, false));
        match self.0.store.commit(commit).await? {
            Outcome::Gone => Ok(false),
            outcome => done(outcome).map(|()| true),
        }
    }

    /// Parks a session until it gets a new id.
    async fn park(&self, id: Digest, now: Timestamp) -> Result<()> {
        let timeouts = Timeouts::new(PARKED);
        let mut lease = timeouts.lease(now, now);
        // Stored as the session's own lifetime, since a deployment's timeouts would also apply to the last use.
        lease.lifetime = Some(Lifetime::new(timeouts));
        // tower-sessions does not find a session without the field with the expiry.
        let writes = [Write::remove(EXPIRY)];
        let commit = Commit::new(id, now, Step::renew(self.parked(id), lease, None))
            .with_ended_at(mark(now, true))
            .with_writes(&writes);
        match self.0.store.commit(commit).await? {
            Outcome::Gone => Ok(()),
            outcome => done(outcome),
        }
    }

    /// The digest under which a session is parked: it has the same home and is not the digest of any id.
    fn parked(&self, id: Digest) -> Digest {
        let home = self.0.store.home(id);
        let mut bytes = id.as_bytes().to_vec();
        (0_u32..)
            .map(|count| {
                bytes.truncate(32);
                bytes.extend_from_slice(&count.to_le_bytes());
                Digest::of("level-session/tower-sessions/parked/1", &bytes)
            })
            .find(|parked| self.0.store.home(*parked) == home)
            .unwrap_or(id)
    }

    /// Fails unless the session ended a moment ago.
    async fn ended_just_now(&self, id: Digest, now: Timestamp) -> Result<()> {
        match self.0.store.load(id, Select::Nothing, now).await? {
            Known::Ended(at) if now.since(at) < PARKED => Ok(()),
            _ => Err(gone()),
        }
    }

    /// Removes expired sessions.
    pub(crate) async fn delete_expired(&self) -> Result<()> {
        while self.0.store.sweep(self.now(), SWEEP).await?.more {}
        Ok(())
    }

    /// Returns the last use of a live session, and when it expires.
    pub(crate) async fn life(&self, id: Digest) -> Result<Option<(Timestamp, OffsetDateTime)>> {
        let now = self.now();
        let names = [&*EXPIRY];
        let found = self.0.store.load(id, Select::Names(&names), now).await?;
        let Known::Live(found) = found else {
            return Ok(None);
        };
        let values = found.fields.values(&names).ok_or_else(broken)?;
        let expiry = record::live_until(values.into_iter().next().flatten().as_ref(), now)?;
        Ok(expiry.map(|expiry| (found.meta.lease.seen, expiry)))
    }
}

/// The record of a session that continues under another id: its content, overlaid with the changes of the request.
fn merge(data: &Data, changes: &[Write], held: &[(FieldName, Bytes)]) -> Result<Data> {
    let mut merged = record::data(held)?;
    for Write { field, op, .. } in changes {
        match (op, data.get(&**field)) {
            (Op::Set(_), Some(value)) => drop(merged.insert((**field).to_owned(), value.clone())),
            _ => drop(merged.remove(&**field)),
        }
    }
    Ok(merged)
}

fn secret() -> i128 {
    // The keys of both states are seeded by the system's random generator.
    let half = || i128::from(RandomState::new().hash_one(0));
    half() << 64 | half()
}

/// The time of an end. Its lowest bit encodes whether the session was cycled.
fn mark(now: Timestamp, cycled: bool) -> Timestamp {
    match was_cycled(now) == cycled {
        true => now,
        false => now.after(Duration::from_millis(1)),
    }
}

fn was_cycled(at: Timestamp) -> bool {
    at.as_millis() % 2 == 1
}

fn lifetime(expiry: OffsetDateTime, now: Timestamp) -> Timeouts {
    Timeouts::new(record::millis(expiry).since(now))
}

/// The idle timeout for the store. A store also applies a commit's timeouts to the last use, and would reject the
/// commit if the session has outlived them. So if tower-sessions shortens a session's life, the store keeps the session
/// slightly longer, and the field with the expiry determines when it ends.
fn idle(expiry: OffsetDateTime, seen: Timestamp, now: Timestamp) -> Duration {
    let longer_than_idle = now.since(seen) + Duration::from_millis(1);
    record::millis(expiry).since(now).max(longer_than_idle)
}

fn done(outcome: Outcome) -> Result<()> {
    match outcome {
        Outcome::Done(_) => Ok(()),
        Outcome::Gone => Err(gone()),
        _ => Err(broken()),
    }
}

fn gone() -> Error {
    Error::new(
        ErrorKind::Store,
        "the session ended while the request was being handled (deleted, cycled or expired); no changes were stored",
    )
}

fn cycled() -> Error {
    Error::new(
        ErrorKind::Store,
        "the session was not ended: another request has just given it a new id; try again",
    )
}

fn foreign() -> Error {
    Error::new(
        ErrorKind::Encode,
        format!(
            "the record's key `{LOADED}` belongs to another session; a record cannot be saved under another id"
        ),
    )
}

fn broken() -> Error {
    Error::new(
        ErrorKind::Store,
        "the store returned an unexpected result; this is a bug in the store",
    )
}

impl fmt::Debug for BridgeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BridgeStore")
            .field("indexes", &self.0.indexes)
            .finish_non_exhaustive()
    }
}
