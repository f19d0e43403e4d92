//! The time, and the only place where the system clock is read.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::watch;

/// A moment: milliseconds since the Unix epoch, UTC.
///
/// Arithmetic saturates: no duration can panic or wrap around.
///
/// ```
/// use level_session_store::Timestamp;
/// use std::time::Duration;
///
/// let t = Timestamp::from_millis(1_000);
/// assert_eq!(t.after(Duration::from_secs(2)).as_millis(), 3_000);
/// assert_eq!(t.after(Duration::MAX), Timestamp::MAX);
/// assert_eq!(t.since(Timestamp::MAX), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The latest moment there is; as a deadline it means "never".
    pub const MAX: Self = Self(u64::MAX);

    /// Creates a timestamp from milliseconds since the Unix epoch.
    ///
    /// ```
    /// use level_session_store::Timestamp;
    ///
    /// assert!(Timestamp::from_millis(1_000) < Timestamp::from_millis(2_000));
    /// ```
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    ///
    /// ```
    /// use level_session_store::Timestamp;
    ///
    /// assert_eq!(Timestamp::from_millis(1_000).as_millis(), 1_000);
    /// ```
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` later, at most [`Timestamp::MAX`].
    ///
    /// ```
    /// use level_session_store::Timestamp;
    /// use std::time::Duration;
    ///
    /// let later = Timestamp::from_millis(1_000).after(Duration::from_secs(2));
    /// assert_eq!(later, Timestamp::from_millis(3_000));
    /// ```
    #[must_use]
    #[inline]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// The moment after this one.
    #[must_use]
    #[doc(hidden)]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The time that has passed since `earlier`; zero if `earlier` is later.
    ///
    /// ```
    /// use level_session_store::Timestamp;
    ///
    /// let (earlier, later) = (Timestamp::from_millis(1_000), Timestamp::from_millis(3_000));
    /// assert_eq!(later.since(earlier).as_secs(), 2);
    /// assert!(earlier.since(later).is_zero());
    /// ```
    #[must_use]
    #[inline]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, millis))
    }
}

/// Whole milliseconds of a duration; the largest number if they do not fit.
#[inline]
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The source of time: the system clock, or a manual clock for tests.
///
/// ```
/// use level_session_store::{Clock, Timestamp};
/// use std::time::Duration;
///
/// let clock = Clock::manual(Timestamp::from_millis(0));
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), Timestamp::from_millis(60_000));
/// ```
#[derive(Clone, Default)]
pub struct Clock(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    /// Its time, with the tasks that sleep until a moment.
    Manual(Arc<watch::Sender<Timestamp>>),
}

impl Clock {
    /// The system clock, which is the default. On Linux it returns the time of the kernel's last tick, at most a few
    /// milliseconds old, which takes a few nanoseconds to read.
    ///
    /// ```
    /// use level_session_store::{Clock, Timestamp};
    ///
    /// assert!(Clock::system().now() > Timestamp::from_millis(1_700_000_000_000));
    /// ```
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until it is [advanced](Self::advance). Clones share the time.
    ///
    /// ```
    /// use level_session_store::{Clock, Timestamp};
    ///
    /// let clock = Clock::manual(Timestamp::from_millis(5));
    /// assert_eq!(clock.now(), Timestamp::from_millis(5));
    /// ```
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(watch::Sender::new(start))))
    }

    /// The current time.
    ///
    /// ```
    /// use level_session_store::{Clock, Timestamp};
    ///
    /// assert_eq!(Clock::manual(Timestamp::from_millis(5)).now().as_millis(), 5);
    /// ```
    #[must_use]
    #[inline]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_time(),
            Source::Manual(at) => *at.borrow(),
        }
    }

    /// Moves a manual clock forward. It has no effect on the system clock.
    ///
    /// ```
    /// use level_session_store::{Clock, Timestamp};
    /// use std::time::Duration;
    ///
    /// let clock = Clock::manual(Timestamp::from_millis(0));
    /// clock.clone().advance(Duration::from_millis(7));
    /// assert_eq!(clock.now().as_millis(), 7);
    /// ```
    pub fn advance(&self, duration: Duration) {
        if let Source::Manual(at) = &self.0 {
            at.send_modify(|now| *now = now.after(duration));
        }
    }

    /// The number of tasks that wait for a moment of this manual clock. A test that moves the clock waits for them
    /// first.
    #[doc(hidden)]
    #[must_use]
    pub fn sleepers(&self) -> usize {
        match &self.0 {
            Source::System => 0,
            Source::Manual(at) => at.receiver_count(),
        }
    }

    /// Returns at this moment. With the system clock it needs a tokio runtime whose timer is enabled.
    #[doc(hidden)]
    pub async fn sleep_until(&self, moment: Timestamp) {
        /// How long to sleep before the time is read again: the system clock may have been set.
        const AT_MOST: Duration = Duration::from_secs(3600);
        match &self.0 {
            Source::System => loop {
                match moment.since(self.now()) {
                    Duration::ZERO => return,
                    left => tokio::time::sleep(left.min(AT_MOST)).await,
                }
            },
            Source::Manual(at) => {
                // The sender lives as long as `self`.
                let _ = at.subscribe().wait_for(|now| *now >= moment).await;
            }
        }
    }
}

/// The one reading of the system's clock in this crate.
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods)]
fn system_time() -> Timestamp {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Timestamp(seconds.saturating_mul(1_000) + nanos / 1_000_000)
}

/// The one reading of the system's clock in this crate.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::disallowed_methods)]
fn system_time() -> Timestamp {
    SystemTime::now().into()
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::System => f.write_str("Clock::System"),
            Source::Manual(_) => write!(f, "Clock::Manual({})", self.now().as_millis()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_time_is_that_of_today_and_runs_on() {
        #[allow(clippy::disallowed_methods)]
        let before: Timestamp = SystemTime::now().into();
        let clock = Clock::system();
        let read = clock.now();
        let apart = before.since(read).max(read.since(before));
        assert!(apart < Duration::from_secs(60), "{apart:?}");
        while clock.now() == read {
            std::hint::spin_loop(); // until the kernel's next tick
        }
        assert!(clock.now() > read);
    }
}
