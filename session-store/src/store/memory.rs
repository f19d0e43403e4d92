//! Sessions in the memory of the process.

use super::{
    Abilities, Clear, Commit, Cursor, Done, Fields, Found, Limit, Loaded, Outcome, Page, Select,
    Snapshot, Step, Store, StoreFuture, Swept, Watch, WatchList,
    local::{ByDigest, Field, Table},
    rules::{self, Life},
};
use crate::{
    bytes::Bytes,
    clock::Timestamp,
    digest::{Digest, Home},
    error::Result,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

const SHARDS: usize = 64;

/// Keeps sessions in memory: for tests and small experiments.
///
/// Sessions are lost when the process exits, are not shared with other processes, and use memory without a limit:
/// expired sessions are removed only when the application calls [`sweep`](Store::sweep), and [`find`](Store::find)
/// scans every session.
///
/// ```
/// use level_session_store::{MemoryStore, Store};
///
/// let store = MemoryStore::new();
/// # let _: &dyn Store = &store;
/// ```
pub struct MemoryStore {
    /// Indexed by the first bits of the digest, so that the shards are in the order of the digests.
    shards: Box<[Mutex<Shard>]>,
    closed: AtomicBool,
    expired: WatchList,
    ended: WatchList,
}

type Shard = HashMap<Digest, Record, ByDigest>;

/// Boxed, so that a growing shard moves little data.
enum Record {
    Live(Box<Session>),
    Moved(Box<Moved>),
    Ended(Timestamp),
}

/// The id was renewed at this time. It works until `works_until` unless the session's own record has ended it: see
/// [`Life::former`].
struct Moved {
    to: Digest,
    at: Timestamp,
    until: Timestamp,
}

struct Session {
    life: Life,
    /// All fields, with their values.
    fields: Table,
}

impl MemoryStore {
    /// An empty store.
    ///
    /// ```
    /// use level_session_store::MemoryStore;
    ///
    /// let store = MemoryStore::new();
    /// # let _ = store;
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            closed: AtomicBool::new(false),
            expired: WatchList::default(),
            ended: WatchList::default(),
        }
    }

    fn read(&self, id: Digest, select: Select<'_>, now: Timestamp) -> Result<Loaded> {
        let (to, at) = {
            let shard = self.shard(id)?;
            match shard.get(&id) {
                None => return Ok(Loaded::Missing),
                Some(Record::Ended(at)) => return Ok(Loaded::Ended(*at)),
                Some(Record::Live(session)) if session.life.is_live(now) => {
                    return Ok(Loaded::Live(session.snapshot(select, now, false)));
                }
                Some(Record::Live(_)) => return Ok(Loaded::Missing),
                Some(Record::Moved(moved)) => (moved.to, moved.at),
            }
        };
        Ok(match self.shard(to)?.get(&to) {
            Some(Record::Live(session)) if session.life.works_by(id, now) => {
                Loaded::Live(session.snapshot(select, now, true))
            }
            Some(Record::Ended(end)) => Loaded::Ended(at.max(*end)),
            Some(Record::Moved(moved)) => Loaded::Ended(at.max(moved.at)),
            _ => Loaded::Ended(at),
        })
    }

    fn write(&self, commit: &Commit<'_>) -> Result<Outcome> {
        let (mut shards, current) = self.lock_for(commit)?;
        let session = match shards.session(commit, current) {
            Ok(session) => session,
            Err(Refused::Gone) => return Ok(Outcome::Gone),
            Err(Refused::Exists) => return Ok(Outcome::Exists),
        };
        let stored = |name: &str| Ok(session.and_then(|session| session.value(name)));
        if let Some(found) = rules::conflict(commit, stored)? {
            return Ok(Outcome::Conflict(found));
        }
        let mut over = Vec::new();
        for (at, limit) in commit.limits.iter().enumerate() {
            match shards.over(limit, current, commit.now) {
                Some(oldest) => over.extend(oldest),
                None => return Ok(Outcome::Full(at)),
            }
        }
        let (len, kept) = session.map_or((0, 0), |session| session.count(commit.clear));
        let has = |name: &str| session.is_some_and(|session| session.fields.get(name).is_some());
        if let Some(fields) = rules::too_many(commit, len, kept, has) {
            return Ok(Outcome::TooMany(fields));
        }
        let values = rules::values(commit, stored)?;
        over.sort_unstable();
        over.dedup();
        for id in &over {
            shards
                .of(*id)
                .insert(*id, Record::Ended(commit.others_ended_at));
        }
        let done = shards.apply(commit, current, values).with_ended(over);
        drop(shards);
        if matches!(commit.step, Step::Destroy | Step::Renew { .. }) {
            self.ended.tell(current);
        }
        done.ended.iter().for_each(|id| self.ended.tell(*id));
        Ok(Outcome::Done(done))
    }

    /// Locks the shards of the commit, and returns the current id of its session.
    fn lock_for(&self, commit: &Commit<'_>) -> Result<(Locked<'_>, Digest)> {
        if !commit.limits.is_empty() {
            let shards = Locked::All(self.shards.iter().map(lock).collect());
            self.check_open()?;
            let current = shards.current(commit.id);
            return Ok((shards, current));
        }
        if let Step::Renew { to, .. } = commit.step {
            return Ok((self.pair(commit.id, to)?, commit.id));
        }
        let shard = Locked::One(self.shard(commit.id)?);
        let current = shard.current(commit.id);
        match current == commit.id {
            true => Ok((shard, current)),
            false => {
                drop(shard);
                // The record of a former id does not change until it is swept: the session's own record determines
                // whether the id works.
                Ok((Locked::One(self.shard(current)?), current))
            }
        }
    }

    fn remove_dead(&self, now: Timestamp, limit: usize) -> Swept {
        let mut removed = 0;
        let mut expired = Vec::new();
        for shard in &self.shards {
            lock(shard).retain(|id, record| {
                if removed == limit || !record.is_dead(now) {
                    return true;
                }
                removed += 1;
                expired.extend(matches!(record, Record::Live(_)).then_some(*id));
                false
            });
        }
        let swept = Swept::new(expired.len(), limit > 0 && removed == limit);
        expired.into_iter().for_each(|id| self.expired.tell(id));
        swept
    }

    /// Applies `pick` to the records of a page, in the order of their digests. A cursor is the last digest that was
    /// examined.
    fn list<T>(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        pick: impl Fn(&Digest, &Record) -> Option<T>,
    ) -> Result<Page<T>> {
        let after = match after.map(|cursor| <[u8; 32]>::try_from(cursor.as_bytes())) {
            None => None,
            Some(Ok(bytes)) => Some(Digest::from_bytes(bytes)),
            Some(Err(_)) => return Err(rules::foreign_cursor()),
        };
        let limit = limit.max(1);
        let mut found = Vec::new();
        for shard in &self.shards[after.map_or(0, place)..] {
            let from = found.len();
            let shard = lock(shard);
            let later = shard
                .iter()
                .filter(|(id, _)| after.is_none_or(|after| **id > after));
            found.extend(later.filter_map(|(id, record)| Some((*id, pick(id, record)?))));
            drop(shard);
            found[from..].sort_unstable_by_key(|(id, _)| *id);
            if found.len() > limit {
                found.truncate(limit);
                let next = found.last().map(|(id, _)| Cursor::new(*id.as_bytes()));
                self.check_open()?;
                return Ok(Page::new(
                    found.into_iter().map(|(_, it)| it).collect(),
                    next,
                ));
            }
        }
        self.check_open()?;
        Ok(Page::new(
            found.into_iter().map(|(_, it)| it).collect(),
            None,
        ))
    }

    fn check_open(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(rules::closed()),
            false => Ok(()),
        }
    }

    /// Checks under the lock that the store is open: a shard that [`close`](Store::close) emptied must not be mistaken
    /// for one without sessions.
    fn shard(&self, id: Digest) -> Result<MutexGuard<'_, Shard>> {
        let shard = lock(&self.shards[place(id)]);
        self.check_open().map(|()| shard)
    }

    /// Locks two shards in the order of their indexes, so that two renewals cannot deadlock.
    fn pair(&self, first: Digest, second: Digest) -> Result<Locked<'_>> {
        let (a, b) = (place(first), place(second));
        let low = lock(&self.shards[a.min(b)]);
        let high = (a != b).then(|| lock(&self.shards[a.max(b)]));
        self.check_open()?;
        Ok(match high {
            Some(high) => Locked::Two(a.min(b), low, high),
            None => Locked::One(low),
        })
    }
}

impl Store for MemoryStore {
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        StoreFuture::ready(self.read(id, select, now))
    }

    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        StoreFuture::ready(self.write(&commit))
    }

    fn home(&self, _: Digest) -> Home {
        Home::ONLY
    }

    fn find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Found>> {
        StoreFuture::ready(self.list(after, limit, |id, record| match record {
            Record::Live(session) if session.is_found_by(field, entry, now) => {
                Some(Found::new(*id, session.life.meta(now)))
            }
            _ => None,
        }))
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        StoreFuture::ready(self.list(after, limit, |id, record| match record {
            Record::Live(session) if session.life.is_live(now) => Some(*id),
            _ => None,
        }))
    }

    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        StoreFuture::ready(self.check_open().map(|()| self.remove_dead(now, limit)))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.closed.store(true, Ordering::Release);
        self.ended.tell_closed();
        for shard in &self.shards {
            lock(shard).clear();
        }
        StoreFuture::ready(Ok(()))
    }

    fn abilities(&self) -> Abilities {
        Abilities::all()
    }

    fn watch_expired(&self, watch: Weak<Watch>) {
        self.expired.add(watch);
    }

    fn watch_ended(&self, watch: Weak<Watch>) {
        self.ended.add(watch);
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: usize = self.shards.iter().map(|shard| lock(shard).len()).sum();
        f.debug_struct("MemoryStore")
            .field("known", &known)
            .finish()
    }
}

impl Record {
    fn is_dead(&self, now: Timestamp) -> bool {
        match self {
            Self::Live(session) => !session.life.is_live(now),
            Self::Moved(moved) => rules::remembered_until(moved.until) <= now,
            Self::Ended(at) => rules::remembered_until(*at) <= now,
        }
    }
}

impl Session {
    fn snapshot(&self, select: Select<'_>, now: Timestamp, by_former_id: bool) -> Snapshot {
        let all = self.fields.fields();
        let fields = match select {
            // A former id may stop working without any change of the session's fields.
            Select::Names(_) if !by_former_id => self.fields.view().into(),
            _ => Fields::pick(
                select,
                |name| self.value(name),
                all.filter_map(|field| Some((field.name.clone(), field.value()?.clone()))),
            ),
        };
        Snapshot::new(self.life.meta(now), fields).with_by_former_id(by_former_id)
    }

    fn value(&self, name: &str) -> Option<Bytes> {
        self.fields.get(name)?.value().cloned()
    }

    /// The number of fields, and how many of them a clear leaves.
    fn count(&self, clear: Clear) -> (usize, usize) {
        let len = self.fields.len();
        let stays = |field: &&Field| !clear.removes(&field.name);
        match clear {
            Clear::Nothing => (len, len),
            _ => (len, self.fields.fields().filter(stays).count()),
        }
    }

    fn is_found_by(&self, field: &str, entry: &[u8], now: Timestamp) -> bool {
        let index = || self.fields.get(field)?.index.as_deref();
        self.life.is_live(now) && index() == Some(entry)
    }

    /// The initial fields of a new session.
    fn fields_of(commit: &Commit<'_>, values: Vec<Option<Bytes>>) -> Table {
        let values = commit.writes.iter().zip(values);
        Table::of(values.filter_map(|(write, bytes)| {
            let index = rules::index_after(write, || None);
            Some(Field::new(write.field.clone(), index, Some(bytes?)))
        }))
    }

    fn apply(&mut self, commit: &Commit<'_>, values: Vec<Option<Bytes>>) {
        if commit.clear != Clear::Nothing {
            self.fields
                .retain(|field| !commit.clear.removes(&field.name));
        }
        for (write, bytes) in commit.writes.iter().zip(values) {
            let Some(bytes) = bytes else {
                self.fields.remove(&write.field);
                continue;
            };
            let index = rules::index_after(write, || self.fields.get(&write.field)?.index.clone());
            self.fields.set(&write.field, index, bytes);
        }
    }
}

/// Why a commit cannot be applied to its session.
enum Refused {
    Gone,
    Exists,
}

/// The locked shards of a commit.
enum Locked<'s> {
    One(MutexGuard<'s, Shard>),
    /// With the index of the first one.
    Two(usize, MutexGuard<'s, Shard>, MutexGuard<'s, Shard>),
    All(Vec<MutexGuard<'s, Shard>>),
}

impl Locked<'_> {
    fn of(&mut self, id: Digest) -> &mut Shard {
        match self {
            Self::One(shard) => shard,
            Self::Two(low, shard, _) if place(id) == *low => shard,
            Self::Two(_, _, shard) => shard,
            Self::All(shards) => &mut shards[place(id)],
        }
    }

    fn get(&self, id: Digest) -> Option<&Record> {
        match self {
            Self::One(shard) => shard,
            Self::Two(low, shard, _) if place(id) == *low => shard,
            Self::Two(_, _, shard) => shard,
            Self::All(shards) => &shards[place(id)],
        }
        .get(&id)
    }

    /// The current id of a session.
    fn current(&self, id: Digest) -> Digest {
        match self.get(id) {
            Some(Record::Moved(moved)) => moved.to,
            _ => id,
        }
    }

    /// The session that the commit changes, `None` if it creates one, or the reason why it cannot be applied.
    fn session(&self, commit: &Commit<'_>, current: Digest) -> Result<Option<&Session>, Refused> {
        let by_current_id = current == commit.id;
        let session = match (commit.step, self.get(current)) {
            (Step::Create { .. }, None) if by_current_id => None,
            (Step::Create { .. }, _) => return Err(Refused::Exists),
            (Step::Renew { .. }, _) if !by_current_id => return Err(Refused::Gone),
            (_, Some(Record::Live(session)))
                if (by_current_id || session.life.works_by(commit.id, commit.now))
                    && session.life.is_live_for(commit) =>
            {
                Some(&**session)
            }
            _ => return Err(Refused::Gone),
        };
        if let Step::Renew { to, .. } = commit.step
            && self.get(to).is_some()
        {
            return Err(Refused::Exists);
        }
        Ok(session)
    }

    /// The sessions that have to end to satisfy a limit; `None` if the limit refuses the commit.
    fn over(&self, limit: &Limit, current: Digest, now: Timestamp) -> Option<Vec<Digest>> {
        let Self::All(shards) = self else {
            unreachable!("all shards are locked if there is a limit");
        };
        let known = shards.iter().flat_map(|shard| shard.iter());
        let with_entry = known.filter_map(|(id, record)| match record {
            Record::Live(session) if session.is_found_by(&limit.field, &limit.entry, now) => {
                Some((session.life.lease.started, *id))
            }
            _ => None,
        });
        rules::over(limit, current, with_entry)
    }

    /// Applies a commit that was checked before.
    fn apply(&mut self, commit: &Commit<'_>, current: Digest, values: Vec<Option<Bytes>>) -> Done {
        match commit.step {
            Step::Create { created, lease } => {
                let life = Life {
                    created,
                    lease,
                    former: None,
                };
                let fields = Session::fields_of(commit, values);
                let session = Box::new(Session { life, fields });
                self.of(current).insert(current, Record::Live(session));
                Done::new(Some(life.meta(commit.now)))
            }
            Step::Keep { usage } => {
                let session = self.live(current);
                let by_current_id = current == commit.id;
                session.life.keep(usage.as_ref(), commit.now, by_current_id);
                session.apply(commit, values);
                Done::new(Some(session.life.meta(commit.now))).with_by_former_id(!by_current_id)
            }
            Step::Destroy => {
                let mark = Record::Ended(commit.ended_at);
                self.of(current).insert(current, mark);
                Done::new(None).with_by_former_id(current != commit.id)
            }
            Step::Renew {
                to,
                lease,
                former_works_until,
            } => {
                let Some(Record::Live(mut session)) = self.of(current).remove(&current) else {
                    unreachable!("the session was found under the same lock");
                };
                session.apply(commit, values);
                session.fields.outdate_views();
                let until = session
                    .life
                    .renew(current, lease, former_works_until, commit.now);
                let left = match until {
                    None => Record::Ended(commit.ended_at),
                    Some(until) => Record::Moved(Box::new(Moved {
                        to,
                        at: commit.ended_at,
                        until,
                    })),
                };
                let meta = session.life.meta(commit.now);
                self.of(current).insert(current, left);
                self.of(to).insert(to, Record::Live(session));
                Done::new(Some(meta))
            }
        }
    }

    fn live(&mut self, id: Digest) -> &mut Session {
        match self.of(id).get_mut(&id) {
            Some(Record::Live(session)) => session,
            _ => unreachable!("the session was found under the same lock"),
        }
    }
}

fn place(id: Digest) -> usize {
    usize::from(id.as_bytes()[0]) * SHARDS / 256
}

/// No user code runs under the lock, and every change is calculated before it is applied: the data of a poisoned shard
/// is consistent.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
