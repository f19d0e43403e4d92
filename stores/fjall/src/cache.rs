//! Recently used sessions, kept in memory beside the lock that every change of them takes: so they are never stale.
//!
//! A session lies in the table itself, and a use of it is noted there: a hit touches no other entry's cache line, since
//! a request waits for memory that is not in the processor's cache. Large sessions lie in a pool that all stripes share:
//! they compete with each other and evict no small ones.

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

/// How many bytes a cached session may take on average: with their number, this bounds the memory.
const AVERAGE: usize = 4 * 1024;
/// A session that takes more than this many bytes is large.
const LARGEST: usize = 64 * 1024;
/// Which part of the memory of all small sessions the large ones may take in addition, and the bytes they may take in any
/// case.
const LARGE_PART: usize = 4;
const LARGE_ATLEAST: usize = 1024 * 1024;
/// One session takes at most this part of the memory for large ones.
const ONE_PART: usize = 4;
/// How many that were used since are passed over at most before one goes all the same: what bounds the time.
const CHANCES: usize = 16;

/// One stripe's share of the cache.
pub(super) struct Cache {
    small: Pool,
    large: Arc<Large>,
}

/// The large sessions of all stripes. Its lock is taken under a stripe's, for a few steps.
pub(super) struct Large {
    pool: Mutex<Pool>,
    /// How many entries there are: where there is none, the lock is not taken. An entry is made and found under the lock of
    /// the same stripe.
    entries: AtomicUsize,
}

/// Sessions within a number and a size.
struct Pool {
    sessions: HashMap<Digest, Entry, ByDigest>,
    /// Each of them once. The one in front goes next, unless it was used since it went behind the others.
    queue: VecDeque<Digest>,
    capacity: usize,
    budget: usize,
    largest: usize,
    bytes: usize,
}

/// A session, or the place of one that was taken out to be changed, or that was only looked at in part.
struct Entry {
    session: Option<Session>,
    bytes: usize,
    used: bool,
    /// How often it was looked at in part.
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

    /// What `look` finds in a session, if it is here.
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

    /// A session to change. It is not in the cache until it is [`put`](Self::put) there again: so what fails on the
    /// way is forgotten. Its place is kept, for as long as its turn to go has not come.
    pub(super) fn take(&mut self, id: &Digest) -> Option<Session> {
        match self.small.take(id) {
            Some(session) => Some(session),
            None => self.large.lock()?.take(id),
        }
    }

    /// Keeps a session that is stored exactly like this and was [taken](Self::take) before, if it was here: unless only a
    /// part of it was read, it is too large, or nothing is kept at all.
    pub(super) fn put(&mut self, id: Digest, session: Session) {
        if session.is_part() || self.small.capacity == 0 {
            return;
        }
        let bytes = size_of::<Entry>() + session.fields.size();
        if bytes <= LARGEST {
            self.small.put(id, session, bytes);
        } else if !self.large.put(id, session, bytes) {
            self.small.place(id).looks = u32::MAX;
        }
    }

    /// Whether to read a session whole that is not here, and would take as long as this many looks at a part of it: once
    /// it was looked at so often. So no look costs much, nor do many.
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
    /// For a cache of so many sessions.
    pub(super) fn new(capacity: usize) -> Self {
        let budget = (capacity.saturating_mul(AVERAGE) / LARGE_PART).max(LARGE_ATLEAST);
        let pool = Pool::new(budget / LARGEST, budget, budget / ONE_PART);
        Self {
            pool: Mutex::new(pool),
            entries: AtomicUsize::new(0),
        }
    }

    /// The pool, if anything is there.
    fn lock(&self) -> Option<MutexGuard<'_, Pool>> {
        (self.entries.load(Ordering::Relaxed) > 0).then(|| self.pool())
    }

    /// No user code runs under the lock, and a session is put there when it is stored.
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a session unless it is too large; whether it does.
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
                place.session = Some(session);
                place.bytes = bytes;
                place.used = true;
                place.looks = 0;
            }
            Vacant(place) => {
                place.insert(Entry {
                    session: Some(session),
                    bytes,
                    used: false,
                    looks: 0,
                });
                self.queue.push_back(id);
            }
        }
        while self.queue.len() > self.capacity || self.bytes > self.budget {
            self.evict();
        }
    }

    /// The place of a session that is not here: a new one if it had none.
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

    /// Lets go of the first that was not used since its last turn, or of the one whose turn it is when many were.
    fn evict(&mut self) {
        // The last one has just come: where all others were used, one of them goes.
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
        assert!(!cache.has(&id(1)) && cache.take(&id(1)).is_none());
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
            let taken = cache.take(&id(0)).unwrap();
            assert!(!cache.has(&id(0)), "it is taken out");
            cache.put(id(0), taken);
        }
        assert!(!cache.has(&id(95)) && cache.has(&id(99)));
    }

    #[test]
    fn a_change_is_a_use() {
        let mut cache = cache(2);
        cache.put(id(1), session(1));
        cache.put(id(2), session(1));
        let taken = cache.take(&id(1)).unwrap();
        cache.put(id(1), taken);
        cache.put(id(3), session(1));
        assert!(cache.has(&id(1)) && !cache.has(&id(2)));
    }

    #[test]
    fn what_is_taken_and_not_put_back_leaves_a_place_that_goes_in_its_turn() {
        let mut cache = cache(2);
        cache.put(id(1), session(1));
        drop(cache.take(&id(1)));
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
        assert_eq!(passed_over, CHANCES + 1, "those, and the new one");
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
            drop(cache.take(&id(n)));
        }
        assert_eq!(cache.small.bytes, 0);
    }

    /// A session above 64 KiB was read from the disk, whole, at each look; and if all of the cache were open to them, a few
    /// would evict hundreds of others.
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
            "the small ones are there"
        );
        assert!(!stripes[0].has(&id(100)), "the first large one is not");
        let grown = stripes[1].take(&id(199)).unwrap();
        assert!(!stripes[1].has(&id(199)), "it is taken out");
        drop(grown);
        stripes[1].put(id(199), session(1));
        assert!(stripes[1].has(&id(199)), "as it was stored last, small");
        for n in 100..200 {
            drop(stripes[usize::from(n) % 2].take(&id(n)));
        }
        assert_eq!(shared.pool().bytes, 0);
        assert!(
            shared.pool().queue.len() <= LARGE_ATLEAST / LARGEST,
            "nor do places pile up"
        );
    }

    /// To read a session of thousands of fields whole for the sake of one would cost as much as hundreds of looks; never
    /// to do it would cost as much at the thousandth.
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
