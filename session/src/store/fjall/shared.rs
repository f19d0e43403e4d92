//! The engine, for as long as the store is open, and the threads that look after it.

use super::engine::Engine;
use crate::{
    clock::{Clock, Timestamp},
    error::{Error, ErrorKind, Result},
    store::{Swept, rules, watch::Watchers},
};
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, RwLock},
    thread::{self, JoinHandle},
    time::Duration,
};

/// How many sessions are swept before the sweeper looks whether it should stop.
const SWEEP_AT_ONCE: usize = 256;

/// What the store and its threads share. Whoever works with the engine holds the lock for reading, so that closing,
/// which takes it for writing, waits for what is in flight.
pub(super) struct Shared {
    engine: RwLock<Option<Engine>>,
    watchers: Watchers,
}

impl Shared {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            engine: RwLock::new(Some(engine)),
            watchers: Watchers::default(),
        }
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&Engine) -> Result<T>) -> Result<T> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.as_ref().map_or_else(|| Err(rules::closed()), work)
    }

    /// Removes up to `limit` dead sessions, and tells whoever watches.
    pub(super) fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.with(|engine| engine.sweep(now, limit, |id| self.watchers.tell(id)))
    }

    pub(super) fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// Makes everything durable and lets go of the database.
    pub(super) fn close(&self) -> Result<()> {
        let engine = self
            .engine
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        engine.map_or(Ok(()), |engine| engine.persist())
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
