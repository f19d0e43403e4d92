//! Rate-limits log messages of events that may occur with every request: the first is logged, then one per interval with a
//! count.

use crate::store::Timestamp;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The minimum time between two log messages.
const INTERVAL: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Seldom(Mutex<Count>);

#[derive(Default)]
struct Count {
    logged: Option<Timestamp>,
    since: u64,
}

impl Seldom {
    /// Counts an event. If a log message is due, returns the number of events since the last one, including this event.
    pub(crate) fn happened(&self, now: Timestamp) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.since += 1;
        if state
            .logged
            .is_some_and(|logged| now.since(logged) < INTERVAL)
        {
            return None;
        }
        state.logged = Some(now);
        Some(std::mem::take(&mut state.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: an outage that floods the log, and a long outage that is not logged again.
    #[test]
    fn the_first_is_logged_and_then_one_in_an_interval_with_a_count() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let seldom = Seldom::default();
        assert_eq!(seldom.happened(at(100)), Some(1));
        for _ in 0..20_000 {
            assert_eq!(seldom.happened(at(130)), None);
        }
        assert_eq!(seldom.happened(at(160)), Some(20_001));
        assert_eq!(seldom.happened(at(150)), None, "the clock was set back");
        assert_eq!(seldom.happened(at(9_999)), Some(2));
    }
}
