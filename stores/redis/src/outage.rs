//! What the log says of a server that is away: the loss once, and then at growing distances, however often it is tried.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How long nothing is logged after the first line; twice as long after each further one.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3_600);

/// The servers of a store, by their place: all connections to a server share what is known of it.
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
    /// Whether a loss was logged, and not its end: so that a command looks at nothing more.
    is_told: AtomicBool,
    state: Mutex<State>,
}

/// Why a server is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// There is no connection to it: it is over when there is one.
    Unreachable,
    /// It takes no commands now: it is over when it has taken a write.
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
    /// The server was of no use. Gives how often it was since the last line, this time included, if a line is due.
    pub(crate) fn failed(&self, cause: Cause, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.cause = cause;
        state.since += 1;
        if let Some(quiet_until) = state.quiet_until {
            if now < quiet_until {
                return None;
            }
            // Nothing went wrong for as long again: this is another outage.
            if now >= quiet_until + state.distance {
                state.distance = FIRST;
            }
        }
        state.quiet_until = Some(now + state.distance);
        state.distance = (state.distance * 2).min(LONGEST);
        self.is_told.store(true, Ordering::Release);
        Some(std::mem::take(&mut state.since))
    }

    /// The server is of use again, as far as `cause` goes: whether that is to be logged, since the loss was.
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

    /// Prevents: a log that an outage fills, and one that says nothing of an outage that lasts.
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
        // Up and down: neither the losses nor the returns in between.
        assert_eq!(outage.failed(Cause::Unreachable, at(200)), None);
        assert!(!outage.is_over(Cause::Unreachable));
        // Long after, it is an outage as the first one.
        assert_eq!(outage.failed(Cause::Unreachable, at(9_000)), Some(2));
        assert_eq!(outage.failed(Cause::Unreachable, at(9_059)), None);
        assert_eq!(outage.failed(Cause::Unreachable, at(9_060)), Some(2));
    }

    /// Prevents: "connected again" for each connection to a server that still takes no writes.
    #[test]
    fn a_connection_ends_no_refusal() {
        let outage = Outage::default();
        assert_eq!(outage.failed(Cause::Refuses, Instant::now()), Some(1));
        assert!(!outage.is_over(Cause::Unreachable));
        assert!(outage.is_over(Cause::Refuses));
    }
}
