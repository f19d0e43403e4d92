//! What the promises are written with.

use crate::{
    clock::{Clock, Timestamp},
    store::{
        Bytes, Commit, Digest, FieldName, Fields, Guard, Lease, Loaded, Op, Outcome, Select,
        Snapshot, Step, Store, Write,
    },
};
use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};
use tokio::{runtime::Handle, sync::oneshot};

pub(super) type Subject = Arc<dyn Store>;

/// How long the sessions of these tests live if nothing else is said.
pub(super) const LIFE: Duration = Duration::from_secs(24 * 3600);

/// A store, the moment at which a test began, and what it does most often.
pub(super) struct Bench {
    pub(super) store: Subject,
    pub(super) start: Timestamp,
}

impl Bench {
    pub(super) fn new(store: Subject) -> Self {
        let start = Clock::system().now();
        Self { store, start }
    }

    /// The moment so many seconds after the start.
    pub(super) fn at(&self, seconds: u64) -> Timestamp {
        self.start.after(Duration::from_secs(seconds))
    }

    /// The deadlines after a use at that second.
    pub(super) fn lease(&self, seconds: u64) -> Lease {
        Lease {
            started: self.start,
            seen: self.at(seconds),
            idle_deadline: self.at(seconds).after(LIFE),
            absolute_deadline: None,
        }
    }

    /// A commit at the start that changes nothing yet.
    pub(super) fn commit(&self, id: Digest, step: Step) -> Commit<'static> {
        Commit {
            id,
            now: self.start,
            ended_at: self.start,
            step,
            clear: false,
            lease: match step {
                Step::Create { .. } | Step::Renew { .. } => Some(self.lease(0)),
                Step::Keep | Step::Destroy => None,
            },
            guards: &[],
            writes: &[],
        }
    }

    pub(super) fn create(&self) -> Step {
        Step::Create {
            created: self.start,
        }
    }

    pub(super) async fn apply(&self, commit: Commit<'_>) -> Outcome {
        let doing = format!("{:?}", commit.step);
        let ended_at = commit.ended_at.max(commit.now);
        let commit = Commit { ended_at, ..commit };
        match self.store.commit(commit).await {
            Ok(outcome) => outcome,
            Err(error) => panic!("a commit failed ({doing}): {error:?}"),
        }
    }

    /// A new session with these fields.
    pub(super) async fn session(&self, writes: &[Write]) -> Digest {
        let id = fresh();
        let mut commit = self.commit(id, self.create());
        commit.writes = writes;
        done(
            self.apply(commit).await,
            "a session is created under a digest that is new",
        );
        id
    }

    /// Writes fields at the start.
    pub(super) async fn write(&self, id: Digest, writes: &[Write]) -> Outcome {
        let mut commit = self.commit(id, Step::Keep);
        commit.writes = writes;
        self.apply(commit).await
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

    /// All fields of a session that lives, read by `Select::All` and name by name: both must say the same.
    pub(super) async fn fields(&self, id: Digest, now: Timestamp) -> BTreeMap<String, Vec<u8>> {
        let all = match self.live(id, now).await.fields {
            Fields::All(all) => all,
            other => panic!("`Select::All` is answered by `Fields::All`, not {other:?}"),
        };
        let names: Vec<_> = all.iter().map(|(name, _)| name.clone()).collect();
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
        assert_eq!(map.len(), count, "`Select::All` gives every field once");
        map
    }

    pub(super) async fn named(
        &self,
        id: Digest,
        names: &[FieldName],
        now: Timestamp,
    ) -> Vec<Option<Bytes>> {
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        match self.load(id, Select::Names(&names), now).await {
            Loaded::Live(Snapshot { fields, .. }) => fields.named(&names).unwrap_or_else(|| {
                panic!(
                    "`Select::Names` of a live session is answered by `Fields::Named` with a value for each name, \
                     or by `Fields::View` with all of them, not {fields:?}"
                )
            }),
            other => panic!("a session that lives is not loaded, but {other:?}"),
        }
    }

    pub(super) async fn found(&self, field: &str, entry: &[u8], now: Timestamp) -> Vec<Digest> {
        match self.store.find(field, entry, now).await {
            Ok(found) => found.into_iter().map(|(id, _)| id).collect(),
            Err(error) => panic!("a look-up by index failed: {error:?}"),
        }
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

    /// Sweeps until there is no more to do. Returns how many sessions were removed.
    pub(super) async fn sweep(&self, now: Timestamp) -> usize {
        let mut sessions = 0;
        for _ in 0..100_000 {
            match self.store.sweep(now, 100).await {
                Ok(swept) => {
                    sessions += swept.sessions;
                    if !swept.more {
                        return sessions;
                    }
                }
                Err(error) => panic!("a sweep failed: {error:?}"),
            }
        }
        panic!("a sweep comes to an end: `more` was answered a hundred thousand times");
    }

    /// Runs the same work on several threads at once, and gives their results. The calling task waits without
    /// stopping its runtime, which a store may need.
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

/// A digest that nobody has used.
pub(super) fn fresh() -> Digest {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    Digest::from_bytes(bytes)
}

pub(super) fn name(name: &str) -> FieldName {
    FieldName::Shared(Arc::from(name))
}

pub(super) fn set(field: &str, bytes: impl AsRef<[u8]>) -> Write {
    write(field, Op::Set(Bytes::from(bytes.as_ref())))
}

pub(super) fn set_indexed(field: &str, bytes: impl AsRef<[u8]>, entry: impl AsRef<[u8]>) -> Write {
    Write {
        index: Some(Bytes::from(entry.as_ref())),
        ..set(field, bytes)
    }
}

pub(super) fn remove(field: &str) -> Write {
    write(field, Op::Remove)
}

pub(super) fn write(field: &str, op: Op) -> Write {
    Write {
        field: name(field),
        op,
        index: None,
    }
}

pub(super) fn guard(field: &str, expected: Option<&[u8]>) -> Guard {
    Guard {
        field: name(field),
        expected: expected.map(Bytes::from),
    }
}

pub(super) fn map<const N: usize>(fields: [(&str, &str); N]) -> BTreeMap<String, Vec<u8>> {
    let field = |(name, bytes): (&str, &str)| (name.to_owned(), bytes.as_bytes().to_vec());
    fields.into_iter().map(field).collect()
}

#[track_caller]
pub(super) fn done(outcome: Outcome, promise: &str) {
    assert!(
        matches!(outcome, Outcome::Done),
        "{promise}: the commit is {outcome:?}, not `Done`"
    );
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

/// Waits for a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    use std::task::{Context, Poll, Wake, Waker};
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}
