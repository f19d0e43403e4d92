//! The lifetime of a session: timeouts, their deadlines, and when a use is recorded.

use crate::clock::Timestamp;
use std::time::Duration;

/// How long a session lives after each use, and after its sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// The session ends this long after its last use.
    pub idle: Duration,
    /// The session ends this long after its sign-in, however active it is; `None` for never.
    pub absolute: Option<Duration>,
}

impl Timeouts {
    /// An idle timeout and no absolute timeout.
    #[must_use]
    pub const fn new(idle: Duration) -> Self {
        Self {
            idle,
            absolute: None,
        }
    }

    /// Sets the absolute timeout.
    #[must_use]
    pub const fn with_absolute(mut self, absolute: Option<Duration>) -> Self {
        self.absolute = absolute;
        self
    }

    /// These timeouts, each limited to the corresponding one of `most`.
    #[must_use]
    #[inline]
    pub fn within(self, most: Option<Self>) -> Self {
        let Some(most) = most else { return self };
        let absolute = match (self.absolute, most.absolute) {
            (Some(own), Some(most)) => Some(own.min(most)),
            (own, most) => own.or(most),
        };
        Self {
            idle: self.idle.min(most.idle),
            absolute,
        }
    }

    /// The deadlines of a session that signed in at `started` and was used at `now`, by a request whose response renews
    /// the client's cookie.
    #[must_use]
    #[inline]
    pub fn lease(self, started: Timestamp, now: Timestamp) -> Lease {
        Lease::new(
            started,
            now,
            now.after(self.idle),
            self.absolute.map(|absolute| started.after(absolute)),
        )
    }
}

/// A lifetime chosen for one session, instead of the configured timeouts ("remember me").
///
/// A store keeps its timeouts in whole milliseconds.
///
/// ```
/// use level_session_store::{Lifetime, Timeouts};
/// use std::time::Duration;
///
/// let quarter = Timeouts::new(Duration::from_secs(90 * 24 * 3600));
/// let lifetime = Lifetime::new(quarter).with_transient(true);
/// assert!(lifetime.transient);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetime {
    /// The session's timeouts, as they were chosen. The effective timeouts are limited by the deployment's
    /// [`Use::max_lifetime`].
    pub timeouts: Timeouts,
    /// Whether the browser forgets the cookie when it is closed. A store only keeps it.
    pub transient: bool,
}

impl Lifetime {
    /// A lifetime with these timeouts, whose cookie outlives the browser.
    #[must_use]
    pub const fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            transient: false,
        }
    }

    /// The longest lifetime that the deployment's settings allow, today and after later changes of the settings.
    #[must_use]
    pub const fn longest() -> Self {
        Self::new(Timeouts::new(Duration::MAX))
    }

    /// Whether the browser forgets the cookie when it is closed.
    #[must_use]
    pub const fn with_transient(mut self, transient: bool) -> Self {
        self.transient = transient;
        self
    }
}

/// The times of a session that a use changes: the last uses and the deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The start of the absolute timeout: when the session was created, or last renewed.
    pub started: Timestamp,
    /// The last use that was recorded.
    pub seen: Timestamp,
    /// The last recorded use whose response renewed the client's cookie. A use without a response, on a WebSocket for
    /// example, changes [`seen`](Self::seen) alone.
    pub told: Timestamp,
    /// The session is dead from this moment on unless it is used before.
    pub idle_deadline: Timestamp,
    /// The session is dead from this moment on in any case; `None` for no absolute timeout.
    pub absolute_deadline: Option<Timestamp>,
    /// The lifetime that was chosen for this session, if any.
    pub lifetime: Option<Lifetime>,
}

impl Lease {
    /// A lease without a chosen lifetime, whose last use was reported to the client.
    #[must_use]
    pub const fn new(
        started: Timestamp,
        seen: Timestamp,
        idle_deadline: Timestamp,
        absolute_deadline: Option<Timestamp>,
    ) -> Self {
        Self {
            started,
            seen,
            told: seen,
            idle_deadline,
            absolute_deadline,
            lifetime: None,
        }
    }

    /// The earlier of the two deadlines.
    #[must_use]
    #[inline]
    pub fn deadline(&self) -> Timestamp {
        match self.absolute_deadline {
            Some(absolute) => self.idle_deadline.min(absolute),
            None => self.idle_deadline,
        }
    }

    /// Whether a session with these deadlines is live at `now`: strictly before the deadline.
    #[must_use]
    #[inline]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.deadline()
    }

    /// The effective timeouts of the session: the chosen ones, limited by the deployment's maximum, or else those of
    /// the deployment.
    #[must_use]
    #[inline]
    pub fn timeouts(&self, deployment: Timeouts, max_lifetime: Option<Timeouts>) -> Timeouts {
        self.lifetime.map_or(deployment, |lifetime| {
            lifetime.timeouts.within(max_lifetime)
        })
    }

    /// The lease after a use at `now`, if the use is recorded: the one rule, for the core and for every store.
    ///
    /// A use is due if
    /// - it is later than the last recorded use, by at least [`Use::due_after`];
    /// - or the timeouts have changed since: longer ones take effect at the next use (requirement L15);
    /// - or it is [forced](Use::forced).
    ///
    /// A use that is reported to the client counts from the last use that was, so that uses without a response do not
    /// prevent the cookie from being renewed. A use that is not later than the last one is never due, unless the
    /// timeouts have changed: the clock of another machine may be behind.
    #[must_use]
    pub fn after_use(&self, usage: &Use, now: Timestamp) -> Option<Self> {
        let timeouts = self.timeouts(usage.timeouts, usage.max_lifetime);
        let last = if usage.tells_client {
            self.told
        } else {
            self.seen
        };
        let seen = self.seen.max(now);
        let mut lease = timeouts.lease(self.started, seen);
        lease.lifetime = self.lifetime;
        lease.told = if usage.tells_client { seen } else { self.told };
        let is_later = now > last && (usage.forced || now.since(last) >= usage.due_after);
        let of_other_timeouts = self.idle_deadline != self.seen.after(timeouts.idle)
            || self.absolute_deadline != lease.absolute_deadline;
        (is_later || of_other_timeouts).then_some(lease)
    }
}

/// How a commit records that the session was used: see [`Lease::after_use`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Use {
    /// The timeouts of the deployment.
    pub timeouts: Timeouts,
    /// The maximum timeouts of a session with a chosen lifetime; `None` for no maximum.
    pub max_lifetime: Option<Timeouts>,
    /// How long after the last recorded use this one is due.
    pub due_after: Duration,
    /// Whether to record the use even if it is not due.
    pub forced: bool,
    /// Whether the response reports the new deadline to the client.
    pub tells_client: bool,
}

impl Use {
    /// A use under these timeouts that is recorded if it is due, and is reported to the client.
    #[must_use]
    pub const fn new(timeouts: Timeouts, due_after: Duration) -> Self {
        Self {
            timeouts,
            max_lifetime: None,
            due_after,
            forced: false,
            tells_client: true,
        }
    }

    /// Sets the maximum timeouts of a session with a chosen lifetime.
    #[must_use]
    pub const fn with_max_lifetime(mut self, most: Option<Timeouts>) -> Self {
        self.max_lifetime = most;
        self
    }

    /// Sets whether the use is recorded even if it is not due.
    #[must_use]
    pub const fn with_forced(mut self, forced: bool) -> Self {
        self.forced = forced;
        self
    }

    /// Sets whether the response reports the new deadline to the client.
    #[must_use]
    pub const fn with_tells_client(mut self, tells_client: bool) -> Self {
        self.tells_client = tells_client;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_millis(1_000);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn usage() -> Use {
        Use::new(Timeouts::new(IDLE), IDLE / 100)
    }

    /// A session could be live at its deadline, or die before it.
    #[test]
    fn the_boundary_is_exact() {
        let lease = Timeouts::new(Duration::from_millis(100)).lease(at(0), at(50));
        assert!(lease.is_live(at(149)));
        assert!(!lease.is_live(at(150)));
    }

    #[test]
    fn activity_does_not_extend_the_absolute_timeout() {
        let timeouts = Timeouts::new(Duration::from_millis(100))
            .with_absolute(Some(Duration::from_millis(120)));
        assert_eq!(timeouts.lease(at(0), at(100)).deadline(), at(120));
    }

    #[test]
    fn a_use_is_due_after_a_while_and_not_before() {
        let lease = usage().timeouts.lease(at(0), at(0));
        assert_eq!(lease.after_use(&usage(), at(9)), None);
        let later = lease.after_use(&usage(), at(10)).expect("it is due");
        assert_eq!((later.seen, later.told), (at(10), at(10)));
        assert_eq!(later.idle_deadline, at(1_010));
        let forced = usage().with_forced(true);
        assert!(lease.after_use(&forced, at(1)).is_some());
        assert_eq!(lease.after_use(&forced, at(0)), None, "the same moment");
    }

    /// A clock that is behind could shorten the session's life.
    #[test]
    fn a_use_of_the_past_changes_nothing() {
        let lease = usage().timeouts.lease(at(0), at(500));
        assert_eq!(lease.after_use(&usage().with_forced(true), at(400)), None);
        let longer = Use::new(Timeouts::new(2 * IDLE), IDLE);
        let lease = lease
            .after_use(&longer, at(400))
            .expect("the timeouts changed");
        assert_eq!((lease.seen, lease.idle_deadline), (at(500), at(2_500)));
    }

    /// Sessions of a deployment whose idle timeout was one hour would end after an hour although they are used every
    /// five minutes, since 1 % of the new timeout is longer than five minutes.
    #[test]
    fn timeouts_that_changed_hold_from_the_next_use_on() {
        let lease = usage().timeouts.lease(at(0), at(0));
        let longer = Timeouts::new(300 * IDLE).with_absolute(Some(400 * IDLE));
        let lease = lease
            .after_use(&Use::new(longer, 3 * IDLE), at(1))
            .expect("it is due at once");
        assert_eq!(lease.idle_deadline, at(300_001));
        assert_eq!(lease.absolute_deadline, Some(at(400_000)));
        assert_eq!(
            lease.after_use(&Use::new(longer, 3 * IDLE), at(2)),
            None,
            "once"
        );
    }

    /// A socket that uses the session all the time could keep the browser from ever getting a new cookie.
    #[test]
    fn a_use_without_a_response_does_not_count_for_the_client() {
        let lease = usage().timeouts.lease(at(0), at(0));
        let silent = usage().with_tells_client(false);
        let lease = lease.after_use(&silent, at(10)).expect("it is due");
        assert_eq!((lease.seen, lease.told), (at(10), at(0)));
        assert_eq!(lease.after_use(&silent, at(11)), None);
        let lease = lease.after_use(&usage(), at(11)).expect("the client's is");
        assert_eq!((lease.seen, lease.told), (at(11), at(11)));
    }

    #[test]
    fn a_chosen_lifetime_stays_and_counts() {
        let mut lease = usage().timeouts.lease(at(0), at(0));
        let chosen = Lifetime::new(Timeouts::new(5 * IDLE)).with_transient(true);
        lease.lifetime = Some(chosen);
        let lease = lease.after_use(&usage(), at(1)).expect("it has changed");
        assert_eq!(lease.idle_deadline, at(5_001));
        assert_eq!(lease.lifetime, Some(chosen));
    }

    /// "Remember me" could outlive the operator's maximum, or the choice could be lost once a longer lifetime is
    /// allowed again.
    #[test]
    fn a_chosen_lifetime_is_cut_to_what_the_deployment_allows() {
        let chosen = Lifetime::new(Timeouts::new(5 * IDLE).with_absolute(Some(8 * IDLE)));
        let mut lease = chosen.timeouts.lease(at(0), at(0));
        lease.lifetime = Some(chosen);
        let most = |idle, absolute| Some(Timeouts::new(idle).with_absolute(absolute));
        for (max, idle, absolute) in [
            (most(2 * IDLE, None), 2_001, 8_000),
            (most(9 * IDLE, Some(3 * IDLE)), 5_001, 3_000),
            (most(9 * IDLE, Some(9 * IDLE)), 5_001, 8_000),
            (None, 5_001, 8_000),
        ] {
            lease = lease
                .after_use(&usage().with_max_lifetime(max).with_forced(true), at(1))
                .unwrap_or(lease);
            assert_eq!(lease.idle_deadline, at(idle), "{max:?}");
            assert_eq!(lease.absolute_deadline, Some(at(absolute)), "{max:?}");
            assert_eq!(lease.lifetime, Some(chosen), "the chosen lifetime is kept");
        }
        let longest = Lifetime::longest().timeouts;
        let max = Timeouts::new(IDLE).with_absolute(Some(IDLE));
        assert_eq!(longest.within(Some(max)), max);
    }

    #[test]
    fn no_duration_overflows() {
        let timeouts = Timeouts::new(Duration::MAX).with_absolute(Some(Duration::MAX));
        let lease = timeouts.lease(Timestamp::MAX, Timestamp::MAX);
        assert_eq!(lease.deadline(), Timestamp::MAX);
        let usage = Use::new(timeouts, Duration::MAX).with_forced(true);
        assert_eq!(lease.after_use(&usage, Timestamp::MAX), None);
    }
}
