//! Recently used sessions, kept in memory beside the lock that every change of them takes: so they are never stale.

use super::record::Session;
use crate::store::{Digest, by_digest::ByDigest, table::Field};
use lru::LruCache;
use std::num::NonZeroUsize;

/// How many bytes a cached session may take on average: what bounds the memory, together with their number.
const AVERAGE: usize = 4 * 1024;
/// A session that takes more than this many bytes is not worth the place of many others.
const LARGEST: usize = 64 * 1024;

/// One stripe's share of the cache.
pub(super) struct Cache {
    sessions: Option<LruCache<Digest, Entry, ByDigest>>,
    budget: usize,
    bytes: usize,
}

/// A session, or the place of one that was taken out to be changed.
#[derive(Default)]
struct Entry {
    session: Option<Box<Session>>,
    bytes: usize,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            sessions: NonZeroUsize::new(capacity).map(sparse),
            budget: capacity.saturating_mul(AVERAGE).max(LARGEST),
            bytes: 0,
        }
    }

    /// A session to look at.
    pub(super) fn get(&mut self, id: &Digest) -> Option<&Session> {
        self.sessions.as_mut()?.get(id)?.session.as_deref()
    }

    /// A session to change. It is not in the cache until it is [`put`](Self::put) there again: so what fails on the
    /// way is forgotten. Its place is kept, for as long as it is not the oldest.
    pub(super) fn take(&mut self, id: &Digest) -> Option<Box<Session>> {
        let entry = std::mem::take(self.sessions.as_mut()?.get_mut(id)?);
        self.bytes -= entry.bytes;
        entry.session
    }

    /// Keeps a session that is stored exactly like this, unless it is too large or nothing is kept at all.
    pub(super) fn put(&mut self, id: Digest, session: Box<Session>) {
        let Some(sessions) = &mut self.sessions else {
            return;
        };
        let bytes = size(&session);
        if bytes > LARGEST {
            return;
        }
        self.bytes += bytes;
        let entry = Entry {
            session: Some(session),
            bytes,
        };
        match sessions.get_mut(&id) {
            Some(place) => {
                let before = std::mem::replace(place, entry);
                self.bytes -= before.bytes;
            }
            None => {
                if let Some((_, evicted)) = sessions.push(id, entry) {
                    self.bytes -= evicted.bytes;
                }
            }
        }
        while self.bytes > self.budget {
            let Some((_, evicted)) = sessions.pop_lru() else {
                break;
            };
            self.bytes -= evicted.bytes;
        }
    }
}

/// An empty cache that takes memory only for what comes.
fn sparse(capacity: NonZeroUsize) -> LruCache<Digest, Entry, ByDigest> {
    let mut cache = LruCache::unbounded_with_hasher(ByDigest::default());
    cache.resize(capacity);
    cache
}

fn size(session: &Session) -> usize {
    let field = |field: &Field| {
        let lengths = [
            Some(field.name.len()),
            field.index.as_ref().map(|b| b.len()),
            field.value().map(|b| b.len()),
        ];
        size_of_val(field) + lengths.into_iter().flatten().sum::<usize>()
    };
    size_of_val(session) + session.fields.fields().iter().map(field).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        expiry::Lease,
        store::{Bytes, FieldName, rules::Life},
    };

    fn id(n: u8) -> Digest {
        Digest::from_bytes([n; 32])
    }

    fn session(bytes: usize) -> Box<Session> {
        let never = Timestamp::MAX;
        let lease = Lease {
            started: never,
            seen: never,
            idle_deadline: never,
            absolute_deadline: None,
        };
        let mut session = Session::new(
            0,
            Life {
                created: never,
                lease,
                former: None,
            },
        );
        session
            .fields
            .set(&FieldName::Static("f"), None, Bytes::from(vec![0; bytes]));
        Box::new(session)
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
