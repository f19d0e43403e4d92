//! How long a session lives.

use crate::clock::Timestamp;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How long a session lives: an idle timeout, restarted by use, and optionally an absolute one, counted from the
/// sign-in ([`renew`](crate::Untyped::renew)) and never extended by activity.
///
/// Both are enforced by the server at every read, whatever the cookie says (ASVS 7.3.1, 7.3.2). A session lives while
/// the time is *before* its deadline.
///
/// ```
/// use level_session::Expiry;
/// use std::time::Duration;
///
/// let expiry = Expiry::idle(Duration::from_secs(30 * 60)).with_absolute(Duration::from_secs(12 * 3600));
/// # let _ = expiry;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    idle: Duration,
    absolute: Option<Duration>,
    refresh: Refresh,
}

/// How often use of a session is written down to extend its idle timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Refresh {
    /// At most once in 1 % of the idle timeout: the default. A visitor may then be signed out up to 1 % of the idle
    /// timeout early, and a busy session costs no write per request.
    #[default]
    Throttled,
    /// With every request that uses the session.
    EveryRequest,
}

impl Default for Expiry {
    /// Two weeks idle, no absolute timeout: as the Node ancestor.
    fn default() -> Self {
        Self::idle(Duration::from_secs(14 * DAY))
    }
}

impl Expiry {
    /// An idle timeout alone. A duration of zero makes every session expire at once.
    #[must_use]
    pub const fn idle(idle: Duration) -> Self {
        Self {
            idle,
            absolute: None,
            refresh: Refresh::Throttled,
        }
    }

    /// Ends a session this long after its sign-in, however busy it is (ASVS 7.3.2).
    #[must_use]
    pub const fn with_absolute(mut self, absolute: Duration) -> Self {
        self.absolute = Some(absolute);
        self
    }

    /// How often use is written down.
    #[must_use]
    pub const fn with_refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }

    /// NIST SP 800-63B-4, AAL1 (section 2.1.3): re-authentication at least every 30 days.
    #[must_use]
    pub const fn nist_aal1() -> Self {
        Self::idle(Duration::from_secs(30 * DAY)).with_absolute(Duration::from_secs(30 * DAY))
    }

    /// NIST SP 800-63B-4, AAL2 (section 2.2.3): 24 hours in all, one hour idle.
    #[must_use]
    pub const fn nist_aal2() -> Self {
        Self::idle(Duration::from_secs(HOUR)).with_absolute(Duration::from_secs(24 * HOUR))
    }

    /// NIST SP 800-63B-4, AAL3 (section 2.3.3): 12 hours in all, 15 minutes idle.
    #[must_use]
    pub const fn nist_aal3() -> Self {
        Self::idle(Duration::from_secs(15 * MINUTE)).with_absolute(Duration::from_secs(12 * HOUR))
    }

    /// The idle timeout.
    #[must_use]
    pub const fn idle_timeout(&self) -> Duration {
        self.idle
    }

    /// The absolute timeout, if there is one.
    #[must_use]
    pub const fn absolute_timeout(&self) -> Option<Duration> {
        self.absolute
    }

    /// The deadlines of a session used at `now` whose absolute timeout counts from `started`.
    pub(crate) fn lease(&self, started: Timestamp, now: Timestamp) -> Lease {
        Lease {
            started,
            seen: now,
            idle_deadline: now.after(self.idle),
            absolute_deadline: self.absolute.map(|d| started.after(d)),
        }
    }

    /// Whether a use at `now` is to be written down, given the use that was written down last.
    pub(crate) fn refresh_due(&self, seen: Timestamp, now: Timestamp) -> bool {
        match self.refresh {
            Refresh::EveryRequest => now > seen,
            Refresh::Throttled => now > seen && now.since(seen) >= self.idle / 100,
        }
    }
}

/// The deadlines that a use gives a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The sign-in that the absolute timeout counts from.
    pub started: Timestamp,
    /// The use itself.
    pub seen: Timestamp,
    /// The session is dead from this moment on unless it is used before.
    pub idle_deadline: Timestamp,
    /// The session is dead from this moment on whatever happens; `None` for no absolute timeout.
    pub absolute_deadline: Option<Timestamp>,
}

impl Lease {
    /// The earlier of both deadlines.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        match self.absolute_deadline {
            Some(absolute) => self.idle_deadline.min(absolute),
            None => self.idle_deadline,
        }
    }

    /// The same with each deadline no later than that of `other`.
    pub(crate) fn earlier(mut self, other: Self) -> Self {
        self.idle_deadline = self.idle_deadline.min(other.idle_deadline);
        self.absolute_deadline = match (self.absolute_deadline, other.absolute_deadline) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        self
    }

    /// Whether a session with these deadlines lives at `now`: strictly before the deadline.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.deadline()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn the_boundary_is_exact() {
        let lease = Expiry::idle(Duration::from_millis(100)).lease(at(0), at(50));
        assert!(lease.is_live(at(149)));
        assert!(!lease.is_live(at(150)));
    }

    #[test]
    fn activity_does_not_extend_the_absolute_timeout() {
        let expiry =
            Expiry::idle(Duration::from_millis(100)).with_absolute(Duration::from_millis(120));
        assert_eq!(expiry.lease(at(0), at(100)).deadline(), at(120));
    }

    #[test]
    fn refresh_is_throttled_to_a_hundredth_of_the_idle_timeout() {
        let expiry = Expiry::idle(Duration::from_millis(1_000));
        assert!(!expiry.refresh_due(at(0), at(9)));
        assert!(expiry.refresh_due(at(0), at(10)));
        let every = expiry.with_refresh(Refresh::EveryRequest);
        assert!(every.refresh_due(at(0), at(1)));
        assert!(
            !every.refresh_due(at(1), at(1)),
            "the same moment twice writes once"
        );
        let short = Expiry::idle(Duration::from_millis(50));
        assert!(!short.refresh_due(at(1), at(1)) && short.refresh_due(at(1), at(2)));
    }

    #[test]
    fn no_duration_overflows() {
        let lease = Expiry::idle(Duration::MAX)
            .with_absolute(Duration::MAX)
            .lease(Timestamp::MAX, Timestamp::MAX);
        assert_eq!(lease.deadline(), Timestamp::MAX);
    }

    #[test]
    fn the_presets_are_nist_s() {
        let hours = |h: u64| Duration::from_secs(h * 3600);
        let presets = [
            (Expiry::nist_aal1(), hours(30 * 24), hours(30 * 24)),
            (Expiry::nist_aal2(), hours(1), hours(24)),
            (Expiry::nist_aal3(), Duration::from_secs(900), hours(12)),
        ];
        for (expiry, idle, absolute) in presets {
            assert_eq!(expiry.idle_timeout(), idle);
            assert_eq!(expiry.absolute_timeout(), Some(absolute));
        }
        assert_eq!(Expiry::default().idle_timeout(), hours(14 * 24));
        assert_eq!(Expiry::default().absolute_timeout(), None);
    }
}
