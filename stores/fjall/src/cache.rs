//! Recently used sessions, cached in memory. A session is changed by one thread at a time, which holds the session's turn:
//! it changes a draft, and replaces the cached session once the change is stored. So a cached session is never stale, and
//! no reader of it waits for the disk.
//!
//! A session is stored in the hash table itself, and a use of it is recorded there: a hit touches no other entry's
//! cache line, since each cache miss of the processor delays the request. Large sessions are stored in a pool that all
//! stripes share: they compete with each other and evict no small ones.

use super::record::Session;
use level_session_store::{Digest, local::ByDigest};
use std::{
    collections::{
        HashMap, VecDeque,
        hash_map::Entry::{Occupied, Vacant},
    },
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The average size limit of a cached session in bytes: with their number, it bounds the memory.
const AVERAGE: usize = 4 * 1024;
/// A session larger than this many bytes is large.
const LARGEST: usize = 64 * 1024;
/// Large sessions may use this part of the memory limit of the small ones, in addition to it, but at least
/// `LARGE_ATLEAST` bytes.
const LARGE_PART: usize = 4;
const LARGE_ATLEAST: usize = 1024 * 1024;
/// A single session may use at most this part of the memory for large ones.
const ONE_PART: usize = 4;
/// How many recently used sessions are skipped at most before one is evicted all the same: this bounds the time.
const CHANCES: usize = 16;

/// One stripe's share of the cache.
pub(super) struct Cache {
    small: Pool,
    large: Arc<Large>,
}

/// The large sessions of all stripes. Its lock is taken under a stripe's lock, for a few steps.
pub(super) struct Large {
    pool: Mutex<Pool>,
    /// The number of entries: if there are none, the lock is not taken. An entry is inserted and found under the lock
    /// of the same stripe.
    entries: AtomicUsize,
}

/// Sessions, limited by number and by size.
struct Pool {
    sessions: HashMap<Digest, Entry, ByDigest>,
    /// Each session once. The one in front is evicted next, unless it was used since it was moved to the back.
    queue: VecDeque<Digest>,
    capacity: usize,
    budget: usize,
    largest: usize,
    bytes: usize,
}

/// A session, or a placeholder: of a session that has ended, whose change failed, or that was read only in part.
struct Entry {
    session: Option<Session>,
    bytes: usize,
    used: bool,
    /// How often it was read in part.
    looks: u32,
}

impl Cache {
    pub(super) fn new(capacity: usize, large: Arc<Large>) -> Self {
        let budget = capacity.saturating_mul(AVERAGE).max(LARGEST);
        Self {
            small: Pool::new(capacity, budget, LARGEST),
            large,
        }
    }

    /// The result of `look` on a session, if it is cached.
    pub(super) fn look<T>(
        &mut self,
        id: &Digest,
        look: impl FnOnce(&Session) -> Option<T>,
    ) -> Option<T> {
        match self.small.get(id) {
            Some(session) => look(session),
            None => self.large.lock()?.get(id).and_then(look),
        }
    }

    /// A draft of a session, for a change. The caller must [`put`](Self::put) it back once it is stored, or
    /// [evict](Self::evict) the session.
    pub(super) fn draft(&mut self, id: &Digest) -> Option<Session> {
        self.look(id, |session| Some(session.draft()))
    }

    /// Like [`put`](Self::put), with a last change. It is made on the cached session itself, so no fields are copied.
    pub(super) fn put_with(
        &mut self,
        id: Digest,
        draft: Session,
        change: impl FnOnce(&mut Session),
    ) {
        let small = &mut self.small;
        if let Some(entry) = small.sessions.get_mut(&id)
            && let Some(cached) = &mut entry.session
        {
            cached.adopt(draft);
            change(cached);
            let bytes = size_of::<Entry>() + cached.fields.size();
            small.bytes = small.bytes + bytes - entry.bytes;
            entry.bytes = bytes;
            entry.used = true;
            if bytes <= LARGEST {
                small.shrink();
            } else if let Some(session) = small.take(&id) {
                self.put(id, session);
            }
            return;
        }
        let mut session = match self.take(&id) {
            Some(mut cached) => {
                cached.adopt(draft);
                cached
            }
            None => draft.settled(),
        };
        change(&mut session);
        self.put(id, session);
    }

    fn take(&mut self, id: &Digest) -> Option<Session> {
        match self.small.take(id) {
            Some(session) => Some(session),
            None => self.large.lock()?.take(id),
        }
    }

    /// Removes a session. Its placeholder stays in the queue until the session would have been evicted.
    pub(super) fn evict(&mut self, id: &Digest) {
        drop(self.take(id));
    }

    /// Caches a session that is stored in exactly this form, in place of the cached one if there is one. Does not cache
    /// it if only a part of it was read, if it is too large, or if the cache is disabled.
    pub(super) fn put(&mut self, id: Digest, session: Session) {
        if session.is_part() || self.small.capacity == 0 {
            return;
        }
        let bytes = size_of::<Entry>() + session.fields.size();
        if bytes <= LARGEST {
            if let Some(mut large) = self.large.lock() {
                drop(large.take(&id));
            }
            self.small.put(id, session, bytes);
            return;
        }
        drop(self.small.take(&id));
        if !self.large.put(id, session, bytes) {
            self.evict(&id);
            self.small.place(id).looks = u32::MAX;
        }
    }

    /// Whether to read a session that is not cached as a whole, which takes as long as `looks` partial reads: yes, once
    /// it has been read in part that often. So neither a single read nor many reads are expensive.
    pub(super) fn is_worth_it(&mut self, id: Digest, looks: usize) -> bool {
        if self.small.capacity == 0 {
            return false;
        }
        let place = self.small.place(id);
        let seldom = usize::try_from(place.looks).is_ok_and(|before| before < looks);
        let is_too_large = place.looks == u32::MAX;
        if seldom {
            place.looks = place.looks.saturating_add(1);
        }
        !seldom && !is_too_large
    }
}

impl Large {
    /// A share of a cache for this many sessions.
    pub(super) fn new(capacity: usize) -> Self {
        let budget = (capacity.saturating_mul(AVERAGE) / LARGE_PART).max(LARGE_ATLEAST);
        let pool = Pool::new(budget / LARGEST, budget, budget / ONE_PART);
        Self {
            pool: Mutex::new(pool),
            entries: AtomicUsize::new(0),
        }
    }

    /// The pool, unless it is empty.
    fn lock(&self) -> Option<MutexGuard<'_, Pool>> {
        (self.entries.load(Ordering::Relaxed) > 0).then(|| self.pool())
    }

    /// No user code runs under the lock, and a session is inserted only when it is stored.
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Caches a session unless it is too large; returns whether it did.
    fn put(&self, id: Digest, session: Session, bytes: usize) -> bool {
        let mut pool = self.pool();
        if bytes > pool.largest {
            return false;
        }
        pool.put(id, session, bytes);
        self.entries.store(pool.sessions.len(), Ordering::Relaxed);
        true
    }
}

impl Pool {
    fn new(capacity: usize, budget: usize, largest: usize) -> Self {
        Self {
            sessions: HashMap::default(),
            queue: VecDeque::new(),
            capacity,
            budget,
            largest,
            bytes: 0,
        }
    }

    fn get(&mut self, id: &Digest) -> Option<&Session> {
        let entry = self.sessions.get_mut(id)?;
        entry.used = true;
        entry.session.as_ref()
    }

    fn take(&mut self, id: &Digest) -> Option<Session> {
        let entry = self.sessions.get_mut(id)?;
        self.bytes -= std::mem::take(&mut entry.bytes);
        entry.session.take()
    }

    fn put(&mut self, id: Digest, session: Session, bytes: usize) {
        self.bytes += bytes;
        match self.sessions.entry(id) {
            Occupied(place) => {
                let place = place.into_mut();
                self.bytes -= place.bytes;
                match &mut place.session {
                    Some(former) => former.adopt(session),
                    none => *none = Some(session.settled()),
                }
                place.bytes = bytes;
                place.used = true;
                place.looks = 0;
            }
            Vacant(place) => {
                place.insert(Entry {
                    session: Some(session.settled()),
                    bytes,
                    used: false,
                    looks: 0,
                });
                self.queue.push_back(id);
            }
        }
        self.shrink();
    }

    /// Evicts sessions until the others fit.
    fn shrink(&mut self) {
        while self.queue.len() > self.capacity || self.bytes > self.budget {
            self.evict();
        }
    }

    /// The placeholder of a session that is not cached: a new one if it had none.
    fn place(&mut self, id: Digest) -> &mut Entry {
        if !self.sessions.contains_key(&id) {
            while self.queue.len() >= self.capacity.max(1) {
                self.evict();
            }
            self.queue.push_back(id);
        }
        self.sessions.entry(id).or_insert(Entry {
            session: None,
            bytes: 0,
            used: false,
            looks: 0,
        })
    }

    /// Evicts the first session of the queue that was not used since it was moved to the back. After some used ones,
    /// evicts the next one even if it was used.
    fn evict(&mut self) {
        // The last one is new: if all others were used, one of them is evicted.
        let chances = CHANCES.min(self.queue.len().saturating_sub(2));
        for chances in (0..=chances).rev() {
            let Some(id) = self.queue.pop_front() else {
                return;
            };
            let Some(entry) = self.sessions.get_mut(&id) else {
                continue;
            };
            if std::mem::take(&mut entry.used) && chances > 0 {
                self.queue.push_back(id);
            } else {
                self.bytes -= entry.bytes;
                self.sessions.remove(&id);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use level_session_store::{Bytes, FieldName, Lease, Timestamp, rules::Life};

    /// A quarter of the memory for large sessions.
    const LARGEST_OF_ALL: usize = LARGE_ATLEAST / ONE_PART;

    fn id(n: u8) -> Digest {
        Digest::from_bytes([n; 32])
    }

    fn cache(capacity: usize) -> Cache {
        Cache::new(capacity, Arc::new(Large::new(capacity)))
    }

    impl Cache {
        fn has(&mut self, id: &Digest) -> bool {
            self.look(id, |_| Some(())).is_some()
        }
    }

    fn session(bytes: usize) -> Session {
        let never = Timestamp::MAX;
        let lease = Lease::new(never, never, never, None);
        let mut session = Session::new(
            0,
            Life {
                created: never,
                lease,
                former: None,
            },
        );
        session.fields.set(
            &FieldName::from_static("f"),
            None,
            Bytes::from(vec![0; bytes]),
        );
        session
    }

    #[test]
    fn without_capacity_nothing_is_kept() {
        let mut cache = cache(0);
        cache.put(id(1), session(1));
        assert!(!cache.has(&id(1)) && cache.draft(&id(1)).is_none());
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = cache(2);
        cache.put(id(1), session(1));
        cache.put(id(2), session(1));
        assert!(cache.has(&id(1)));
        cache.put(id(3), session(1));
        assert!(cache.has(&id(1)) && !cache.has(&id(2)));
    }

    #[test]
    fn what_is_used_again_stays_and_what_is_not_goes() {
        let mut cache = cache(4);
        for n in 0..100 {
            cache.put(id(n), session(1));
            assert_eq!(cache.small.sessions.len(), cache.small.queue.len());
            assert!(cache.small.queue.len() <= 4);
            assert!(cache.has(&id(0)), "after {n} others");
            let draft = cache.draft(&id(0)).unwrap();
            cache.put(id(0), draft);
        }
        assert!(!cache.has(&id(95)) && cache.has(&id(99)));
    }

    #[test]
    fn a_change_is_a_use() {
        let mut cache = cache(2);
        cache.put(id(1), session(1));
        cache.put(id(2), session(1));
        let draft = cache.draft(&id(1)).unwrap();
        cache.put(id(1), draft);
        cache.put(id(3), session(1));
        assert!(cache.has(&id(1)) && !cache.has(&id(2)));
    }

    #[test]
    fn what_is_evicted_leaves_a_place_that_goes_in_its_turn() {
        let mut cache = cache(2);
        cache.put(id(1), session(1));
        cache.evict(&id(1));
        cache.put(id(2), session(1));
        cache.put(id(3), session(1));
        assert!(!cache.small.sessions.contains_key(&id(1)));
        assert!(cache.has(&id(2)) && cache.has(&id(3)));
    }

    #[test]
    fn where_all_were_used_one_goes_after_some_steps() {
        let mut cache = cache(100);
        for n in 0..100 {
            cache.put(id(n), session(1));
            assert!(cache.has(&id(n)));
        }
        cache.put(id(100), session(1));
        assert_eq!(cache.small.sessions.len(), 100);
        let passed_over = cache
            .small
            .sessions
            .values()
            .filter(|entry| !entry.used)
            .count();
        assert_eq!(
            passed_over,
            CHANCES + 1,
            "the skipped ones, and the new one"
        );
    }

    #[test]
    fn a_last_change_is_made_in_place_and_moves_a_session_that_becomes_large() {
        let mut cache = cache(100);
        let name = FieldName::from_static("f");
        let value = |bytes: usize| Bytes::from(vec![0; bytes]);
        cache.put(id(1), session(1));
        for bytes in [10, LARGEST, 100, 2 * LARGEST_OF_ALL, 5] {
            if let Some(draft) = cache.draft(&id(1)) {
                cache.put_with(id(1), draft, |session| {
                    session.fields.set(&name, None, value(bytes));
                });
            } else {
                cache.put_with(id(1), session(1), |session| {
                    session.fields.set(&name, None, value(bytes));
                });
            }
            let here = cache.look(&id(1), |session| {
                session.fields.get("f")?.value().map(|value| value.len())
            });
            let fits = bytes <= LARGEST_OF_ALL;
            assert_eq!(here, fits.then_some(bytes));
            let total = cache.small.bytes + cache.large.pool().bytes;
            assert_eq!(total > bytes, fits, "{total} bytes are counted");
        }
    }

    #[test]
    fn bytes_are_bounded_and_counted_back() {
        let mut cache = cache(100);
        cache.put(id(0), session(LARGE_ATLEAST));
        assert!(!cache.has(&id(0)), "too large");
        for n in 0..100 {
            cache.put(id(n), session(60_000));
            assert!(cache.small.bytes <= cache.small.budget);
        }
        assert!(cache.has(&id(99)) && !cache.has(&id(0)));
        cache.put(id(99), session(10));
        for n in 0..100 {
            cache.evict(&id(n));
        }
        assert_eq!(cache.small.bytes, 0);
    }

    /// A session above 64 KiB used to be read from the disk, whole, at each access; and if all of the cache were open
    /// to large sessions, a few would evict hundreds of others.
    #[test]
    fn large_ones_are_kept_and_compete_with_each_other() {
        let shared = Arc::new(Large::new(100));
        let mut stripes = [0, 1].map(|_| Cache::new(50, Arc::clone(&shared)));
        for n in 0..10 {
            stripes[0].put(id(n), session(1));
        }
        for n in 100..200 {
            let stripe = &mut stripes[usize::from(n) % 2];
            stripe.put(id(n), session(2 * LARGEST));
            assert!(stripe.has(&id(n)));
            assert!(shared.pool().bytes <= LARGE_ATLEAST);
        }
        assert!(
            (0..10).all(|n| stripes[0].has(&id(n))),
            "the small ones are cached"
        );
        assert!(!stripes[0].has(&id(100)), "the first large one is not");
        let size = |cache: &mut Cache| {
            let size = cache.look(&id(199), |session| Some(session.fields.size()));
            size.unwrap()
        };
        for bytes in [1, 2 * LARGEST, 1] {
            stripes[1].put(id(199), session(bytes));
            assert!(
                size(&mut stripes[1]) < bytes + 2_000,
                "as it was stored last"
            );
        }
        stripes[1].put(id(199), session(LARGE_ATLEAST));
        assert!(!stripes[1].has(&id(199)), "not as it was before");
        stripes[1].put(id(199), session(1));
        for n in 100..200 {
            stripes[usize::from(n) % 2].evict(&id(n));
        }
        assert_eq!(shared.pool().bytes, 0);
        assert!(
            shared.pool().queue.len() <= LARGE_ATLEAST / LARGEST,
            "nor do placeholders accumulate"
        );
    }

    /// Reading a session of thousands of fields whole for the sake of one would cost as much as hundreds of partial
    /// reads; never doing so would cost as much at the thousandth.
    #[test]
    fn a_session_is_read_whole_once_it_was_looked_at_often_enough() {
        let mut cache = cache(10);
        for _ in 0..30 {
            assert!(!cache.is_worth_it(id(1), 30));
        }
        assert!(cache.is_worth_it(id(1), 30));
        cache.put(id(1), session(LARGE_ATLEAST));
        assert!(!cache.is_worth_it(id(1), 30), "it is too large to be kept");
        cache.put(id(1), session(1));
        assert!(cache.has(&id(1)), "it is smaller by now");
        for n in 2..200 {
            assert!(!cache.is_worth_it(id(n), 30));
        }
        assert!(cache.small.queue.len() <= 10 && cache.small.sessions.len() <= 10);
    }
}
