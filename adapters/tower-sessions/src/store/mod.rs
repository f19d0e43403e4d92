//! What tower-sessions asks of its store, in terms of ours. Nothing here knows a version of its core.
//!
//! `Session::cycle_id` is two calls: it deletes the record, and the save at the end of the request creates it under
//! another id. To a store the first looks like a sign-out, and between both there is no session. So the record of a
//! session that is loaded has an id of its own, the alias, which tower-sessions shows to nobody and gives back to its
//! store alone: `flush` and `delete` name the session's id, `cycle_id` names the alias. Then the session is parked
//! under a digest that no id has, as a renewal, and `create` renews it from there. Each step is atomic, carries along
//! what other requests have stored before, and does nothing to a session that has ended. What is parked and not called
//! for, since the handler failed, expires.

mod builder;

pub use builder::BridgeStoreBuilder;

use crate::{
    id::SessionId,
    index::Index,
    record::{self, Change, Data, EXPIRY, LOADED, Loaded},
};
use level_session_store::{
    Bytes, Clear, Clock, Commit, Digest, Error, ErrorKind, FieldName, Lifetime, Loaded as Known,
    Outcome, Result, Select, Snapshot, Step, Store, Timeouts, Timestamp, Use, Write,
};
use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};
use time::OffsetDateTime;

/// How many sessions are looked at in one go when expired ones are removed.
const SWEEP: usize = 1000;
/// How long a session may be parked: how long a request may take from `cycle_id` to its end.
const PARKED: Duration = Duration::from_secs(60);

/// A store for tower-sessions, over a store of level-session. Clones are the same store.
///
/// It implements `SessionStore` and `ExpiredDeletion` of the cores whose features are on. What a store removes in the
/// background by itself, such as fjall's, needs no `continuously_delete_expired`.
///
/// A store may hold sessions of tower-sessions and of level-session at once: neither can be used as one of the other.
#[derive(Clone)]
pub struct BridgeStore(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Clock,
    indexes: Vec<Index>,
    /// What makes an id an alias, and an alias an id. A cookie that somebody has chosen is no alias of a session that
    /// they know.
    secret: i128,
    /// What hashes the fields of a record that is loaded.
    hashing: RandomState,
}

/// A session as tower-sessions knows it.
pub(crate) struct Record {
    pub(crate) id: SessionId,
    pub(crate) data: Data,
    pub(crate) expiry: OffsetDateTime,
}

impl BridgeStore {
    /// A store over this one, with the default settings.
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        Self::with(Arc::new(store), Clock::system(), Vec::new())
    }

    /// Settings: by what sessions are found, and the clock.
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

    /// The store below.
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

    /// Reads a session that lives.
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

    /// Writes what has changed of a record since it was loaded. One that was not loaded was cleared: it replaces all.
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
            // Unless a save has made it live longer since.
            Some(loaded) => {
                let id = loaded.id.digest();
                (id, self.life(id).await?.ok_or_else(gone)?.0)
            }
            None => match self.cleared(ids).await? {
                Some(found) => found,
                // To clear what has ended is done already, and nothing comes to life by it.
                None if data.is_empty() => return Ok(()),
                None => return Err(gone()),
            },
        };
        let changes = record::changes(data, loaded.as_ref(), &self.0.hashing)?;
        let mut writes = record::writes(changes, data, self.indexes())?;
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

    /// The session of a record that was cleared, and its last use: the record says no longer whether it was loaded.
    async fn cleared(&self, ids: [SessionId; 2]) -> Result<Option<(Digest, Timestamp)>> {
        for id in ids.map(SessionId::digest) {
            if let Some((seen, _)) = self.life(id).await? {
                return Ok(Some((id, seen)));
            }
        }
        Ok(None)
    }

    /// Makes a session, under this id or, if there is or was one already, under the next that `draw` gives. A record that
    /// was loaded is one of `cycle_id`: its session gets the id.
    pub(crate) async fn create(
        &self,
        id: &mut SessionId,
        data: &mut Data,
        expiry: OffsetDateTime,
        draw: impl Fn() -> SessionId,
    ) -> Result<()> {
        let now = self.now();
        let made = match Loaded::of(data)? {
            Some(loaded) if !loaded.made => {
                self.cycle(id, data, &loaded, expiry, now, draw).await?
            }
            Some(loaded) => {
                // The request has made it, and nobody else had its id yet.
                self.ended_just_now(loaded.id.digest(), now).await?;
                self.make(id, data, expiry, now, draw).await?
            }
            None => self.make(id, data, expiry, now, draw).await?,
        };
        *data = made;
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
    ) -> Result<Data> {
        let mut writes = record::writes(
            record::changes(data, None, &self.0.hashing)?,
            data,
            self.indexes(),
        )?;
        writes.push(record::expiry_field(expiry)?);
        let step = Step::create(now, lifetime(expiry, now).lease(now, now));
        loop {
            let commit = Commit::new(id.digest(), now, step).with_writes(&writes);
            match self.0.store.commit(commit).await? {
                Outcome::Exists => *id = draw(),
                outcome => {
                    done(outcome)?;
                    return Ok(data.clone());
                }
            }
        }
    }

    /// Gives a parked session its new id, with what the request has changed.
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
        // Nobody else knows where it is parked, so this is what it holds until the commit.
        let held = fields.into_all().ok_or_else(broken)?;
        let changes = record::changes(data, Some(loaded), &self.0.hashing)?;
        let merged = merge(data, &changes, &held)?;
        let mut writes = record::writes(changes, data, self.indexes())?;
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

    /// Ends a session, or parks it if this is its alias. It is no error if there is none.
    pub(crate) async fn delete(&self, id: SessionId) -> Result<()> {
        let digest = id.digest();
        loop {
            let now = self.now();
            match self.0.store.load(digest, Select::Nothing, now).await? {
                // Otherwise another request has ended or cycled it just now.
                Known::Live(_) if !self.end_by(digest).await? => continue,
                // Whoever signs out while another request cycles the session means that session as well.
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

    /// Ends what lives under this digest; `false` if nothing does.
    pub(crate) async fn end_by(&self, id: Digest) -> Result<bool> {
        let now = self.now();
        let commit = Commit::new(id, now, Step::Destroy).with_ended_at(mark(now, false));
        match self.0.store.commit(commit).await? {
            Outcome::Gone => Ok(false),
            outcome => done(outcome).map(|()| true),
        }
    }

    /// Takes a session from its id, until it gets another one.
    async fn park(&self, id: Digest, now: Timestamp) -> Result<()> {
        let timeouts = Timeouts::new(PARKED);
        let mut lease = timeouts.lease(now, now);
        // As a lifetime of its own: timeouts of a deployment would hold for the last use as well.
        lease.lifetime = Some(Lifetime::new(timeouts));
        // What has no expiry is found by nobody.
        let writes = [Write::remove(EXPIRY)];
        let commit = Commit::new(id, now, Step::renew(self.parked(id), lease, None))
            .with_ended_at(mark(now, true))
            .with_writes(&writes);
        match self.0.store.commit(commit).await? {
            Outcome::Gone => Ok(()),
            outcome => done(outcome),
        }
    }

    /// Where a session is parked: under a digest of the same home that is none of an id.
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

    /// Refuses a session that did not end a moment ago.
    async fn ended_just_now(&self, id: Digest, now: Timestamp) -> Result<()> {
        match self.0.store.load(id, Select::Nothing, now).await? {
            Known::Ended(at) if now.since(at) < PARKED => Ok(()),
            _ => Err(gone()),
        }
    }

    /// Removes what has expired.
    pub(crate) async fn delete_expired(&self) -> Result<()> {
        while self.0.store.sweep(self.now(), SWEEP).await?.more {}
        Ok(())
    }

    /// The last use of a session that lives, and when it expires.
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

/// The record of a session that lives on under another id: what it held, under what the request has changed.
fn merge(
    data: &Data,
    changes: &BTreeMap<FieldName, Change>,
    held: &[(FieldName, Bytes)],
) -> Result<Data> {
    let mut merged = record::data(held)?;
    for (name, change) in changes {
        match (change, data.get(&**name)) {
            (Change::Set(_), Some(value)) => drop(merged.insert(name.to_string(), value.clone())),
            _ => drop(merged.remove(&**name)),
        }
    }
    Ok(merged)
}

fn secret() -> i128 {
    // Two states whose keys the system has drawn.
    let half = || i128::from(RandomState::new().hash_one(0));
    half() << 64 | half()
}

/// The mark of an end: its last bit says what kind of end it was.
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

/// How long after a use the store may forget the session. A store takes timeouts to hold for the last use as well, and
/// would refuse a commit that they had ended: where tower-sessions shortens a session's life the store keeps it a
/// little longer, and the field with its expiry decides.
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
        "the session ended while this request was at work (deleted, cycled or expired): nothing of it is stored",
    )
}

fn cycled() -> Error {
    Error::new(
        ErrorKind::Store,
        "the session was given another id a moment ago, by another request: it has not ended; try again",
    )
}

fn foreign() -> Error {
    Error::new(
        ErrorKind::Encode,
        format!(
            "the record's key `{LOADED}` is that of another session: records cannot be put under another id"
        ),
    )
}

fn broken() -> Error {
    Error::new(
        ErrorKind::Store,
        "the store gave an answer that does not fit the question",
    )
}

impl fmt::Debug for BridgeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BridgeStore")
            .field("indexes", &self.0.indexes)
            .finish_non_exhaustive()
    }
}
