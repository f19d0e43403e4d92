//! The turns of sessions, and the cached sessions, both striped by id.

use crate::{
    cache::{Cache, Large},
    gate::{self, Patience},
    record::Session,
};
use level_session_store::Digest;
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const STRIPES: usize = 128;

pub(super) struct Stripes(Box<[Stripe]>);

struct Stripe {
    /// Held by a thread that changes sessions, or reads them from the disk.
    turn: Mutex<()>,
    /// Held for some steps in memory.
    cache: Mutex<Cache>,
}

/// The turn of one or more sessions: a lock, unlike the turns of the store crate, which are for retries.
///
/// The cached sessions that the thread has fetched are drafts. If it does not put one back, because it has ended the
/// session or failed, the session is evicted at the end of the turn.
pub(super) struct Turn<'s> {
    stripes: &'s Stripes,
    held: Held<'s>,
    drafts: SmallVec<[Digest; 2]>,
}

#[expect(dead_code, reason = "the locks are held")]
enum Held<'s> {
    None,
    One(MutexGuard<'s, ()>),
    Two(MutexGuard<'s, ()>, MutexGuard<'s, ()>),
    All(Vec<MutexGuard<'s, ()>>),
}

impl Stripes {
    pub(super) fn new(cache_sessions: usize, large: &Arc<Large>) -> Self {
        let each = cache_sessions.div_ceil(STRIPES);
        let stripe = |_| Stripe {
            turn: Mutex::new(()),
            cache: Mutex::new(Cache::new(each, Arc::clone(large))),
        };
        Self((0..STRIPES).map(stripe).collect())
    }

    /// The cache of a session. Only a failed allocation can panic in the middle of a change of the cache.
    pub(super) fn cache(&self, id: Digest) -> MutexGuard<'_, Cache> {
        let cache = &self.0[place(id)].cache;
        cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of a session, or `None` if another thread has it and the caller cannot wait.
    pub(super) fn turn(&self, id: Digest, patience: Patience) -> Option<Turn<'_>> {
        let held = self.lock(place(id), patience)?;
        Some(self.held(Held::One(held)))
    }

    pub(super) fn turn_of(&self, id: Digest) -> Turn<'_> {
        self.held(Held::One(self.wait(place(id))))
    }

    /// The turns of two sessions, in the order of their stripes, so that two renewals cannot deadlock.
    pub(super) fn pair(&self, one: Digest, other: Digest, patience: Patience) -> Option<Turn<'_>> {
        let (a, b) = (place(one), place(other));
        if a == b {
            return self.turn(one, patience);
        }
        let low = self.lock(a.min(b), patience)?;
        let high = self.lock(a.max(b), patience)?;
        Some(self.held(Held::Two(low, high)))
    }

    /// The turns of all sessions.
    pub(super) fn all(&self, patience: Patience) -> Option<Turn<'_>> {
        let locked = (0..STRIPES).map(|stripe| self.lock(stripe, patience));
        let all = locked.collect::<Option<_>>()?;
        Some(self.held(Held::All(all)))
    }

    /// A thread that panicked in its turn has evicted the sessions that it was changing.
    fn lock(&self, stripe: usize, patience: Patience) -> Option<MutexGuard<'_, ()>> {
        gate::lock(&self.0[stripe].turn, patience)
    }

    fn wait(&self, stripe: usize) -> MutexGuard<'_, ()> {
        let turn = &self.0[stripe].turn;
        turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held<'s>(&'s self, held: Held<'s>) -> Turn<'s> {
        Turn {
            stripes: self,
            held,
            drafts: SmallVec::new(),
        }
    }
}

impl Turn<'_> {
    /// Gives up this turn, and takes that of another session, unless it has the turns of all sessions.
    pub(super) fn move_to(&mut self, id: Digest) {
        if let Held::One(_) = self.held {
            self.evict_drafts();
            self.held = Held::None;
            self.held = Held::One(self.stripes.wait(place(id)));
        }
    }

    /// A draft of a cached session.
    pub(super) fn draft(&mut self, id: Digest) -> Option<Session> {
        let draft = self.stripes.cache(id).draft(&id)?;
        if !self.drafts.contains(&id) {
            self.drafts.push(id);
        }
        Some(draft)
    }

    /// Caches a session that is stored in exactly this form.
    pub(super) fn put(&mut self, id: Digest, session: Session) {
        self.stripes.cache(id).put(id, session);
        self.drafts.retain(|draft| *draft != id);
    }

    /// Caches a session that is stored as it is after a last change, of values only.
    pub(super) fn put_with(
        &mut self,
        id: Digest,
        session: Session,
        change: impl FnOnce(&mut Session),
    ) {
        self.stripes.cache(id).put_with(id, session, change);
        self.drafts.retain(|draft| *draft != id);
    }

    /// Evicts sessions that have ended.
    pub(super) fn evict(&mut self, ended: &[Digest]) {
        for id in ended {
            self.stripes.cache(*id).evict(id);
            self.drafts.retain(|draft| draft != id);
        }
    }

    /// Evicts the sessions that were fetched and not put back.
    fn evict_drafts(&mut self) {
        for id in self.drafts.drain(..) {
            self.stripes.cache(id).evict(&id);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.evict_drafts();
    }
}

fn place(id: Digest) -> usize {
    usize::from(id.as_bytes()[0]) % STRIPES
}
