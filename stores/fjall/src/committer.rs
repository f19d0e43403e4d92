//! Commits on a separate thread: under `Sync`, where all waiting commits share one fsync; otherwise those that would
//! have to wait on the calling thread.

use super::{gate::Patience, shared::Shared};
use level_session_store::{
    Clear, Commit, Digest, Error, ErrorKind, Guard, Limit, Outcome, Result, Step, StoreFuture,
    Timestamp, Write, rules,
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};
use tokio::sync::oneshot;

/// The maximum number of commits that share one fsync.
const MOST: usize = 1024;

/// A thread that applies commits, and makes them durable under [`Durability::Sync`](crate::Durability::Sync).
///
/// Under `Sync` it also applies them, rather than only waiting for the fsync: fjall holds the lock that every write
/// takes while it syncs, and a task that writes meanwhile would block its runtime thread for as long.
pub(super) struct Committer {
    shared: Arc<Shared>,
    queue: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Job {
    commit: Owned,
    answer: oneshot::Sender<Result<Outcome>>,
}

/// A commit that can be sent to another thread.
struct Owned {
    id: Digest,
    now: Timestamp,
    ended_at: Timestamp,
    others_ended_at: Timestamp,
    step: Step,
    clear: Clear,
    guards: Vec<Guard>,
    writes: Vec<Write>,
    limits: Vec<Limit>,
    max_fields: Option<usize>,
}

impl Committer {
    pub(super) fn start(shared: Arc<Shared>, syncs: bool) -> Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("session-commit".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || run(&shared, &jobs, syncs)
            })
            .map_err(|cause| {
                Error::store("cannot start the session store's commit thread", cause)
            })?;
        Ok(Self {
            shared,
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(super) fn commit<'a>(&'a self, commit: &Commit<'_>) -> StoreFuture<'a, Outcome> {
        let commit = Owned::from(commit);
        StoreFuture::boxed(async move {
            let (answer, answered) = oneshot::channel();
            {
                let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                let queue = queue.as_ref().ok_or_else(rules::closed)?;
                let gate = self.shared.gate();
                gate.queue();
                queue.send(Job { commit, answer }).map_err(|_| {
                    gate.carried_out(1);
                    ended()
                })?;
            }
            answered.await.map_err(|_| ended())?
        })
    }

    /// Completes the waiting commits, and stops the thread.
    pub(super) fn stop(&self) {
        drop(
            self.queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the session store's commit thread panicked");
        }
    }
}

fn run(shared: &Shared, jobs: &Receiver<Job>, syncs: bool) {
    while let Ok(first) = jobs.recv() {
        if syncs {
            let jobs = std::iter::once(first).chain(jobs.try_iter().take(MOST - 1));
            carry_out_together(shared, jobs.collect());
        } else {
            let outcome = carry_out(shared, &first);
            shared.gate().carried_out(1);
            first.answer(shared, outcome);
        }
    }
}

fn carry_out(shared: &Shared, job: &Job) -> Result<(Outcome, Digest)> {
    let _turn = shared.gate().enter();
    shared
        .write(|engine| engine.write(&job.commit.borrow(), Patience::Waits))
        .and_then(|written| written.ok_or_else(ended))
}

/// Completes commits when all of them are on disk.
fn carry_out_together(shared: &Shared, jobs: Vec<Job>) {
    let outcomes: Vec<_> = jobs.iter().map(|job| carry_out(shared, job)).collect();
    let is_written = |outcome: &Result<(Outcome, Digest)>| matches!(outcome, Ok((outcome, _)) if outcome.is_done());
    let failed = match outcomes.iter().any(is_written) {
        true => shared.write(|engine| engine.persist()).err(),
        false => None,
    };
    // A refused commit was refused in view of the others' writes, so it waits for them as well.
    let failed = failed.map(Arc::new);
    shared.gate().carried_out(jobs.len());
    for (job, outcome) in jobs.into_iter().zip(outcomes) {
        let outcome = match (&failed, outcome) {
            (Some(cause), Ok((outcome, _))) if outcome.is_done() => Err(undurable(cause)),
            (_, outcome) => outcome,
        };
        job.answer(shared, outcome);
    }
}

impl Job {
    fn answer(self, shared: &Shared, outcome: Result<(Outcome, Digest)>) {
        let outcome = outcome.map(|(outcome, current)| {
            shared.tell_ended(self.commit.step, current, &outcome);
            outcome
        });
        let _ = self.answer.send(outcome); // if no task waits any more, it is stored all the same
    }
}

fn undurable(cause: &Arc<Error>) -> Error {
    Error::uncertain(
        "the commit was written, but may not be on disk",
        Arc::clone(cause) as Arc<dyn std::error::Error + Send + Sync>,
    )
}

fn ended() -> Error {
    Error::new(
        ErrorKind::Store,
        "the session store's commit thread ended before the commit completed: close the store and open it again",
    )
}

impl From<&Commit<'_>> for Owned {
    fn from(commit: &Commit<'_>) -> Self {
        Self {
            id: commit.id,
            now: commit.now,
            ended_at: commit.ended_at,
            others_ended_at: commit.others_ended_at,
            step: commit.step,
            clear: commit.clear,
            guards: commit.guards.to_vec(),
            writes: commit.writes.to_vec(),
            limits: commit.limits.to_vec(),
            max_fields: commit.max_fields,
        }
    }
}

impl Owned {
    fn borrow(&self) -> Commit<'_> {
        Commit::new(self.id, self.now, self.step)
            .with_ended_at(self.ended_at)
            .with_others_ended_at(self.others_ended_at)
            .with_clear(self.clear)
            .with_guards(&self.guards)
            .with_writes(&self.writes)
            .with_limits(&self.limits)
            .with_max_fields(self.max_fields)
    }
}
