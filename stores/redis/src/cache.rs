//! Sessions that were read before, in this process's memory, for as long as the servers prove that they are unchanged.
//!
//! Reads that fill the cache use connections of their own, one for each server, which receive an invalidation when a
//! key changes that they read (`CLIENT TRACKING` in its default mode: the broadcasting mode notifies every process of
//! every write). Invalidations and responses on one connection arrive in the order in which the server sent them: so a
//! response proves that every invalidation for a change made before its request was sent has arrived. The response to
//! the read of a session is such a proof. If the last proof is too old, the store reads a key to get a new one. A
//! `PING` would not do: a node that has lost its slots responds to it, but rejects a read of a key.
//!
//! A place in the cache is taken before a read is sent, and an invalidation in between empties it: a response that was
//! overtaken is not cached.

use crate::{keys::Keys, listing, record::Record, servers::Servers};
use level_session_store::{
    Bytes, Digest, FieldName, Fields, Loaded, Result, Select, Snapshot, Timestamp, local::ByDigest,
    rules::Life,
};
use redis::{Cmd, Value, cmd};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The average size limit of a cached session in bytes: with their number, it bounds the memory.
const AVERAGE: usize = 4 * 1024;
/// A session larger than this is not cached.
const LARGEST: usize = 64 * 1024;
/// The overhead of a session in addition to names and values, and of a field, in bytes.
const EACH_SESSION: usize = 256;
const EACH_FIELD: usize = 64;
/// How many recently used sessions are skipped at most before one is evicted all the same.
const CHANCES: usize = 16;
const STRIPES: usize = 16;

/// The cache of a store: the cached sessions, and the servers that send invalidations.
pub(crate) struct Cache {
    pub(crate) kept: Arc<Kept>,
    servers: Servers,
    /// The servers that commits are sent to.
    leading: Arc<Servers>,
}

/// The cached sessions.
pub(crate) struct Kept {
    keys: Arc<Keys>,
    max_stale: Duration,
    stripes: Vec<Mutex<Stripe>>,
    began: Instant,
}

/// The state of a connection that receives invalidations: whether it is open, and its last proof.
pub(crate) struct Proof {
    alive: AtomicBool,
    /// When the last request that got a response was sent: nanoseconds since the cache was created. 0 is never.
    sent: AtomicU64,
    /// Whether a task is requesting a proof.
    asking: AtomicBool,
}

struct Stripe {
    places: HashMap<Digest, Place, ByDigest>,
    /// Each place once. The one in front is evicted next, unless it was used since it was moved to the back.
    queue: VecDeque<Digest>,
    capacity: usize,
    budget: usize,
    bytes: usize,
    tickets: u64,
    hits: u64,
}

#[derive(Default)]
struct Place {
    state: State,
    used: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Empty,
    /// The read with this ticket is in flight.
    Reading(u64),
    Whole(Arc<Whole>),
    /// It is not cached, and not read whole again before it changes.
    TooLarge,
}

/// A whole session.
pub(crate) struct Whole {
    life: Life,
    /// Sorted by name.
    fields: Vec<(FieldName, Bytes)>,
    bytes: usize,
    proof: Arc<Proof>,
}

/// What is known of a session without a request.
enum Look {
    /// Proven at most `max_stale` before.
    Fresh(Arc<Whole>),
    /// Proven longer before.
    Old,
    TooLarge,
    Nothing,
}

impl Proof {
    pub(crate) fn new() -> Self {
        Self {
            alive: AtomicBool::new(true),
            sent: AtomicU64::new(0),
            asking: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        self.alive.store(false, Ordering::Release);
    }

    /// A request that was sent at `sent` got a response. Call this only after the invalidations before the response
    /// were applied.
    fn proven(&self, sent: u64) {
        self.sent.fetch_max(sent, Ordering::AcqRel);
    }
}

impl Kept {
    pub(crate) fn new(keys: Arc<Keys>, sessions: usize, max_stale: Duration) -> Self {
        let stripes = STRIPES.min(sessions.max(1));
        let capacity = sessions.div_ceil(stripes);
        let stripe = || {
            Mutex::new(Stripe {
                places: HashMap::default(),
                queue: VecDeque::new(),
                capacity,
                budget: capacity.saturating_mul(AVERAGE).max(LARGEST),
                bytes: 0,
                tickets: 0,
                hits: 0,
            })
        };
        Self {
            keys,
            max_stale,
            stripes: (0..stripes).map(|_| stripe()).collect(),
            #[expect(
                clippy::disallowed_methods,
                reason = "the age of a server's proof is not a session's time"
            )]
            began: Instant::now(),
        }
    }

    /// Evicts this session, and invalidates a read of it in flight.
    pub(crate) fn forget(&self, id: Digest) {
        self.stripe(id).empty(&id);
    }

    /// A server invalidates keys: all of its keys, if it names none.
    pub(crate) fn changed(&self, proof: &Arc<Proof>, told: &[Value]) {
        for part in told {
            let Value::Array(keys) = part else {
                self.forget_all_of(proof);
                continue;
            };
            for key in keys {
                if let Value::BulkString(key) = key
                    && let Some(id) = self.keys.digest_of(key)
                {
                    self.forget(id);
                }
            }
        }
    }

    /// Evicts everything that this connection read, and invalidates its reads in flight.
    pub(crate) fn forget_all_of(&self, proof: &Arc<Proof>) {
        for stripe in &self.stripes {
            let mut stripe = lock(stripe);
            let mut freed = 0;
            for place in stripe.places.values_mut() {
                match &place.state {
                    State::Whole(whole) if !Arc::ptr_eq(&whole.proof, proof) => {}
                    State::Whole(whole) => {
                        freed += whole.bytes;
                        place.state = State::Empty;
                    }
                    _ => place.state = State::Empty,
                }
            }
            stripe.bytes -= freed;
        }
    }

    /// The number of reads from the cache.
    pub(crate) fn hits(&self) -> u64 {
        self.stripes.iter().map(|stripe| lock(stripe).hits).sum()
    }

    /// The number of sessions, and their bytes.
    #[cfg(test)]
    fn size(&self) -> (usize, usize) {
        let stripes = self.stripes.iter().map(lock);
        stripes.fold((0, 0), |(places, bytes), stripe| {
            assert_eq!(stripe.places.len(), stripe.queue.len());
            (places + stripe.places.len(), bytes + stripe.bytes)
        })
    }

    fn moment(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn stripe(&self, id: Digest) -> MutexGuard<'_, Stripe> {
        // The first bits choose the home.
        lock(&self.stripes[usize::from(id.as_bytes()[30]) % self.stripes.len()])
    }

    /// How long before `at` the last proof was requested, if that is not too long.
    fn age(&self, proof: &Proof, at: u64) -> Option<Duration> {
        let sent = proof.sent.load(Ordering::Acquire);
        let age = Duration::from_nanos(at.saturating_sub(sent));
        (sent > 0 && age <= self.max_stale).then_some(age)
    }

    fn look(&self, id: Digest, at: u64) -> Look {
        let mut stripe = self.stripe(id);
        let Some(place) = stripe.places.get_mut(&id) else {
            return Look::Nothing;
        };
        match &place.state {
            State::Whole(whole) if whole.proof.is_alive() => {
                place.used = true;
                let whole = Arc::clone(whole);
                if self.age(&whole.proof, at).is_none() {
                    return Look::Old;
                }
                stripe.hits += 1;
                Look::Fresh(whole)
            }
            State::TooLarge => Look::TooLarge,
            _ => Look::Nothing,
        }
    }

    /// Takes a place for a session that is about to be read.
    fn begin(&self, id: Digest) -> u64 {
        let mut stripe = self.stripe(id);
        stripe.tickets += 1;
        let ticket = stripe.tickets;
        stripe.empty(&id);
        if !stripe.places.contains_key(&id) {
            while stripe.queue.len() >= stripe.capacity {
                stripe.evict();
            }
            stripe.queue.push_back(id);
            stripe.places.insert(id, Place::default());
        }
        if let Some(place) = stripe.places.get_mut(&id) {
            place.state = State::Reading(ticket);
        }
        ticket
    }

    /// Caches a session that was read, unless its place was emptied meanwhile. `None` is a result that is not cached.
    fn end(&self, id: Digest, ticket: u64, whole: Option<Arc<Whole>>) {
        let mut stripe = self.stripe(id);
        let Some(place) = stripe.places.get_mut(&id) else {
            return;
        };
        if !matches!(place.state, State::Reading(own) if own == ticket) {
            return;
        }
        place.state = match whole {
            None => State::Empty,
            Some(whole) if whole.bytes > LARGEST => State::TooLarge,
            Some(whole) => {
                let bytes = whole.bytes;
                place.state = State::Whole(whole);
                stripe.bytes += bytes;
                while stripe.bytes > stripe.budget {
                    stripe.evict();
                }
                return;
            }
        };
    }
}

impl Stripe {
    fn empty(&mut self, id: &Digest) {
        if let Some(place) = self.places.get_mut(id)
            && let State::Whole(whole) = std::mem::take(&mut place.state)
        {
            self.bytes -= whole.bytes;
        }
    }

    /// Evicts the first session that was not used since its last turn, or the next one if many were used.
    fn evict(&mut self) {
        for chances in (0..=CHANCES.min(self.queue.len())).rev() {
            let Some(id) = self.queue.pop_front() else {
                return;
            };
            let used = self.places.get_mut(&id).map(|place| &mut place.used);
            if used.is_some_and(std::mem::take) && chances > 0 {
                self.queue.push_back(id);
                continue;
            }
            self.empty(&id);
            self.places.remove(&id);
            return;
        }
    }
}

impl Whole {
    fn new(life: Life, mut fields: Vec<(FieldName, Bytes)>, proof: Arc<Proof>) -> Self {
        fields.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let sizes = fields.iter();
        let sizes = sizes.map(|(name, value)| EACH_FIELD + name.len() + value.len());
        Self {
            bytes: EACH_SESSION + sizes.sum::<usize>(),
            life,
            fields,
            proof,
        }
    }

    fn pick(&self, select: Select<'_>) -> Fields {
        let stored = |name: &str| {
            let at = self
                .fields
                .binary_search_by(|(field, _)| (**field).cmp(name));
            at.ok().map(|at| self.fields[at].1.clone())
        };
        Fields::pick(select, stored, self.fields.iter().cloned())
    }
}

impl Cache {
    pub(crate) fn new(kept: Arc<Kept>, servers: Servers, leading: Arc<Servers>) -> Arc<Self> {
        Arc::new(Self {
            kept,
            servers,
            leading,
        })
    }

    async fn ask(&self, id: Digest, command: &Cmd) -> Option<(Value, Arc<Proof>)> {
        let home = self.kept.keys.home(id);
        self.servers.once(&self.leading, home, command).await
    }

    /// Whether every server sends invalidations.
    ///
    /// # Errors
    /// If one does not.
    pub(crate) async fn check(&self) -> Result<()> {
        for link in self.servers.masters().await? {
            link.connect_now().await?;
        }
        Ok(())
    }

    /// A cached session that needs no request, by its current id.
    pub(crate) fn at_hand(
        self: &Arc<Self>,
        id: Digest,
        select: Select<'_>,
        now: Timestamp,
    ) -> Option<Loaded> {
        let at = self.kept.moment();
        let Look::Fresh(whole) = self.kept.look(id, at) else {
            return None;
        };
        self.prove_ahead(id, &whole.proof, at);
        Some(match whole.life.is_live(now) {
            true => Loaded::Live(Snapshot::new(whole.life.meta(now), whole.pick(select))),
            false => Loaded::Missing,
        })
    }

    /// The record of an id. `None` if the cache cannot tell: then the session's server must be asked.
    pub(crate) async fn record(
        &self,
        id: Digest,
        select: Select<'_>,
    ) -> Option<Option<(Record, Fields)>> {
        let found = |whole: &Whole| Some((Record::Live(whole.life), whole.pick(select)));
        let at = self.kept.moment();
        match self.kept.look(id, at) {
            Look::Fresh(whole) => return Some(found(&whole)),
            Look::Old => {
                // What is cached afterwards is as current as the beginning of this call.
                if self.prove(id).await
                    && let Look::Fresh(whole) = self.kept.look(id, at)
                {
                    return Some(found(&whole));
                }
            }
            Look::TooLarge => return None,
            Look::Nothing => {}
        }
        let ticket = self.kept.begin(id);
        let sent = self.kept.moment();
        let mut read = cmd("HGETALL");
        read.arg(self.kept.keys.session(id));
        let (answer, proof) = self.ask(id, &read).await?;
        proof.proven(sent);
        // A response that cannot be parsed is requested again without the cache, and is an error there.
        let read = listing::read(answer, Select::All).ok()?;
        let (record, fields) = match read {
            Some((Record::Live(life), fields)) => (life, fields.into_all()?),
            other => {
                self.kept.end(id, ticket, None);
                return Some(other.map(|(record, _)| (record, Fields::nothing())));
            }
        };
        let whole = Arc::new(Whole::new(record, fields, proof));
        self.kept.end(id, ticket, Some(Arc::clone(&whole)));
        Some(found(&whole))
    }

    /// Whether the server of this session proves that all its invalidations have arrived.
    async fn prove(&self, id: Digest) -> bool {
        let sent = self.kept.moment();
        let mut look = cmd("EXISTS");
        look.arg(self.kept.keys.session(id));
        match self.ask(id, &look).await {
            Some((_, proof)) => {
                proof.proven(sent);
                true
            }
            None => false,
        }
    }

    /// Requests the next proof before the last one is too old, without delaying any read.
    fn prove_ahead(self: &Arc<Self>, id: Digest, proof: &Arc<Proof>, at: u64) {
        let is_young = |age: Duration| age * 2 <= self.kept.max_stale;
        if self.kept.age(proof, at).is_none_or(is_young) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if proof.asking.swap(true, Ordering::AcqRel) {
            return;
        }
        let (this, proof) = (Arc::clone(self), Arc::clone(proof));
        runtime.spawn(async move {
            this.prove(id).await;
            proof.asking.store(false, Ordering::Release);
        });
    }
}

fn lock(stripe: &Mutex<Stripe>) -> MutexGuard<'_, Stripe> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use level_session_store::Lease;

    const STALE: u64 = 1_000;

    fn kept(sessions: usize) -> Kept {
        let keys = Arc::new(Keys::new("s", 1));
        Kept::new(keys, sessions, Duration::from_nanos(STALE))
    }

    fn id(n: u32) -> Digest {
        Digest::of("test", &n.to_le_bytes())
    }

    fn whole(bytes: usize, proof: &Arc<Proof>) -> Option<Arc<Whole>> {
        let never = Timestamp::MAX;
        let life = Life {
            created: never,
            lease: Lease::new(never, never, never, None),
            former: None,
        };
        let fields = vec![(FieldName::from_static("f"), Bytes::from(vec![0; bytes]))];
        Some(Arc::new(Whole::new(life, fields, Arc::clone(proof))))
    }

    fn put(kept: &Kept, id: Digest, proof: &Arc<Proof>) {
        let ticket = kept.begin(id);
        kept.end(id, ticket, whole(1, proof));
    }

    fn fresh(kept: &Kept, id: Digest, at: u64) -> bool {
        matches!(kept.look(id, at), Look::Fresh(_))
    }

    fn told(kept: &Kept, id: Digest) -> Vec<Value> {
        vec![Value::Array(vec![Value::BulkString(kept.keys.session(id))])]
    }

    #[test]
    fn nothing_is_fresh_without_a_proof_nor_for_longer_than_it_holds() {
        let (kept, proof) = (kept(10), Arc::new(Proof::new()));
        put(&kept, id(1), &proof);
        assert!(!fresh(&kept, id(1), 1), "no response has arrived yet");
        proof.proven(5_000);
        assert!(fresh(&kept, id(1), 5_000 + STALE));
        assert!(!fresh(&kept, id(1), 5_001 + STALE));
        assert!(matches!(kept.look(id(1), 5_001 + STALE), Look::Old));
        proof.proven(6_000);
        assert!(fresh(&kept, id(1), 6_000 + STALE));
        proof.proven(5_500);
        assert!(
            fresh(&kept, id(1), 6_000 + STALE),
            "an older proof does not replace a newer one"
        );
        assert_eq!(kept.hits(), 3);
    }

    #[test]
    fn a_change_that_is_told_before_the_answer_is_taken_in_keeps_it_out() {
        let (kept, proof) = (kept(10), Arc::new(Proof::new()));
        proof.proven(1);
        for overtaken in [true, false] {
            let ticket = kept.begin(id(1));
            if overtaken {
                kept.changed(&proof, &told(&kept, id(1)));
            }
            kept.end(id(1), ticket, whole(1, &proof));
            assert_eq!(fresh(&kept, id(1), 1), !overtaken);
        }
        let (first, second) = (kept.begin(id(2)), kept.begin(id(2)));
        kept.changed(&proof, &told(&kept, id(2)));
        let third = kept.begin(id(2));
        for ticket in [first, second] {
            kept.end(id(2), ticket, whole(1, &proof));
            assert!(
                !fresh(&kept, id(2), 1),
                "a later read's place is not an earlier one's"
            );
        }
        kept.end(id(2), third, whole(1, &proof));
        assert!(fresh(&kept, id(2), 1));
    }

    #[test]
    fn what_is_told_is_forgotten_and_all_of_it_when_no_key_is_named() {
        let (kept, proof) = (kept(10), Arc::new(Proof::new()));
        let other = Arc::new(Proof::new());
        proof.proven(1);
        other.proven(1);
        put(&kept, id(1), &proof);
        put(&kept, id(2), &proof);
        put(&kept, id(3), &other);
        kept.changed(&proof, &told(&kept, id(1)));
        assert!(!fresh(&kept, id(1), 1) && fresh(&kept, id(2), 1));
        kept.changed(&proof, &[Value::Nil]);
        assert!(!fresh(&kept, id(2), 1) && fresh(&kept, id(3), 1));
    }

    #[test]
    fn what_a_broken_connection_read_is_forgotten() {
        let (kept, proof) = (kept(10), Arc::new(Proof::new()));
        proof.proven(1);
        put(&kept, id(1), &proof);
        let ticket = kept.begin(id(2));
        proof.end();
        assert!(!fresh(&kept, id(1), 1));
        kept.forget_all_of(&proof);
        assert_eq!(kept.size().1, 0);
        kept.end(id(2), ticket, whole(1, &proof));
        assert!(!fresh(&kept, id(2), 1));
    }

    #[test]
    fn number_and_bytes_are_bounded_and_what_is_used_stays() {
        let (kept, proof) = (kept(64), Arc::new(Proof::new()));
        proof.proven(1);
        put(&kept, id(0), &proof);
        for n in 1..10_000 {
            put(&kept, id(n), &proof);
            assert!(fresh(&kept, id(0), 1), "after {n} others");
        }
        let (sessions, bytes) = kept.size();
        assert_eq!((sessions, bytes > 0), (64, true));
        for n in 0..1_000 {
            let ticket = kept.begin(id(n));
            kept.end(id(n), ticket, whole(LARGEST / 2, &proof));
            let (sessions, bytes) = kept.size();
            assert!(
                sessions <= 64 && bytes <= STRIPES * LARGEST,
                "{sessions} {bytes}"
            );
        }
        let ticket = kept.begin(id(1));
        kept.end(id(1), ticket, whole(LARGEST, &proof));
        assert!(matches!(kept.look(id(1), 1), Look::TooLarge));
        kept.forget(id(1));
        assert!(matches!(kept.look(id(1), 1), Look::Nothing));
        (0..10_000).for_each(|n| kept.forget(id(n)));
        assert_eq!(kept.size().1, 0, "evicted sessions take no bytes");
    }
}
