//! The times at which units of work begin and sessions end, kept distinct within one tick of the clock.
//!
//! Two times determine whether a session was ended before or after a unit of work began. The clock may return the same
//! time for both, or the end may have read the clock before the unit of work began. So an end is no earlier than any
//! beginning before it, and later than every end before it; and a beginning is later than every end that was stored
//! before it, but not later than an end whose commit is in flight.
//!
//! Requests begin all the time and sessions are seldom ended, so a beginning takes no lock: it writes its time to its
//! thread's stripe, and then checks whether an end is in flight. An end first announces itself, and then reads the
//! stripes. So at least one of the two sees the other.
//!
//! The time of an end also encodes its kind: a renewal's is odd, a destroy's even ([`Kind`]). So a store need not know
//! the difference.
//!
//! Distinct times run ahead of the clock if more than 500 sessions end per second. Other processes, and this one after a
//! restart, would take such ends for ends in the future. So times are distinct only up to [`AHEAD`] of the clock. Beyond
//! that, a beginning may share its time with an end that was stored before it: a request with that id within the next
//! second is refused, as if the session had ended during the request. The reverse cannot happen: an end is never earlier
//! than a beginning before it.
//!
//! Ends stored by other processes have the times of their clocks. An end in the future counts as having happened when
//! this process first saw it (requirement F12): so it costs a visitor one refused request, and does not lock the
//! visitor out until that time comes.

use crate::{
    store::local::Striped,
    store::{Clock, Digest, Timestamp},
};
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

/// How long after a renewal the browser may still send the former cookie although it is about to receive the new one.
const LATELY: Duration = Duration::from_secs(60);
/// How far ahead of the clock times are kept distinct.
const AHEAD: Duration = Duration::from_secs(1);
/// The maximum number of ends in the future whose first-seen time is kept. An end that was dropped from the list costs
/// the visitor one more refused request.
const FUTURE: usize = 1_024;

#[derive(Default)]
pub(super) struct Times {
    /// The latest beginning, in milliseconds.
    begun: Striped<AtomicU64>,
    /// The latest end, in milliseconds.
    ended: AtomicU64,
    /// The latest time that the clock has shown, in milliseconds: it never decreases.
    clock: AtomicU64,
    /// How many ends have a time and may not be stored yet.
    ending: AtomicUsize,
    /// Their times: a few at most. Ends are given their times one at a time, under this lock.
    about_to_end: Mutex<Vec<Timestamp>>,
    /// Ends in the future, and when they were first seen, oldest first.
    future: Mutex<VecDeque<(Digest, Timestamp)>>,
}

/// How an id ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Destroyed,
    /// The session has another id.
    Renewed,
}

/// The end of an id, decoded from its mark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) at: Timestamp,
    kind: Kind,
}

impl End {
    /// Whether it was a renewal so shortly before a request that the browser may have the new cookie by now.
    pub(crate) fn is_lately_renewed(self, began: Timestamp) -> bool {
        self.kind == Kind::Renewed && began < self.at.after(LATELY)
    }
}

/// The end of a session while its commit is in flight.
pub(crate) struct Ending<'a> {
    times: &'a Times,
    pub(crate) at: Timestamp,
}

impl Times {
    /// The time at which a unit of work begins.
    pub(super) fn begin(&self, clock: &Clock) -> Timestamp {
        let at = self.note_beginning(clock);
        if self.ending.load(SeqCst) == 0 {
            return at;
        }
        let about_to_end = self.about_to_end();
        match about_to_end.iter().min() {
            Some(end) => *end,
            None => self.note_beginning(clock),
        }
    }

    fn note_beginning(&self, clock: &Clock) -> Timestamp {
        let at = self.after_ends(clock.now());
        let begun = self.begun.mine();
        // Most units of work begin in a millisecond that is recorded already. Then reading it suffices: an end that
        // reads the stripe afterwards, in the single total order of these operations, reads at least the value read
        // here.
        if begun.load(SeqCst) < at.as_millis() {
            begun.fetch_max(at.as_millis(), SeqCst);
        }
        at
    }

    /// A time that is later than every end, unless that is too far ahead of the clock.
    fn after_ends(&self, now: Timestamp) -> Timestamp {
        let shown = Timestamp::from_millis(self.clock.load(SeqCst));
        if shown < now {
            self.clock.fetch_max(now.as_millis(), SeqCst);
        }
        let now = now.max(shown);
        let ended = Timestamp::from_millis(self.ended.load(SeqCst));
        match ended < now {
            true => now, // nearly always
            false => ended.next().min(now.after(AHEAD)),
        }
    }

    /// The time of an end, whose commit is in flight until the value is dropped. `now` is the clock's present time.
    pub(super) fn end(&self, now: Timestamp, kind: Kind) -> Ending<'_> {
        let mut about_to_end = self.about_to_end();
        self.ending.fetch_add(1, SeqCst);
        let begun = self.begun.iter().map(|lane| lane.load(SeqCst));
        let begun = Timestamp::from_millis(begun.max().unwrap_or_default());
        let at = self.after_ends(now).max(begun);
        let at = if kind == Kind::of(at) { at } else { at.next() };
        self.ended.fetch_max(at.as_millis(), SeqCst);
        about_to_end.push(at);
        Ending { times: self, at }
    }

    /// Interprets the mark of an ended id at `now`.
    pub(super) fn end_of(&self, id: Digest, marked: Timestamp, now: Timestamp) -> End {
        let kind = Kind::of(marked);
        let mut future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, seen)) = future.iter().find(|(known, _)| *known == id) {
            return End { at: *seen, kind };
        }
        // The ends of this process may lie a little ahead of the clock. An end by another process
        // within the current tick counts as an end in the future: otherwise every later request of
        // the same tick would seem to have begun before it.
        if marked < now || marked <= Timestamp::from_millis(self.ended.load(SeqCst)) {
            return End { at: marked, kind };
        }
        let at = self.end(now, kind).at;
        if future.len() == FUTURE {
            future.pop_front();
        }
        future.push_back((id, at));
        End { at, kind }
    }

    fn about_to_end(&self) -> MutexGuard<'_, Vec<Timestamp>> {
        self.about_to_end
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    fn of(end: Timestamp) -> Self {
        match end.as_millis() % 2 {
            0 => Self::Destroyed,
            _ => Self::Renewed,
        }
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut about_to_end = self.times.about_to_end();
        if let Some(at) = about_to_end.iter().position(|end| *end == self.at) {
            about_to_end.swap_remove(at);
            self.times.ending.fetch_sub(1, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{Arc, atomic::AtomicBool},
        thread,
        time::Duration,
    };

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn within_one_tick_everything_is_told_apart() {
        let (times, clock) = (Times::default(), Clock::manual(at(7)));
        let begun = times.begin(&clock);
        let first = times.end(at(7), Kind::Destroyed);
        assert!(first.at >= begun, "it began before the end");
        let during = times.begin(&clock);
        assert!(during <= first.at, "the end is not stored yet");
        let second = times.end(at(7), Kind::Renewed);
        assert!(second.at > first.at);
        assert!(times.begin(&clock) <= first.at, "both are not stored yet");
        let (first, second) = (first.at, {
            let at = second.at;
            drop((first, second));
            at
        });
        let after = times.begin(&clock);
        assert!(after > first && after > second, "both are stored");
        assert!(
            times.end(at(3), Kind::Destroyed).at >= after,
            "a time that was read earlier"
        );
    }

    /// A visitor could be locked out until the time of another machine's clock is reached, and this process's own end,
    /// a little ahead of the clock, could be mistaken for one of another machine.
    #[test]
    fn an_end_in_the_future_is_one_of_the_moment_when_it_was_first_seen() {
        let (times, clock) = (Times::default(), Clock::manual(at(10)));
        let id = |n| Digest::from_bytes([n; 32]);
        let begun = times.begin(&clock);
        let seen = times.end_of(id(1), at(5_000), clock.now());
        assert!(seen.at >= begun, "it ended under this one");
        assert_eq!(seen.kind, Kind::Destroyed);
        for _ in 0..3 {
            let later = times.begin(&clock);
            let again = times.end_of(id(1), at(5_000), clock.now());
            assert!(again.at < later, "once");
            clock.advance(Duration::from_secs(3));
        }
        let mut own = times.end(clock.now(), Kind::Renewed).at;
        for _ in 0..3 {
            own = times.end(clock.now(), Kind::Renewed).at;
        }
        assert!(own > clock.now(), "made distinct");
        let end = times.end_of(id(2), own, clock.now());
        assert_eq!((end.at, end.kind), (own, Kind::Renewed));
        for n in 0..=FUTURE {
            let digest = Digest::of("test", &n.to_be_bytes());
            times.end_of(digest, at(9_000_000), clock.now());
        }
        assert_eq!(times.future.lock().unwrap().len(), FUTURE);
    }

    /// A visitor could be refused repeatedly within the millisecond of an end by another process.
    #[test]
    fn an_end_elsewhere_within_this_tick_costs_one_refused_request() {
        let (times, clock) = (Times::default(), Clock::manual(at(1_000)));
        let id = Digest::from_bytes([1; 32]);
        let begun = times.begin(&clock);
        let seen = times.end_of(id, at(1_000), clock.now()).at;
        assert!(seen >= begun, "it may have ended under this one");
        let begun = times.begin(&clock);
        assert!(times.end_of(id, at(1_000), clock.now()).at < begun);
    }

    /// Sessions that ended in a burst would be ends in the future after a restart, and a request with each of their ids
    /// would be refused for as long as the times were ahead.
    #[test]
    fn the_ends_of_a_burst_stay_near_the_clock() {
        let (times, clock) = (Times::default(), Clock::manual(at(1_000)));
        let id = |n: usize| Digest::of("test", &n.to_be_bytes());
        let near = clock.now().after(AHEAD).after(Duration::from_millis(4));
        let mut ends = Vec::new();
        for n in 0..4_000 {
            let begun = times.begin(&clock);
            let kind = if n % 3 == 0 {
                Kind::Renewed
            } else {
                Kind::Destroyed
            };
            let end = times.end(clock.now(), kind).at;
            assert!(end >= begun, "it began before the end");
            assert!(end <= near, "{end:?}");
            assert_eq!(Kind::of(end), kind);
            ends.push(end);
        }
        let restarted = Times::default();
        clock.advance(AHEAD + Duration::from_millis(5));
        for (n, end) in ends.into_iter().enumerate() {
            let begun = restarted.begin(&clock);
            assert!(restarted.end_of(id(n), end, clock.now()).at < begun);
            assert!(times.begin(&clock) > end, "the clock has caught up");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_changes_nothing() {
        let times = Times::default();
        let begun = times.begin(&Clock::manual(at(1_000)));
        let end = times.end(at(5), Kind::Destroyed).at;
        assert!(end >= begun);
        assert!(times.begin(&Clock::manual(at(5))) > end);
    }

    /// One thread begins units of work and another ends sessions, each knowing what the other had done before: if a
    /// beginning comes first, the end is no earlier; if the end was stored first, the beginning is later.
    #[test]
    fn threads_agree_on_what_came_first() {
        const ROUNDS: usize = 20_000;
        let times = Arc::new(Times::default());
        let clock = Clock::manual(at(1));
        let (begun, stored) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let done = Arc::new(AtomicBool::new(false));
        let beginner = {
            let (times, clock) = (Arc::clone(&times), clock.clone());
            let (begun, stored) = (Arc::clone(&begun), Arc::clone(&stored));
            let done = Arc::clone(&done);
            thread::spawn(move || {
                while !done.load(SeqCst) {
                    let before = stored.load(SeqCst);
                    let at = times.begin(&clock).as_millis();
                    assert!(at > before, "an end that was stored before");
                    begun.fetch_max(at, SeqCst);
                }
            })
        };
        for _ in 0..ROUNDS {
            let before = begun.load(SeqCst);
            let end = times.end(clock.now(), Kind::Renewed);
            assert!(end.at.as_millis() >= before, "a beginning before");
            let ended = end.at.as_millis();
            drop(end);
            stored.store(ended, SeqCst);
            // In steps, so that times have to be kept distinct.
            if ended > clock.now().as_millis() + 4 {
                clock.advance(Duration::from_millis(4));
            }
        }
        done.store(true, SeqCst);
        beginner.join().unwrap();
    }
}
