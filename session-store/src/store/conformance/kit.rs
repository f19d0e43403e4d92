//! Helpers for the conformance tests.

use crate::{
    Add, Bytes, Clock, Commit, Cursor, Digest, Done, FieldName, Found, Guard, Lease, Limit, Loaded,
    Op, Outcome, Page, Result, Select, Snapshot, Step, Store, Timeouts, Timestamp, Use, WhenFull,
    Write,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::Arc,
    task::Poll,
    thread,
    time::Duration,
};
use tokio::{runtime::Handle, sync::oneshot};

pub(super) type Subject = Arc<dyn Store>;

/// The lifetime of a test's session unless it chooses another.
pub(super) const LIFE: Duration = Duration::from_secs(24 * 3600);

/// The smallest unit of time.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// A store, the moment at which a test began, and the most common steps of a test.
pub(super) struct Case {
    pub(super) store: Subject,
    pub(super) start: Timestamp,
    /// The prefix of this test's index entries: the store may hold other sessions.
    salt: [u8; 16],
}

impl Case {
    pub(super) fn new(store: Subject) -> Self {
        Self::beginning(store, Clock::system().now())
    }

    /// A test whose clock is not the system's.
    pub(super) fn beginning(store: Subject, start: Timestamp) -> Self {
        let mut salt = [0; 16];
        fill(&mut salt);
        Self { store, start, salt }
    }

    /// The moment this many seconds after the start.
    pub(super) fn at(&self, seconds: u64) -> Timestamp {
        self.start.after(Duration::from_secs(seconds))
    }

    /// The deadlines after a use at this second.
    pub(super) fn lease(&self, seconds: u64) -> Lease {
        Timeouts::new(LIFE).lease(self.start, self.at(seconds))
    }

    /// The deadlines of a session that dies at this second.
    pub(super) fn ending(&self, seconds: u64) -> Lease {
        Lease {
            idle_deadline: self.at(seconds),
            ..self.lease(0)
        }
    }

    /// An index entry that no other test uses.
    pub(super) fn entry(&self, text: &str) -> Vec<u8> {
        [&self.salt, text.as_bytes()].concat()
    }

    /// A commit at the start, without changes yet.
    pub(super) fn commit(&self, id: Digest, step: Step) -> Commit<'static> {
        Commit::new(id, self.start, step)
    }

    /// A commit at this second, without changes yet.
    pub(super) fn commit_at(&self, seconds: u64, id: Digest, step: Step) -> Commit<'static> {
        Commit::new(id, self.at(seconds), step)
    }

    /// A step that creates a session at the start.
    pub(super) fn create(&self) -> Step {
        Step::create(self.start, self.lease(0))
    }

    /// A step that renews a session at the start, without a grace period.
    pub(super) fn renew(&self, to: Digest) -> Step {
        Step::renew(to, self.lease(0), None)
    }

    /// The outcome of a commit.
    pub(super) async fn apply(&self, commit: Commit<'_>) -> Outcome {
        match self.store.commit(commit).await {
            Ok(outcome) => outcome,
            Err(error) => panic!("a commit failed ({:?}): {error:?}", commit.step),
        }
    }

    /// The result of a commit that has to be applied.
    pub(super) async fn done(&self, commit: Commit<'_>, promise: &str) -> Done {
        done(self.apply(commit).await, promise)
    }

    /// A new session with these fields.
    pub(super) async fn session(&self, writes: &[Write]) -> Digest {
        self.session_with(self.lease(0), writes).await
    }

    /// A new session with this lease and these fields.
    pub(super) async fn session_with(&self, lease: Lease, writes: &[Write]) -> Digest {
        let id = fresh();
        let commit = self.commit(id, Step::create(self.start, lease));
        self.done(
            commit.with_writes(writes),
            "a session is created under a new digest",
        )
        .await;
        id
    }

    /// Writes fields at the start.
    pub(super) async fn write(&self, id: Digest, writes: &[Write]) -> Outcome {
        let commit = self.commit(id, Step::keep(None));
        self.apply(commit.with_writes(writes)).await
    }

    /// A session's id after a renewal, drawn as the core draws it: with the [home](Store::home) of the old one.
    pub(super) fn renewed(&self, old: Digest) -> Digest {
        let home = self.store.home(old);
        // There are 65,536 homes at most.
        for _ in 0..10_000_000 {
            let id = fresh();
            if self.store.home(id) == home {
                return id;
            }
        }
        panic!("every home has digests, but none was drawn for {home:?}");
    }

    pub(super) async fn load(&self, id: Digest, select: Select<'_>, now: Timestamp) -> Loaded {
        match self.store.load(id, select, now).await {
            Ok(loaded) => loaded,
            Err(error) => panic!("a load failed: {error:?}"),
        }
    }

    pub(super) async fn live(&self, id: Digest, now: Timestamp) -> Snapshot {
        match self.load(id, Select::All, now).await {
            Loaded::Live(snapshot) => snapshot,
            other => panic!("a session that should live does not: it is {other:?}"),
        }
    }

    /// Reads a session often enough that each of two handles has it in its cache, if it has one.
    pub(super) async fn warm(&self, id: Digest) {
        for _ in 0..4 {
            self.live(id, self.start).await;
        }
    }

    pub(super) async fn lease_of(&self, id: Digest, now: Timestamp) -> Lease {
        self.live(id, now).await.meta.lease
    }

    /// All fields of a live session, read by `Select::All` and name by name: both must agree.
    pub(super) async fn fields(&self, id: Digest, now: Timestamp) -> BTreeMap<String, Vec<u8>> {
        let fields = self.live(id, now).await.fields;
        let told = format!("{fields:?}");
        let Some(all) = fields.into_all() else {
            panic!("`Select::All` is answered by `Fields::all`, not {told}");
        };
        let names: Vec<_> = all.iter().map(|(name, _)| &**name).collect();
        let one_by_one = self.named(id, &names, now).await;
        for ((name, bytes), alone) in all.iter().zip(&one_by_one) {
            assert_eq!(
                Some(bytes),
                alone.as_ref(),
                "field {name:?} reads the same alone and among all"
            );
        }
        let count = all.len();
        let map: BTreeMap<_, _> = all
            .into_iter()
            .map(|(name, bytes)| (name.to_string(), bytes.to_vec()))
            .collect();
        assert_eq!(map.len(), count, "`Select::All` returns every field once");
        map
    }

    /// The values of a live session, in the order of the names.
    pub(super) async fn named(
        &self,
        id: Digest,
        names: &[&str],
        now: Timestamp,
    ) -> Vec<Option<Bytes>> {
        match self.load(id, Select::Names(names), now).await {
            Loaded::Live(Snapshot { fields, .. }) => fields.values(names).unwrap_or_else(|| {
                panic!(
                    "`Select::Names` of a live session is answered by `Fields::named` with a value for each name, \
                     or by all fields, not {fields:?}"
                )
            }),
            other => panic!("expected a live session, not {other:?}"),
        }
    }

    /// The sessions with an entry, in the order of their digests, read in pages of two.
    pub(super) async fn found(&self, field: &str, entry: &[u8], now: Timestamp) -> Vec<Digest> {
        let found = self.found_with_times(field, entry, now).await;
        found.into_iter().map(|found| found.id).collect()
    }

    /// Like [`found`](Self::found), with their times. A session may be listed twice, with the same times.
    pub(super) async fn found_with_times(
        &self,
        field: &str,
        entry: &[u8],
        now: Timestamp,
    ) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        let mut after = None;
        for _ in 0..10_000 {
            let page = self.find_page(field, entry, after.as_ref(), 2, now).await;
            let page = page.unwrap_or_else(|error| panic!("a look-up by index failed: {error:?}"));
            assert!(page.items.len() <= 2, "a page is within its limit");
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                found.sort_unstable_by_key(|found| found.id);
                found.dedup();
                let ids: BTreeSet<_> = found.iter().map(|found| found.id).collect();
                assert_eq!(
                    ids.len(),
                    found.len(),
                    "a session is found with its own times"
                );
                return found;
            }
        }
        panic!("the pages of a look-up never end");
    }

    pub(super) async fn find_page(
        &self,
        field: &str,
        entry: &[u8],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Found>> {
        self.store.find(field, entry, after, limit, now).await
    }

    /// A digest that is not live: missing, or ended.
    pub(super) async fn assert_dead(&self, id: Digest, now: Timestamp, promise: &str) {
        let loaded = self.load(id, Select::All, now).await;
        assert!(!matches!(loaded, Loaded::Live(_)), "{promise}: it lives");
    }

    pub(super) async fn assert_ended(
        &self,
        id: Digest,
        at: Timestamp,
        now: Timestamp,
        promise: &str,
    ) {
        match self.load(id, Select::All, now).await {
            Loaded::Ended(ended) => assert_eq!(ended, at, "{promise}: the time of the end"),
            other => panic!("{promise}: it is {other:?}, not `Ended`"),
        }
    }

    /// Sweeps until nothing is left to remove.
    pub(super) async fn sweep(&self, now: Timestamp) {
        for _ in 0..100_000 {
            match self.store.sweep(now, 100).await {
                Ok(swept) if swept.more => {}
                Ok(_) => return,
                Err(error) => panic!("a sweep failed: {error:?}"),
            }
        }
        panic!("a sweep never ends: it returned `more` a hundred thousand times");
    }

    /// Runs the same work on several threads at once, and returns the results. The calling task waits without blocking
    /// its runtime, which a store may need.
    pub(super) async fn race<T, F>(
        &self,
        threads: usize,
        work: impl Fn(Subject, usize) -> F + Send + Sync + 'static,
    ) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let work = Arc::new(work);
        let runtime = Handle::try_current().ok();
        let answers: Vec<_> = (0..threads)
            .map(|n| {
                let (answer, answered) = oneshot::channel();
                let (work, store, runtime) =
                    (Arc::clone(&work), Arc::clone(&self.store), runtime.clone());
                thread::spawn(move || {
                    let result = match runtime {
                        Some(runtime) => runtime.block_on(work(store, n)),
                        None => block_on(work(store, n)),
                    };
                    drop(answer.send(result));
                });
                answered
            })
            .collect();
        let mut results = Vec::new();
        for answer in answers {
            results.push(
                answer
                    .await
                    .expect("a thread of the race panicked: see above"),
            );
        }
        results
    }
}

/// A digest that was never used.
pub(super) fn fresh() -> Digest {
    let mut bytes = [0; 32];
    fill(&mut bytes);
    Digest::from_bytes(bytes)
}

/// Incompressible bytes.
pub(super) fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fill(&mut bytes);
    bytes
}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system's random generator works");
}

pub(super) fn name(name: &str) -> FieldName {
    FieldName::from(name.to_owned())
}

pub(super) fn set(field: &str, bytes: impl AsRef<[u8]>) -> Write {
    Write::set(name(field), Bytes::from(bytes.as_ref()))
}

pub(super) fn set_indexed(field: &str, bytes: impl AsRef<[u8]>, entry: impl AsRef<[u8]>) -> Write {
    set(field, bytes).with_index(Some(Bytes::from(entry.as_ref())))
}

pub(super) fn remove(field: &str) -> Write {
    Write::remove(name(field))
}

pub(super) fn add_to(field: &str, add: Add) -> Write {
    Write::add(name(field), add)
}

/// An addition by a caller that has read these bytes of the field.
pub(super) fn add_seen(field: &str, add: Add, seen: Option<Bytes>) -> Write {
    let seen = Some(seen);
    Write::new(name(field), Op::Add { add, seen })
}

pub(super) fn guard(field: &str, expected: Option<&[u8]>) -> Guard {
    Guard::new(name(field), expected.map(Bytes::from))
}

pub(super) fn limit(field: &str, entry: &[u8], most: usize, when_full: WhenFull) -> Limit {
    Limit::new(name(field), Bytes::from(entry), most, when_full)
}

/// A use under the timeouts of these tests that is due if it is later than the last one.
pub(super) fn usage() -> Use {
    Use::new(Timeouts::new(LIFE), Duration::ZERO)
}

/// Records a use that is due if it is later than the last one.
pub(super) fn used() -> Step {
    Step::keep(Some(usage()))
}

pub(super) fn map<const N: usize>(fields: [(&str, &str); N]) -> BTreeMap<String, Vec<u8>> {
    let field = |(name, bytes): (&str, &str)| (name.to_owned(), bytes.as_bytes().to_vec());
    fields.into_iter().map(field).collect()
}

#[track_caller]
pub(super) fn done(outcome: Outcome, promise: &str) -> Done {
    match outcome {
        Outcome::Done(done) => done,
        other => panic!("{promise}: the commit is {other:?}, not `Done`"),
    }
}

#[track_caller]
pub(super) fn gone(outcome: Outcome, promise: &str) {
    assert!(
        matches!(outcome, Outcome::Gone),
        "{promise}: the commit is {outcome:?}, not `Gone`"
    );
}

#[track_caller]
pub(super) fn exists(outcome: Outcome, promise: &str) {
    assert!(
        matches!(outcome, Outcome::Exists),
        "{promise}: the commit is {outcome:?}, not `Exists`"
    );
}

/// Polls a future up to this many times, each time after it was woken, and drops it then; returns its result if it
/// completed.
pub(super) async fn polled<T>(times: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Blocks this thread on a future.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    use std::task::{Context, Wake, Waker};
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}
