//! A store over one ordered map and one lock, written against the public contract only. It is not meant for applications:
//! it proves that the public contract is sufficient, and serves as an example for authors of stores.

use level_session_store::{
    Abilities, Bytes, Commit, Cursor, Digest, Done, FieldName, Fields, Found, Home, Lease, Limit,
    Loaded, Outcome, Page, Result, Select, Snapshot, Step, Store, StoreFuture, Swept, Timestamp,
    Watch, WatchList,
    rules::{self, Life},
};
use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError, Weak},
};

/// A store that keeps sessions in one map.
#[derive(Default)]
pub struct MapStore {
    state: Mutex<State>,
    expired: WatchList,
    ended: WatchList,
}

#[derive(Default)]
struct State {
    records: BTreeMap<Digest, Record>,
    /// The sessions that the current commit has ended. The watches are notified after the lock is released.
    ended: Vec<Digest>,
    closed: bool,
}

#[derive(Clone)]
enum Record {
    Live(Session),
    /// A session that ended at `at`. The mark is kept until `until`. If the session was renewed, `to` is its new id.
    Ended {
        at: Timestamp,
        until: Timestamp,
        to: Option<Digest>,
    },
}

#[derive(Clone)]
struct Session {
    life: Life,
    fields: BTreeMap<FieldName, Field>,
}

#[derive(Clone)]
struct Field {
    value: Bytes,
    entry: Option<Bytes>,
}

impl MapStore {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn open(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.closed {
            true => Err(rules::closed()),
            false => Ok(state),
        }
    }

    fn sweep_now(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        let mut state = self.open()?;
        let dead = |record: &Record| match record {
            Record::Live(session) => !session.life.is_live(now),
            Record::Ended { until, .. } => *until <= now,
        };
        let ids: Vec<_> = state
            .records
            .iter()
            .filter(|(_, record)| dead(record))
            .map(|(id, _)| *id)
            .take(limit)
            .collect();
        let removed = ids
            .iter()
            .filter_map(|id| state.records.remove(id).map(|it| (*id, it)));
        let expired: Vec<_> = removed
            .filter(|(_, record)| matches!(record, Record::Live(_)))
            .map(|(id, _)| id)
            .collect();
        drop(state);
        expired.iter().for_each(|id| self.expired.tell(*id));
        Ok(Swept::new(expired.len(), limit > 0 && ids.len() == limit))
    }

    /// Returns a page of the live sessions for which `pick` returns an item. The cursor is the last digest of the page.
    fn list<T>(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
        pick: impl Fn(Digest, &Session) -> Option<T>,
    ) -> Result<Page<T>> {
        let from = match after {
            None => Bound::Unbounded,
            Some(cursor) => match cursor.as_bytes().try_into() {
                Ok(bytes) => Bound::Excluded(Digest::from_bytes(bytes)),
                Err(_) => return Err(rules::foreign_cursor()),
            },
        };
        let state = self.open()?;
        let sessions = state.records.range((from, Bound::Unbounded));
        let mut found = sessions.filter_map(|(id, record)| match record {
            Record::Live(session) if session.life.is_live(now) => Some((*id, pick(*id, session)?)),
            _ => None,
        });
        let (mut items, mut last) = (Vec::new(), None);
        for (id, item) in found.by_ref().take(limit.max(1)) {
            items.push(item);
            last = Some(id);
        }
        let next = found.next().and(last);
        Ok(Page::new(items, next.map(|id| Cursor::new(*id.as_bytes()))))
    }
}

impl State {
    fn load(&self, id: Digest, select: Select<'_>, now: Timestamp) -> Loaded {
        match self.records.get(&id) {
            None => Loaded::Missing,
            Some(Record::Live(session)) if session.life.is_live(now) => {
                Loaded::Live(session.snapshot(select, now))
            }
            Some(Record::Live(_)) => Loaded::Missing,
            Some(Record::Ended { at, to, .. }) => match to.and_then(|to| self.records.get(&to)) {
                Some(Record::Live(session)) if session.life.works_by(id, now) => {
                    Loaded::Live(session.snapshot(select, now).with_by_former_id(true))
                }
                Some(Record::Ended { at: end, .. }) => Loaded::Ended(*at.max(end)),
                _ => Loaded::Ended(*at),
            },
        }
    }

    /// The session of a commit, and its current id.
    fn session(&self, commit: &Commit<'_>) -> Option<(Digest, &Session)> {
        match self.records.get(&commit.id)? {
            Record::Live(session) => session
                .life
                .is_live_for(commit)
                .then_some((commit.id, session)),
            Record::Ended { to, .. } => match ((*to)?, self.records.get(&(*to)?)?) {
                (to, Record::Live(session))
                    if session.life.works_by(commit.id, commit.now)
                        && session.life.is_live_for(commit) =>
                {
                    Some((to, session))
                }
                _ => None,
            },
        }
    }

    fn commit(&mut self, commit: &Commit<'_>) -> Result<Outcome> {
        let (current, session) = match commit.step {
            Step::Create { created, lease, .. } => {
                if self.records.contains_key(&commit.id) {
                    return Ok(Outcome::Exists);
                }
                (commit.id, Session::new(created, lease))
            }
            _ => match self.session(commit) {
                Some((id, session)) => (id, session.clone()),
                None => return Ok(Outcome::Gone),
            },
        };
        if let Step::Renew { to, .. } = commit.step {
            if current != commit.id {
                return Ok(Outcome::Gone);
            }
            if self.records.contains_key(&to) {
                return Ok(Outcome::Exists);
            }
        }
        let stored = |name: &str| Ok(session.fields.get(name).map(|field| field.value.clone()));
        if let Some(found) = rules::conflict(commit, stored)? {
            return Ok(Outcome::Conflict(found));
        }
        let mut over = Vec::new();
        for (n, limit) in commit.limits.iter().enumerate() {
            match self.over(limit, current, commit.now) {
                Some(ids) => over.extend(ids),
                None => return Ok(Outcome::Full(n)),
            }
        }
        let kept = session.fields.keys();
        let kept = kept.filter(|name| !commit.clear.removes(name)).count();
        let has = |name: &str| session.fields.contains_key(name);
        if let Some(fields) = rules::too_many(commit, session.fields.len(), kept, has) {
            return Ok(Outcome::TooMany(fields));
        }
        let values = rules::values(commit, stored)?;
        over.sort_unstable();
        over.dedup();
        for id in &over {
            self.end(*id, commit.others_ended_at, None);
        }
        let done = self.apply(commit, current, session, values);
        Ok(Outcome::Done(done.with_ended(over)))
    }

    /// The sessions that a limit ends, or `None` if the limit rejects the commit.
    fn over(&self, limit: &Limit, current: Digest, now: Timestamp) -> Option<Vec<Digest>> {
        let with_entry = self.records.iter().filter_map(|(id, record)| match record {
            Record::Live(session) if session.has(&limit.field, &limit.entry, now) => {
                Some((session.life.lease.started, *id))
            }
            _ => None,
        });
        rules::over(limit, current, with_entry)
    }

    fn apply(
        &mut self,
        commit: &Commit<'_>,
        current: Digest,
        mut session: Session,
        values: Vec<Option<Bytes>>,
    ) -> Done {
        let by_former_id = current != commit.id;
        session.write(commit, values);
        let id = match commit.step {
            Step::Destroy => {
                self.end(current, commit.ended_at, None);
                return Done::new(None).with_by_former_id(by_former_id);
            }
            Step::Renew {
                to,
                lease,
                former_works_until,
                ..
            } => {
                let life = &mut session.life;
                let until = life.renew(current, lease, former_works_until, commit.now);
                self.end(current, commit.ended_at, until.map(|until| (to, until)));
                to
            }
            Step::Keep { usage, .. } => {
                session.life.keep(usage.as_ref(), commit.now, !by_former_id);
                current
            }
            // A create: the session already has the life of the step.
            _ => current,
        };
        let meta = session.life.meta(commit.now);
        self.records.insert(id, Record::Live(session));
        Done::new(Some(meta)).with_by_former_id(by_former_id)
    }

    fn end(&mut self, id: Digest, at: Timestamp, to: Option<(Digest, Timestamp)>) {
        let until = rules::remembered_until(to.map_or(at, |(_, until)| until));
        let to = to.map(|(to, _)| to);
        self.records.insert(id, Record::Ended { at, until, to });
        self.ended.push(id);
    }
}

impl Session {
    fn new(created: Timestamp, lease: Lease) -> Self {
        let life = Life {
            created,
            lease,
            former: None,
        };
        let fields = BTreeMap::new();
        Self { life, fields }
    }

    fn has(&self, field: &str, entry: &[u8], now: Timestamp) -> bool {
        let stored = self
            .fields
            .get(field)
            .and_then(|field| field.entry.as_deref());
        self.life.is_live(now) && stored == Some(entry)
    }

    fn snapshot(&self, select: Select<'_>, now: Timestamp) -> Snapshot {
        let all = self.fields.iter();
        let fields = Fields::pick(
            select,
            |name| self.fields.get(name).map(|field| field.value.clone()),
            all.map(|(name, field)| (name.clone(), field.value.clone())),
        );
        Snapshot::new(self.life.meta(now), fields)
    }

    fn write(&mut self, commit: &Commit<'_>, values: Vec<Option<Bytes>>) {
        self.fields.retain(|name, _| !commit.clear.removes(name));
        for (write, value) in commit.writes.iter().zip(values) {
            let before = self.fields.remove(&write.field);
            let entry = rules::index_after(write, || before?.entry);
            if let Some(value) = value {
                self.fields
                    .insert(write.field.clone(), Field { value, entry });
            }
        }
    }
}

impl Store for MapStore {
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        StoreFuture::ready(self.open().map(|state| state.load(id, select, now)))
    }

    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        let answer = self.open().and_then(|mut state| {
            let outcome = state.commit(&commit)?;
            Ok((outcome, std::mem::take(&mut state.ended)))
        });
        let answer = answer.map(|(outcome, ended)| {
            ended.iter().for_each(|id| self.ended.tell(*id));
            outcome
        });
        StoreFuture::ready(answer)
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
        StoreFuture::ready(self.list(after, limit, now, |id, session| {
            let found = Found::new(id, session.life.meta(now));
            session.has(field, entry, now).then_some(found)
        }))
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        StoreFuture::ready(self.list(after, limit, now, |id, _| Some(id)))
    }

    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        StoreFuture::ready(self.sweep_now(now, limit))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.ended.tell_closed();
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closed = true;
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
