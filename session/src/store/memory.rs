//! Sessions in the memory of this process.

use super::{
    Bytes, Commit, Digest, Fields, Loaded, Meta, Outcome, Select, Snapshot, Step, Store,
    StoreFuture, Swept,
    by_digest::ByDigest,
    rules::{self, Life, Verdict},
    table::{Field, Table},
    watch::{ExpiredWatch, Watchers},
};
use crate::{clock::Timestamp, error::Result};
use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

const SHARDS: usize = 64;

/// Keeps sessions in memory: for tests and toys.
///
/// Nothing survives the process, nothing is shared with another one, and nothing limits the memory: what has expired
/// is removed when somebody calls [`sweep`](Store::sweep), and [`find`](Store::find) looks at every session.
///
/// ```
/// use level_session::store::{MemoryStore, Store};
///
/// let store = MemoryStore::new();
/// # let _: &dyn Store = &store;
/// ```
pub struct MemoryStore {
    /// By the first bits of the digest, so that the shards' order is that of the digests.
    shards: Box<[Mutex<Shard>]>,
    closed: AtomicBool,
    watchers: Watchers,
}

type Shard = HashMap<Digest, Record, ByDigest>;

/// Boxed, so that a shard that grows has little to move.
enum Record {
    Live(Box<Session>),
    Moved(Box<Moved>),
    Ended(Timestamp),
}

/// Renewed to another id at this time. Works until then as long as the other one says so too: see [`Life::former`].
struct Moved {
    to: Digest,
    at: Timestamp,
    until: Timestamp,
}

struct Session {
    life: Life,
    /// With all their values.
    fields: Table,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            closed: AtomicBool::new(false),
            watchers: Watchers::default(),
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
        match commit.step {
            Step::Create { created } => self.create(commit, created),
            Step::Renew {
                to,
                former_works_until,
            } => self.renew(commit, to, former_works_until),
            Step::Keep | Step::Destroy => self.change(commit),
        }
    }

    fn create(&self, commit: &Commit<'_>, created: Timestamp) -> Result<Outcome> {
        let lease = rules::required_lease(commit)?;
        let mut shard = self.shard(commit.id)?;
        let Entry::Vacant(place) = shard.entry(commit.id) else {
            return Ok(Outcome::Exists);
        };
        let values = match rules::judge(commit, |_| Ok(None))? {
            Verdict::Conflict(found) => return Ok(Outcome::Conflict(found)),
            Verdict::Apply(values) => values,
        };
        let life = Life {
            created,
            lease,
            former: None,
        };
        let fields = Session::fields_of(commit, values);
        place.insert(Record::Live(Box::new(Session { life, fields })));
        Ok(Outcome::Done)
    }

    fn change(&self, commit: &Commit<'_>) -> Result<Outcome> {
        let mut shard = self.shard(commit.id)?;
        let moved = match shard.get(&commit.id) {
            Some(Record::Moved(moved)) => Some(moved.to),
            _ => None,
        };
        if let Some(to) = moved {
            drop(shard);
            shard = self.shard(to)?;
        }
        let current = moved.unwrap_or(commit.id);
        let Some(record) = shard.get_mut(&current) else {
            return Ok(Outcome::Gone);
        };
        let session = match record {
            Record::Live(session) if moved.is_none() && session.life.is_live(commit.now) => session,
            Record::Live(session)
                if moved.is_some() && session.life.works_by(commit.id, commit.now) =>
            {
                session
            }
            _ => return Ok(Outcome::Gone),
        };
        match session.judge(commit)? {
            Verdict::Conflict(found) => return Ok(Outcome::Conflict(found)),
            Verdict::Apply(_) if commit.step == Step::Destroy => {
                *record = Record::Ended(commit.ended_at);
            }
            Verdict::Apply(values) => {
                session.life.keep(commit, moved.is_none());
                session.apply(commit, values);
            }
        }
        Ok(Outcome::Done)
    }

    fn renew(
        &self,
        commit: &Commit<'_>,
        to: Digest,
        former_works_until: Option<Timestamp>,
    ) -> Result<Outcome> {
        rules::required_lease(commit)?;
        let mut pair = self.pair(commit.id, to)?;
        let known = pair.second().contains_key(&to);
        let values = match pair.first().get(&commit.id) {
            Some(Record::Live(session)) if !session.life.is_live(commit.now) => {
                return Ok(Outcome::Gone);
            }
            Some(Record::Live(_)) if known => return Ok(Outcome::Exists),
            Some(Record::Live(session)) => match session.judge(commit)? {
                Verdict::Conflict(found) => return Ok(Outcome::Conflict(found)),
                Verdict::Apply(values) => values,
            },
            _ => return Ok(Outcome::Gone),
        };
        let Some(Record::Live(mut session)) = pair.first().remove(&commit.id) else {
            unreachable!("the session was looked at under the same lock");
        };
        session.apply(commit, values);
        session.fields.outdate_views();
        let left = match session.life.renew(commit, former_works_until) {
            None => Record::Ended(commit.ended_at),
            Some(until) => Record::Moved(Box::new(Moved {
                to,
                at: commit.ended_at,
                until,
            })),
        };
        pair.first().insert(commit.id, left);
        pair.second().insert(to, Record::Live(session));
        Ok(Outcome::Done)
    }

    fn remove_dead(&self, now: Timestamp, limit: usize) -> Swept {
        let mut swept = Swept::default();
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
        swept.sessions = expired.len();
        swept.more = limit > 0 && removed == limit;
        expired.into_iter().for_each(|id| self.watchers.tell(id));
        swept
    }

    fn check_open(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(rules::closed()),
            false => Ok(()),
        }
    }

    /// Whether the store is open is asked under the lock: a shard that was emptied by [`close`](Store::close) must not
    /// pass for one without sessions.
    fn shard(&self, id: Digest) -> Result<MutexGuard<'_, Shard>> {
        let shard = lock(&self.shards[place(id)]);
        self.check_open().map(|()| shard)
    }

    /// Two shards, locked in the order of their places so that two renewals cannot wait for each other.
    fn pair(&self, first: Digest, second: Digest) -> Result<Pair<'_>> {
        let (a, b) = (place(first), place(second));
        let low = lock(&self.shards[a.min(b)]);
        let high = (a != b).then(|| lock(&self.shards[a.max(b)]));
        self.check_open()?;
        Ok(match high {
            Some(high) if a > b => Pair(high, Some(low)),
            high => Pair(low, high),
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

    fn find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        now: Timestamp,
    ) -> StoreFuture<'a, Vec<(Digest, Meta)>> {
        // All shards at once: a session that is renewed meanwhile must not slip from one to another unseen.
        let shards: Vec<_> = self.shards.iter().map(lock).collect();
        let mut found: Vec<_> = shards
            .iter()
            .flat_map(|shard| shard.iter())
            .filter_map(|(id, record)| match record {
                Record::Live(session) if session.life.is_live(now) => {
                    let index = session.fields.get(field)?.index.as_deref();
                    (index == Some(entry)).then(|| (*id, session.life.meta(now)))
                }
                _ => None,
            })
            .collect();
        found.sort_unstable_by_key(|(id, meta)| (meta.created, *id));
        StoreFuture::ready(self.check_open().map(|()| found))
    }

    fn page(
        &self,
        after: Option<Digest>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<Digest>> {
        let mut page = Vec::new();
        for shard in &self.shards[after.map_or(0, place)..] {
            let from = page.len();
            if from >= limit {
                break;
            }
            page.extend(lock(shard).iter().filter_map(|(id, record)| match record {
                Record::Live(session) if session.life.is_live(now) && Some(*id) > after => {
                    Some(*id)
                }
                _ => None,
            }));
            page[from..].sort_unstable();
        }
        page.truncate(limit);
        StoreFuture::ready(self.check_open().map(|()| page))
    }

    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        StoreFuture::ready(self.check_open().map(|()| self.remove_dead(now, limit)))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.closed.store(true, Ordering::Release);
        for shard in &self.shards {
            lock(shard).clear();
        }
        StoreFuture::ready(Ok(()))
    }

    fn watch_expired(&self, watch: Weak<ExpiredWatch>) {
        self.watchers.add(watch);
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
        let all = self.fields.fields().iter();
        Snapshot {
            meta: self.life.meta(now),
            by_former_id,
            fields: match select {
                // A former id may stop working while the session is as it was.
                Select::Names(_) if !by_former_id => Fields::View(self.fields.view()),
                _ => Fields::pick(
                    select,
                    |name| self.value(name),
                    all.filter_map(|field| Some((field.name.clone(), field.value()?.clone()))),
                ),
            },
        }
    }

    fn value(&self, name: &str) -> Option<Bytes> {
        self.fields.get(name)?.value().cloned()
    }

    fn judge(&self, commit: &Commit<'_>) -> Result<Verdict> {
        rules::judge(commit, |name| Ok(self.value(name)))
    }

    /// What a new session begins with.
    fn fields_of(commit: &Commit<'_>, values: Vec<Option<Bytes>>) -> Table {
        let values = commit.writes.iter().zip(values);
        Table::of(values.filter_map(|(write, bytes)| {
            let index = rules::index_after(write, || None);
            Some(Field::new(write.field.clone(), index, Some(bytes?)))
        }))
    }

    fn apply(&mut self, commit: &Commit<'_>, values: Vec<Option<Bytes>>) {
        if commit.clear {
            self.fields.retain(|_| false);
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

/// Two shards, which may be one and the same.
struct Pair<'s>(MutexGuard<'s, Shard>, Option<MutexGuard<'s, Shard>>);

impl Pair<'_> {
    fn first(&mut self) -> &mut Shard {
        &mut self.0
    }
    fn second(&mut self) -> &mut Shard {
        self.1.as_deref_mut().unwrap_or(&mut self.0)
    }
}

fn place(id: Digest) -> usize {
    usize::from(id.as_bytes()[0]) * SHARDS / 256
}

/// Nothing of a user's runs under the lock, and every change is calculated before it is applied: a poisoned shard is
/// whole.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
