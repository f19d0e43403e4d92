//! Logs the outage of a server: its beginning once, and then at growing intervals, however often the server is tried.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How long nothing is logged after the first line; doubled after each further one.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3_600);

/// The servers of a store, by their address: all connections to a server share its outage.
#[derive(Default)]
pub(crate) struct Outages(Mutex<BTreeMap<String, Arc<Outage>>>);

impl Outages {
    pub(crate) fn of(&self, place: &str) -> Arc<Outage> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(place.to_owned()).or_default())
    }
}

#[derive(Default)]
pub(crate) struct Outage {
    /// Whether an outage was logged, and not its end: so that a command normally checks only this flag.
    is_told: AtomicBool,
    state: Mutex<State>,
}

/// Why a server is unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It cannot be connected to: the outage ends with a connection.
    Unreachable,
    /// It accepts no commands now: the outage ends when it has accepted a write.
    Refuses,
}

struct State {
    cause: Cause,
    quiet_until: Option<Instant>,
    distance: Duration,
    since: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            cause: Cause::Unreachable,
            quiet_until: None,
            distance: FIRST,
            since: 0,
        }
    }
}

impl Outage {
    /// Records a failure. Returns how many there were since the last line, this one included, if a line is due.
    pub(crate) fn failed(&self, cause: Cause, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.cause = cause;
        state.since += 1;
        if let Some(quiet_until) = state.quiet_until {
            if now < quiet_until {
                return None;
            }
            // Nothing failed for as long again: this is a new outage.
            if now >= quiet_until + state.distance {
                state.distance = FIRST;
            }
        }
        state.quiet_until = Some(now + state.distance);
        state.distance = (state.distance * 2).min(LONGEST);
        self.is_told.store(true, Ordering::Release);
        Some(std::mem::take(&mut state.since))
    }

    /// The server is usable again, as far as `cause` goes: returns whether to log that, since the outage was logged.
    pub(crate) fn is_over(&self, cause: Cause) -> bool {
        if !self.is_told.load(Ordering::Acquire) {
            return false;
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.cause == cause && self.is_told.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents an outage from filling the log, and a lasting outage from not being mentioned again.
    #[test]
    fn the_loss_is_logged_once_and_then_at_growing_distances() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let outage = Outage::default();
        assert!(!outage.is_over(Cause::Unreachable), "nothing was lost");
        assert_eq!(outage.failed(Cause::Unreachable, at(0)), Some(1));
        for _ in 0..1_000 {
            assert_eq!(outage.failed(Cause::Unreachable, at(59)), None);
        }
        assert_eq!(outage.failed(Cause::Unreachable, at(60)), Some(1_001));
        assert_eq!(outage.failed(Cause::Unreachable, at(179)), None);
        assert_eq!(outage.failed(Cause::Unreachable, at(180)), Some(2));
        assert!(outage.is_over(Cause::Unreachable));
        assert!(!outage.is_over(Cause::Unreachable), "it is said once");
        // Up and down: neither the failures nor the recoveries in between are logged.
        assert_eq!(outage.failed(Cause::Unreachable, at(200)), None);
        assert!(!outage.is_over(Cause::Unreachable));
        // Long afterwards, an outage is logged like the first one.
        assert_eq!(outage.failed(Cause::Unreachable, at(9_000)), Some(2));
        assert_eq!(outage.failed(Cause::Unreachable, at(9_059)), None);
        assert_eq!(outage.failed(Cause::Unreachable, at(9_060)), Some(2));
    }

    /// Prevents "reconnected" for each connection to a server that still accepts no writes.
    #[test]
    fn a_connection_ends_no_refusal() {
        let outage = Outage::default();
        assert_eq!(outage.failed(Cause::Refuses, Instant::now()), Some(1));
        assert!(!outage.is_over(Cause::Unreachable));
        assert!(outage.is_over(Cause::Refuses));
    }
}
