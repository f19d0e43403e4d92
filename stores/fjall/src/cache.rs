//! Recently used sessions, kept in memory beside the lock that every change of them takes: so they are never stale.
//!
//! A session lies in the table itself, and a use of it is noted there: of the memory of others nothing is touched,
//! since what is waited for is memory that is not in the processor's cache.

use super::record::Session;
use level_session_store::{Digest, local::ByDigest};
use std::collections::{
    HashMap, VecDeque,
    hash_map::Entry::{Occupied, Vacant},
};

/// How many bytes a cached session may take on average: what bounds the memory, together with their number.
const AVERAGE: usize = 4 * 1024;
/// A session that takes more than this many bytes is not worth the place of many others.
const LARGEST: usize = 64 * 1024;
/// How many that were used since are passed over at most before one goes all the same: what bounds the time.
const CHANCES: usize = 16;

/// One stripe's share of the cache.
pub(super) struct Cache {
    sessions: HashMap<Digest, Entry, ByDigest>,
    /// Each of them once. The one in front goes next, unless it was used since it went behind the others.
    queue: VecDeque<Digest>,
    capacity: usize,
    budget: usize,
    bytes: usize,
}

/// A session, or the place of one that was taken out to be changed.
struct Entry {
    session: Option<Session>,
    bytes: usize,
    used: bool,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            sessions: HashMap::default(),
            queue: VecDeque::new(),
            capacity,
            budget: capacity.saturating_mul(AVERAGE).max(LARGEST),
            bytes: 0,
        }
    }

    /// A session to look at.
    pub(super) fn get(&mut self, id: &Digest) -> Option<&Session> {
        let entry = self.sessions.get_mut(id)?;
        entry.used = true;
        entry.session.as_ref()
    }

    /// A session to change. It is not in the cache until it is [`put`](Self::put) there again: so what fails on the
    /// way is forgotten. Its place is kept, for as long as its turn to go has not come.
    pub(super) fn take(&mut self, id: &Digest) -> Option<Session> {
        let entry = self.sessions.get_mut(id)?;
        self.bytes -= std::mem::take(&mut entry.bytes);
        entry.session.take()
    }

    /// Keeps a session that is stored exactly like this, unless it is too large or nothing is kept at all.
    pub(super) fn put(&mut self, id: Digest, session: Session) {
        let bytes = size_of::<Entry>() + session.fields.size();
        if bytes > LARGEST || self.capacity == 0 {
            return;
        }
        self.bytes += bytes;
        match self.sessions.entry(id) {
            Occupied(place) => {
                let place = place.into_mut();
                self.bytes -= place.bytes;
                place.session = Some(session);
                place.bytes = bytes;
                place.used = true;
            }
            Vacant(place) => {
                place.insert(Entry {
                    session: Some(session),
                    bytes,
                    used: false,
                });
                self.queue.push_back(id);
            }
        }
        while self.queue.len() > self.capacity || self.bytes > self.budget {
            self.evict();
        }
    }

    /// Lets go of the first that was not used since its last turn, or of the one whose turn it is when many were.
    fn evict(&mut self) {
        for chances in (0..=CHANCES).rev() {
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
        let mut cache = Cache::new(0);
        cache.put(id(1), session(1));
        assert!(cache.get(&id(1)).is_none() && cache.take(&id(1)).is_none());
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = Cache::new(2);
        cache.put(id(1), session(1));
        cache.put(id(2), session(1));
        assert!(cache.get(&id(1)).is_some());
        cache.put(id(3), session(1));
        assert!(cache.get(&id(1)).is_some() && cache.get(&id(2)).is_none());
    }

    #[test]
    fn what_is_used_again_stays_and_what_is_not_goes() {
        let mut cache = Cache::new(4);
        for n in 0..100 {
            cache.put(id(n), session(1));
            assert_eq!(cache.sessions.len(), cache.queue.len());
            assert!(cache.queue.len() <= 4);
            assert!(cache.get(&id(0)).is_some(), "after {n} others");
            let taken = cache.take(&id(0)).unwrap();
            assert!(cache.get(&id(0)).is_none(), "it is taken out");
            cache.put(id(0), taken);
        }
        assert!(cache.get(&id(95)).is_none() && cache.get(&id(99)).is_some());
    }

    #[test]
    fn a_change_is_a_use() {
        let mut cache = Cache::new(2);
        cache.put(id(1), session(1));
        cache.put(id(2), session(1));
        let taken = cache.take(&id(1)).unwrap();
        cache.put(id(1), taken);
        cache.put(id(3), session(1));
        assert!(cache.get(&id(1)).is_some() && cache.get(&id(2)).is_none());
    }

    #[test]
    fn what_is_taken_and_not_put_back_leaves_a_place_that_goes_in_its_turn() {
        let mut cache = Cache::new(2);
        cache.put(id(1), session(1));
        drop(cache.take(&id(1)));
        cache.put(id(2), session(1));
        cache.put(id(3), session(1));
        assert!(!cache.sessions.contains_key(&id(1)));
        assert!(cache.get(&id(2)).is_some() && cache.get(&id(3)).is_some());
    }

    #[test]
    fn where_all_were_used_one_goes_after_some_steps() {
        let mut cache = Cache::new(100);
        for n in 0..100 {
            cache.put(id(n), session(1));
            assert!(cache.get(&id(n)).is_some());
        }
        cache.put(id(100), session(1));
        assert_eq!(cache.sessions.len(), 100);
        let passed_over = cache.sessions.values().filter(|entry| !entry.used).count();
        assert_eq!(passed_over, CHANCES + 1, "those, and the new one");
    }

    #[test]
    fn bytes_are_bounded_and_counted_back() {
        let mut cache = Cache::new(100);
        cache.put(id(0), session(LARGEST + 1));
        assert!(cache.get(&id(0)).is_none(), "too large");
        for n in 0..100 {
            cache.put(id(n), session(60_000));
            assert!(cache.bytes <= cache.budget);
        }
        assert!(cache.get(&id(99)).is_some() && cache.get(&id(0)).is_none());
        cache.put(id(99), session(10));
        for n in 0..100 {
            drop(cache.take(&id(n)));
        }
        assert_eq!(cache.bytes, 0);
    }
}
