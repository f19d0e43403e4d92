//! Up to where `due` has no more entries: where the sweeper continues.
//!
//! The database keeps a tombstone of every removed entry for a while. A sweeper that started at the beginning each time
//! would step over the tombstones of all its former rounds.

use level_session_store::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The knowledge of `due` since it was opened: nothing at first.
#[derive(Default)]
pub(super) struct Due(Mutex<Progress>);

#[derive(Default)]
struct Progress {
    /// There is no entry before this.
    empty_before: Timestamp,
    /// The latest time up to which any sweep has scanned, or is scanning.
    looked_until: Timestamp,
    /// Counts entries that were added where a sweep has scanned, or is scanning.
    late: u64,
}

/// A scan of the due entries, from the first one on.
#[must_use]
pub(super) struct Look {
    pub(super) from: Timestamp,
    late: u64,
}

impl Due {
    /// Must be called before the scan of everything that is due at `now`.
    pub(super) fn begin(&self, now: Timestamp) -> Look {
        let mut state = self.lock();
        state.looked_until = state.looked_until.max(now);
        Look {
            from: state.empty_before,
            late: state.late,
        }
    }

    /// Records that all entries before `until` that the scan found were removed. If entries were added meanwhile that
    /// it may have missed, they remain to be found, and the next scan begins where this one did.
    pub(super) fn end(&self, look: &Look, until: Timestamp) {
        let mut state = self.lock();
        if state.late == look.late {
            state.empty_before = state.empty_before.max(until);
        }
    }

    /// Must be called when an entry was added, or may have been, after it can be found: so a scan that missed it is
    /// noticed here.
    pub(super) fn filed(&self, deadline: Timestamp) {
        let mut state = self.lock();
        if deadline <= state.looked_until {
            state.late += 1;
            state.empty_before = state.empty_before.min(deadline);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_next_look_begins_where_the_last_one_has_come_to() {
        let due = Due::default();
        let look = due.begin(at(10));
        assert_eq!(look.from, at(0));
        due.end(&look, at(7));
        assert_eq!(due.begin(at(10)).from, at(7));
        due.filed(at(11));
        assert_eq!(due.begin(at(10)).from, at(7));
    }

    #[test]
    fn what_is_filed_behind_a_look_is_found_by_the_next_one() {
        let due = Due::default();
        let look = due.begin(at(10));
        due.end(&look, at(11));
        due.filed(at(5));
        assert_eq!(due.begin(at(10)).from, at(5));
    }

    #[test]
    fn what_is_filed_during_a_look_is_found_by_the_next_one() {
        let due = Due::default();
        let (one, other) = (due.begin(at(10)), due.begin(at(3)));
        due.filed(at(10));
        due.end(&one, at(11));
        due.end(&other, at(4));
        assert_eq!(due.begin(at(10)).from, at(0));
    }
}
