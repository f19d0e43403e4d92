//! How long a session lives.

use crate::store::{Lease, Lifetime, Timeouts, Timestamp, Use};
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How long a session lives: an idle timeout that each use restarts, and optionally an absolute timeout, counted from the
/// sign-in ([`renew`](crate::UntypedSession::renew)) and never extended.
///
/// The server enforces both at every read, independent of the cookie (ASVS 7.3.1, 7.3.2). A session is live while the
/// time is *before* its deadline.
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

/// How often the use of a session is stored, which extends its idle timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Refresh {
    /// At most once per 1 % of the idle timeout: the default. A session may therefore expire up to 1 % of the idle timeout
    /// early, and a busy session does not cause a write per request.
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

impl From<Expiry> for Lifetime {
    /// The timeouts, for one session. How often its use is stored remains a setting of the deployment.
    fn from(expiry: Expiry) -> Self {
        Self::new(expiry.timeouts())
    }
}

impl From<Expiry> for Option<Lifetime> {
    fn from(expiry: Expiry) -> Self {
        Some(expiry.into())
    }
}

impl Expiry {
    /// An idle timeout and no absolute timeout. With a duration of zero every session expires at once.
    ///
    /// ```
    /// use level_session::Expiry;
    /// use std::time::Duration;
    ///
    /// let expiry = Expiry::idle(Duration::from_secs(3600));
    /// assert_eq!(expiry.absolute_timeout(), None);
    /// ```
    #[must_use]
    pub const fn idle(idle: Duration) -> Self {
        Self {
            idle,
            absolute: None,
            refresh: Refresh::Throttled,
        }
    }

    /// Ends a session this long after its sign-in, however busy it is (ASVS 7.3.2).
    ///
    /// ```
    /// use level_session::Expiry;
    /// use std::time::Duration;
    ///
    /// let day = Duration::from_secs(24 * 3600);
    /// assert_eq!(Expiry::default().with_absolute(day).absolute_timeout(), Some(day));
    /// ```
    #[must_use]
    pub const fn with_absolute(mut self, absolute: Duration) -> Self {
        self.absolute = Some(absolute);
        self
    }

    /// How often the use of a session is stored.
    ///
    /// ```
    /// use level_session::{Expiry, Refresh};
    ///
    /// let expiry = Expiry::default().with_refresh(Refresh::EveryRequest);
    /// # let _ = expiry;
    /// ```
    #[must_use]
    pub const fn with_refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }

    /// NIST SP 800-63B-4, AAL1 (section 2.1.3): re-authentication at least every 30 days.
    ///
    /// ```
    /// use level_session::Expiry;
    ///
    /// assert_eq!(Expiry::nist_aal1().absolute_timeout().unwrap().as_secs(), 30 * 24 * 3600);
    /// ```
    #[must_use]
    pub const fn nist_aal1() -> Self {
        Self::idle(Duration::from_secs(30 * DAY)).with_absolute(Duration::from_secs(30 * DAY))
    }

    /// NIST SP 800-63B-4, AAL2 (section 2.2.3): 24 hours in all, one hour idle.
    ///
    /// ```
    /// use level_session::Expiry;
    ///
    /// assert_eq!(Expiry::nist_aal2().idle_timeout().as_secs(), 3600);
    /// ```
    #[must_use]
    pub const fn nist_aal2() -> Self {
        Self::idle(Duration::from_secs(HOUR)).with_absolute(Duration::from_secs(24 * HOUR))
    }

    /// NIST SP 800-63B-4, AAL3 (section 2.3.3): 12 hours in all, 15 minutes idle.
    ///
    /// ```
    /// use level_session::Expiry;
    ///
    /// assert_eq!(Expiry::nist_aal3().idle_timeout().as_secs(), 15 * 60);
    /// ```
    #[must_use]
    pub const fn nist_aal3() -> Self {
        Self::idle(Duration::from_secs(15 * MINUTE)).with_absolute(Duration::from_secs(12 * HOUR))
    }

    /// The idle timeout.
    ///
    /// ```
    /// use level_session::Expiry;
    ///
    /// assert_eq!(Expiry::default().idle_timeout().as_secs(), 14 * 24 * 3600); // two weeks
    /// ```
    #[must_use]
    pub const fn idle_timeout(&self) -> Duration {
        self.idle
    }

    /// The absolute timeout, if there is one.
    ///
    /// ```
    /// use level_session::Expiry;
    ///
    /// assert_eq!(Expiry::default().absolute_timeout(), None);
    /// ```
    #[must_use]
    pub const fn absolute_timeout(&self) -> Option<Duration> {
        self.absolute
    }

    /// The timeouts, in the form that stores use.
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts::new(self.idle).with_absolute(self.absolute)
    }
}

/// The settings that determine how long sessions live.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lifetimes {
    /// For sessions without a chosen lifetime.
    pub(crate) expiry: Expiry,
    /// The maximum of chosen lifetimes.
    pub(crate) max: Option<Timeouts>,
}

impl Lifetimes {
    /// The timeouts of a session, with or without a chosen lifetime.
    fn timeouts(&self, lifetime: Option<Lifetime>) -> Timeouts {
        match lifetime {
            Some(own) => own.timeouts.within(self.max),
            None => self.expiry.timeouts(),
        }
    }

    /// The deadlines of a session that begins now.
    pub(crate) fn lease(&self, lifetime: Option<Lifetime>, now: Timestamp) -> Lease {
        let mut lease = self.timeouts(lifetime).lease(now, now);
        lease.lifetime = lifetime;
        lease
    }

    /// A use of a session, which is stored if it is due.
    pub(crate) fn usage(&self, lifetime: Option<Lifetime>) -> Use {
        let due_after = match self.expiry.refresh {
            Refresh::EveryRequest => Duration::ZERO,
            Refresh::Throttled => self.timeouts(lifetime).idle / 100,
        };
        Use::new(self.expiry.timeouts(), due_after).with_max_lifetime(self.max)
    }

    /// The deadline of a session that is not used: the earlier one of its stored deadline and the deadline by the
    /// current timeouts. So shortened timeouts take effect at once.
    pub(crate) fn deadline(&self, lease: &Lease) -> Timestamp {
        let today = self.timeouts(lease.lifetime);
        let today = today.lease(lease.started, lease.seen);
        today.deadline().min(lease.deadline())
    }

    /// The deadline of a session regardless of activity, determined like [`deadline`](Self::deadline).
    pub(crate) fn absolute_deadline(&self, lease: &Lease) -> Option<Timestamp> {
        let today = self.timeouts(lease.lifetime).absolute;
        let today = today.map(|absolute| lease.started.after(absolute));
        [today, lease.absolute_deadline].into_iter().flatten().min()
    }

    /// Whether a session with this lifetime would never end.
    pub(crate) fn never_ends(&self, lifetime: Option<Lifetime>) -> bool {
        let timeouts = self.timeouts(lifetime);
        lifetime.is_some() && timeouts == Lifetime::longest().timeouts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn of(expiry: Expiry) -> Lifetimes {
        Lifetimes { expiry, max: None }
    }

    #[test]
    fn a_use_is_due_in_a_hundredth_of_the_idle_timeout() {
        let expiry = Expiry::idle(Duration::from_millis(1_000));
        assert_eq!(of(expiry).usage(None).due_after, Duration::from_millis(10));
        let every = expiry.with_refresh(Refresh::EveryRequest);
        assert_eq!(of(every).usage(None).due_after, Duration::ZERO);
    }

    #[test]
    fn a_timeout_that_was_shortened_holds_at_once() {
        let lease = Expiry::idle(Duration::from_secs(100))
            .timeouts()
            .lease(at(0), at(0));
        let shorter = Expiry::idle(Duration::from_secs(10));
        assert_eq!(of(shorter).deadline(&lease), at(10_000));
        let longer = Expiry::idle(Duration::from_secs(1_000));
        assert_eq!(of(longer).deadline(&lease), at(100_000));
        assert_eq!(of(longer).absolute_deadline(&lease), None);
        let absolute = longer.with_absolute(Duration::from_secs(50));
        assert_eq!(of(absolute).absolute_deadline(&lease), Some(at(50_000)));
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
