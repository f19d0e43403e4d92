//! The engine, for as long as the store is open, and the background threads.

use super::{
    engine::Engine,
    fault,
    gate::Gate,
    recovery::{self, Recovery},
    upkeep,
};
use level_session_store::{
    Clock, Digest, Error, ErrorKind, Outcome, Result, Step, Swept, Timestamp, WatchList,
    local::Striped, rules,
};
use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How many sessions are swept before the sweeper checks whether it should stop.
const SWEEP_AT_ONCE: usize = 256;

/// The state that the store and its threads share. A thread that uses the engine holds the lock of its stripe for
/// reading, so that closing, which takes all of them for writing, waits for calls in flight.
pub(super) struct Shared {
    engine: Striped<RwLock<Lifecycle>>,
    expired: WatchList,
    ended: WatchList,
    recovery: Recovery,
    gate: Arc<Gate>,
    /// The process that opened the database: a fork of it has neither its threads nor its lock.
    process: AtomicU32,
}

#[derive(Clone)]
enum Lifecycle {
    Open(Arc<Engine>),
    /// The database was released and could not be reopened yet.
    Lost,
    Closed,
}

impl Shared {
    /// The engine's gate.
    pub(super) fn new(engine: Engine, recovery: Recovery) -> Self {
        let gate = Arc::clone(engine.gate());
        let state = Lifecycle::Open(Arc::new(engine));
        Self {
            engine: Striped::new(|| RwLock::new(state.clone())),
            expired: WatchList::default(),
            ended: WatchList::default(),
            recovery,
            gate,
            process: AtomicU32::new(std::process::id()),
        }
    }

    /// Admits a read, even if the database accepts no writes; an error affects only this read.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Engine) -> Result<T>) -> Result<T> {
        let lane = self.engine.mine();
        let state = lane.read().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            Lifecycle::Open(engine) => work(engine),
            Lifecycle::Lost => Err(self.recovery.lost()),
            Lifecycle::Closed => Err(rules::closed()),
        }
    }

    /// Rejects a write by a fork of the process: it would write to files that the parent writes as well, or, under
    /// [`Durability::Sync`](crate::Durability::Sync), wait for a thread that the fork does not have.
    pub(super) fn is_of_this_process(&self) -> Result<()> {
        match self.process.load(Ordering::Relaxed) == std::process::id() {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Store,
                "this process is a fork of the one that opened the session store, so nothing is written; \
                 open the store after the fork, in one process",
            )),
        }
    }

    /// Pretends that this process is a fork.
    #[cfg(test)]
    pub(super) fn fork(&self) {
        self.process.fetch_add(1, Ordering::Relaxed);
    }

    /// Admits a write. While the database accepts no writes, the call is rejected before it changes anything.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Engine) -> Result<T>) -> Result<T> {
        self.is_of_this_process()?;
        if self.recovery.is_due() {
            return Err(self.recovery.refuse());
        }
        self.with(|engine| {
            work(engine).inspect_err(|error| {
                if engine.has_failed() {
                    self.recovery.begin(error);
                }
            })
        })
    }

    /// Releases a database that accepts no more writes, and reopens it. No call waits for it: until it is open, calls
    /// are rejected. Checks that can be made beforehand are made while reads continue.
    pub(super) fn reopen(&self) -> Result<()> {
        self.recovery.rehearse()?;
        let Some(former) = self.replace(&Lifecycle::Lost) else {
            return Ok(());
        };
        drop(former); // fjall admits one database at a time, and closing may take a while
        let engine = Arc::new(self.recovery.open()?);
        self.replace(&Lifecycle::Open(engine));
        Ok(())
    }

    /// Replaces the state, unless the store is closed, and returns the former one.
    fn replace(&self, by: &Lifecycle) -> Option<Lifecycle> {
        let mut lanes = self.lock();
        let former = lanes.first().map(|state| (**state).clone())?;
        if matches!(former, Lifecycle::Closed) {
            return None;
        }
        set(&mut lanes, by);
        Some(former)
    }

    pub(super) fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Exclusive access to the engine, once all calls have left it. The stripes are locked in their order.
    fn lock(&self) -> Vec<RwLockWriteGuard<'_, Lifecycle>> {
        let lock = |lane| RwLock::write(lane).unwrap_or_else(PoisonError::into_inner);
        self.engine.iter().map(lock).collect()
    }

    /// The gate that decides which writes run inline.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Removes up to `limit` dead sessions, and notifies the watchers.
    pub(super) fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.write(|engine| engine.sweep(now, limit, |id| self.expired.tell(id)))
    }

    /// Notifies the watchers of the sessions that a commit has ended, once it is as durable as configured.
    pub(super) fn tell_ended(&self, step: Step, current: Digest, outcome: &Outcome) {
        let Outcome::Done(done) = outcome else { return };
        if matches!(step, Step::Destroy | Step::Renew { .. }) {
            self.ended.tell(current);
        }
        done.ended.iter().for_each(|id| self.ended.tell(*id));
    }

    /// The watchers of expired sessions that were removed.
    pub(super) fn expired(&self) -> &WatchList {
        &self.expired
    }

    /// The watchers of sessions that were ended.
    pub(super) fn ended(&self) -> &WatchList {
        &self.ended
    }

    /// Makes everything durable and releases the database. If the store opened it itself, it also prepares a fast next
    /// start.
    pub(super) fn close(&self) -> Result<()> {
        let mut lanes = self.lock();
        let state = lanes.first().map(|state| (**state).clone());
        set(&mut lanes, &Lifecycle::Closed);
        drop(lanes);
        match state {
            Some(Lifecycle::Open(engine)) => {
                engine.persist()?;
                if self.recovery.is_possible()
                    && let Err(error) = self.shorten_the_next_start(engine)
                {
                    warn("the next start of the session store takes longer", &error);
                }
                Ok(())
            }
            Some(Lifecycle::Lost | Lifecycle::Closed) | None => Ok(()),
        }
    }

    /// Releases the database, and leaves no long journal behind.
    fn shorten_the_next_start(&self, engine: Arc<Engine>) -> Result<()> {
        let superfluous = engine.flush()?;
        drop(engine); // the last reference: the stripes have released theirs
        let root = self.recovery.path();
        superfluous
            .map_or(Ok(()), |journal| journal.empty(root))
            .map_err(|cause| fault::error("empty the journal of", root, cause.into()))
    }
}

fn set(lanes: &mut [RwLockWriteGuard<'_, Lifecycle>], to: &Lifecycle) {
    for state in lanes {
        **state = to.clone();
    }
}

/// Threads that run at intervals until they are stopped.
#[derive(Default)]
pub(super) struct Workers {
    stop: Arc<Stop>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
pub(super) struct Stop {
    told: Mutex<bool>,
    wake: Condvar,
}

impl Workers {
    /// Removes dead sessions at intervals. A failure is retried at the next one.
    pub(super) fn sweep(&self, shared: Arc<Shared>, clock: Clock, every: Duration) -> Result<()> {
        self.start("session-sweep", every, move |stop| {
            sweep_round(&shared, &clock, || stop.is_told());
        })
    }

    /// Makes writes durable at intervals.
    pub(super) fn persist(&self, shared: Arc<Shared>, every: Duration) -> Result<()> {
        self.start("session-persist", every, move |_| {
            if !shared.recovery.is_due() {
                upkeep::sync(&shared); // an outage is logged elsewhere
            }
        })
    }

    /// Syncs and flushes at times that the store chooses.
    pub(super) fn keep_up(&self, shared: Arc<Shared>, flush_at: u64) -> Result<()> {
        self.spawn("session-upkeep", move |stop| {
            upkeep::attend(&shared, flush_at, stop);
        })
    }

    /// Reopens a database that accepts no more writes.
    pub(super) fn recover(&self, shared: Arc<Shared>) -> Result<()> {
        self.spawn("session-recovery", move |_| recovery::attend(&shared))
    }

    /// Waits for the threads to exit.
    pub(super) fn stop(&self) {
        *self
            .stop
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.wake.notify_all();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a background thread of the session store panicked");
            }
        }
    }

    fn start(
        &self,
        name: &str,
        every: Duration,
        mut work: impl FnMut(&Stop) + Send + 'static,
    ) -> Result<()> {
        if every.is_zero() {
            return Err(Error::new(
                ErrorKind::Config,
                "an interval of the session store is zero: use at least one millisecond",
            ));
        }
        self.spawn(name, move |stop| {
            while !stop.is_told_within(every) {
                work(stop);
            }
        })
    }

    fn spawn(&self, name: &str, work: impl FnOnce(&Stop) + Send + 'static) -> Result<()> {
        let stop = Arc::clone(&self.stop);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&stop))
            .map_err(|cause| Error::store("cannot start a thread of the session store", cause))?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }
}

/// Removes dead sessions in small batches, until there are none left or the store is closed.
pub(super) fn sweep_round(shared: &Shared, clock: &Clock, is_told: impl Fn() -> bool) {
    if shared.recovery.is_due() {
        return; // the outage is logged elsewhere
    }
    loop {
        match shared.sweep(clock.now(), SWEEP_AT_ONCE) {
            Ok(swept) if swept.more && !is_told() => {}
            Ok(_) => return,
            Err(error) => return warn("sweeping the session store failed", &error),
        }
    }
}

impl Stop {
    pub(super) fn is_told(&self) -> bool {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_told_within(&self, time: Duration) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, _) = self
            .wake
            .wait_timeout_while(told, time, |told| !*told)
            .unwrap_or_else(PoisonError::into_inner);
        *told
    }
}

pub(super) fn warn(what: &str, error: &Error) {
    tracing::warn!(error = error as &dyn std::error::Error, "{what}");
}
