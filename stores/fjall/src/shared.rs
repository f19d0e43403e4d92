//! The engine, for as long as the store is open, and the threads that look after it.

use super::{engine::Engine, recovery::Recovery};
use level_session_store::{
    Clock, Commit, Digest, Error, ErrorKind, Outcome, Result, Step, Swept, Timestamp, WatchList,
    local::Striped, rules,
};
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockWriteGuard},
    thread::{self, JoinHandle},
    time::Duration,
};

/// How many sessions are swept before the sweeper looks whether it should stop.
const SWEEP_AT_ONCE: usize = 256;

/// What the store and its threads share. Whoever works with the engine holds the lock of its thread's lane for
/// reading, so that closing, which takes all of them for writing, waits for what is in flight.
pub(super) struct Shared {
    engine: Striped<RwLock<State>>,
    expired: WatchList,
    ended: WatchList,
    recovery: Recovery,
}

#[derive(Clone)]
enum State {
    Open(Arc<Engine>),
    /// The database was let go of and could not be opened again yet.
    Lost,
    Closed,
}

impl Shared {
    pub(super) fn new(engine: Engine, recovery: Recovery) -> Self {
        let state = State::Open(Arc::new(engine));
        Self {
            engine: Striped::new(|| RwLock::new(state.clone())),
            expired: WatchList::default(),
            ended: WatchList::default(),
            recovery,
        }
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&Engine) -> Result<T>) -> Result<T> {
        if self.recovery.is_due() {
            self.recover()?;
        }
        let lane = self.engine.mine();
        let state = lane.read().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Open(engine) => work(engine).inspect_err(|error| self.recovery.note(error)),
            State::Lost => Err(Recovery::lost()),
            State::Closed => Err(rules::closed()),
        }
    }

    /// Lets go of a database that takes no more, and opens it again.
    fn recover(&self) -> Result<()> {
        let mut lanes = self.lock();
        let closed = lanes.iter().any(|state| matches!(**state, State::Closed));
        if closed || !self.recovery.is_due() {
            return Ok(()); // another was faster
        }
        self.recovery.try_the_disk()?;
        set(&mut lanes, &State::Lost); // fjall lets one in
        set(&mut lanes, &State::Open(Arc::new(self.recovery.open()?)));
        Ok(())
    }

    /// The engine to oneself, when everybody has left it. The lanes are locked in their order.
    fn lock(&self) -> Vec<RwLockWriteGuard<'_, State>> {
        let lock = |lane| RwLock::write(lane).unwrap_or_else(PoisonError::into_inner);
        self.engine.iter().map(lock).collect()
    }

    /// Removes up to `limit` dead sessions, and tells whoever watches.
    pub(super) fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.with(|engine| engine.sweep(now, limit, |id| self.expired.tell(id)))
    }

    /// Applies a commit, which then survives the end of the process; gives the present id of its session as well.
    pub(super) fn write(&self, commit: &Commit<'_>) -> Result<(Outcome, Digest)> {
        self.with(|engine| engine.write(commit))
    }

    /// Tells those who watch of the sessions that a commit has ended, once it is as durable as it shall be.
    pub(super) fn tell_ended(&self, step: Step, current: Digest, outcome: &Outcome) {
        let Outcome::Done(done) = outcome else { return };
        if matches!(step, Step::Destroy | Step::Renew { .. }) {
            self.ended.tell(current);
        }
        done.ended.iter().for_each(|id| self.ended.tell(*id));
    }

    /// Those who want to know of sessions that had expired and were removed.
    pub(super) fn expired(&self) -> &WatchList {
        &self.expired
    }

    /// Those who want to know of sessions that were ended.
    pub(super) fn ended(&self) -> &WatchList {
        &self.ended
    }

    /// Makes everything durable and lets go of the database.
    pub(super) fn close(&self) -> Result<()> {
        let mut lanes = self.lock();
        let state = lanes.first().map(|state| (**state).clone());
        set(&mut lanes, &State::Closed);
        drop(lanes);
        match state {
            Some(State::Open(engine)) => engine.persist(),
            Some(State::Lost | State::Closed) | None => Ok(()),
        }
    }
}

fn set(lanes: &mut [RwLockWriteGuard<'_, State>], to: &State) {
    for state in lanes {
        **state = to.clone();
    }
}

/// Threads that do something at intervals until they are told to stop.
#[derive(Default)]
pub(super) struct Workers {
    stop: Arc<Stop>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Stop {
    told: Mutex<bool>,
    wake: Condvar,
}

impl Workers {
    /// Removes dead sessions at intervals. What fails is tried again at the next one.
    pub(super) fn sweep(&self, shared: Arc<Shared>, clock: Clock, every: Duration) -> Result<()> {
        self.start("session-sweep", every, move |stop| {
            loop {
                match shared.sweep(clock.now(), SWEEP_AT_ONCE) {
                    Ok(swept) if swept.more && !stop.is_told() => {}
                    Ok(_) => return,
                    Err(error) => return warn("sweeping the session store failed", &error),
                }
            }
        })
    }

    /// Makes what was written durable at intervals.
    pub(super) fn persist(&self, shared: Arc<Shared>, every: Duration) -> Result<()> {
        self.start("session-persist", every, move |_| {
            if let Err(error) = shared.with(|engine| engine.persist()) {
                warn("the session store's last writes are not durable", &error);
            }
        })
    }

    /// Waits for the threads to end.
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
                "an interval of the session store is zero: give it at least a millisecond",
            ));
        }
        let stop = Arc::clone(&self.stop);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while !stop.is_told_within(every) {
                    work(&stop);
                }
            })
            .map_err(|cause| Error::store("cannot start a thread of the session store", cause))?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }
}

impl Stop {
    fn is_told(&self) -> bool {
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

fn warn(what: &str, error: &Error) {
    tracing::warn!(error = error as &dyn std::error::Error, "{what}");
}
