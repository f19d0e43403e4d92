//! Events for applications: sessions that begin and end.

use crate::{
    handle::SessionHandle,
    store::{Clock, Digest, Store, Timestamp, Watch},
};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// A change in the life of a session, reported once, after it is stored, by the process that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The session was created.
    #[non_exhaustive]
    Created {
        /// The session.
        session: SessionHandle,
        /// When it was created.
        at: Timestamp,
    },
    /// The session has a new id.
    #[non_exhaustive]
    Renewed {
        /// Its former handle.
        from: SessionHandle,
        /// Its new handle.
        to: SessionHandle,
        /// When it was renewed.
        at: Timestamp,
    },
    /// The session has ended. A session that was ended by its former id, within the
    /// [grace](crate::SessionsBuilder::renewal_grace) of a renewal, is reported under that id.
    #[non_exhaustive]
    Ended {
        /// The session.
        session: SessionHandle,
        /// The reason.
        reason: EndReason,
        /// When it ended. For [`EndReason::Expired`] the time at which it was removed.
        at: Timestamp,
    },
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// It destroyed itself ([`destroy`](crate::UntypedSession::destroy)), or another session in the same browser did.
    SignedOut,
    /// Another session of the same user ended it: [`end_other`](crate::UntypedSession::end_other),
    /// [`end_others`](crate::UntypedSession::end_others).
    OtherSession,
    /// The application ended it: [`Sessions::end`](crate::Sessions::end), [`Sessions::end_all`](crate::Sessions::end_all).
    Application,
    /// A sign-in elsewhere exceeded the limit of its user, and it was the oldest.
    Limit,
    /// It had expired and was removed: reported when the clean-up removes it, not at its deadline. Stores with a
    /// clean-up of their own report it ([`Store::watch_expired`]); Redis removes expired sessions without a report.
    Expired,
}

impl EndReason {
    /// The reason as one word, for logs and metrics: `signed_out`, `other_session`, `application`, `limit`, `expired`.
    ///
    /// ```
    /// use level_session::EndReason;
    ///
    /// assert_eq!(EndReason::SignedOut.as_str(), "signed_out");
    /// assert_eq!(EndReason::Limit.to_string(), "limit");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::OtherSession => "other_session",
            Self::Application => "application",
            Self::Limit => "limit",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Event {
    pub(crate) fn created(session: Digest, at: Timestamp) -> Self {
        Self::Created {
            session: SessionHandle::new(session),
            at,
        }
    }

    pub(crate) fn renewed(from: Digest, to: Digest, at: Timestamp) -> Self {
        Self::Renewed {
            from: SessionHandle::new(from),
            to: SessionHandle::new(to),
            at,
        }
    }

    pub(crate) fn ended(session: Digest, reason: EndReason, at: Timestamp) -> Self {
        Self::Ended {
            session: SessionHandle::new(session),
            reason,
            at,
        }
    }

    /// The session, by its current handle, or by its last one.
    ///
    /// ```
    /// # use level_session::{Keyring, MemoryStore, Sessions};
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .observer(|event| println!("{}: {event:?}", event.session()))
    ///     .build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    #[must_use]
    pub const fn session(&self) -> SessionHandle {
        match self {
            Self::Created { session, .. } | Self::Ended { session, .. } => *session,
            Self::Renewed { to, .. } => *to,
        }
    }

    /// When it happened.
    ///
    /// ```
    /// # use level_session::{Keyring, MemoryStore, Sessions};
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .observer(|event| println!("{} ms: {event:?}", event.at().as_millis()))
    ///     .build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Created { at, .. } | Self::Renewed { at, .. } | Self::Ended { at, .. } => *at,
        }
    }
}

/// The callback for every [`Event`].
#[derive(Clone, Default)]
pub(crate) struct Observer {
    observe: Option<Arc<Observe>>,
    /// Whether events are also counted as metrics.
    #[cfg(feature = "metrics")]
    pub(crate) metered: bool,
    /// The store's callback. The store holds it weakly.
    expired: Option<Arc<Watch>>,
}

type Observe = dyn Fn(Event) + Send + Sync;

impl Observer {
    pub(crate) fn set(&mut self, observe: impl Fn(Event) + Send + Sync + 'static) {
        self.observe = Some(Arc::new(observe));
        self.expired = None;
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn meter(&mut self) {
        self.metered = true;
        self.expired = None;
    }

    fn is_set(&self) -> bool {
        #[cfg(feature = "metrics")]
        if self.metered {
            return true;
        }
        self.observe.is_some()
    }

    /// Registers with a store for the sessions that it removes. Once: clones of an observer report an end once.
    pub(crate) fn watch(&mut self, store: &dyn Store, clock: &Clock) {
        if self.is_set() && self.expired.is_none() {
            let (observer, clock) = (self.clone(), clock.clone());
            let expired: Arc<Watch> = Arc::new(move |id: Digest| {
                observer.tell(Event::ended(id, EndReason::Expired, clock.now()));
            });
            store.watch_expired(Arc::downgrade(&expired));
            self.expired = Some(expired);
        }
    }

    /// Reports an event. The event has happened, even if the observer panics (requirement L11).
    pub(crate) fn tell(&self, event: Event) {
        #[cfg(feature = "metrics")]
        if self.metered {
            count(&event);
        }
        if let Some(observe) = &self.observe {
            call(&**observe, event);
        }
    }
}

fn call(observe: &Observe, event: Event) {
    if catch_unwind(AssertUnwindSafe(|| observe(event))).is_err() {
        tracing::error!(?event, "a session observer panicked");
    }
}

/// Counts an event as a metric.
#[cfg(feature = "metrics")]
fn count(event: &Event) {
    match event {
        Event::Created { .. } => metrics::counter!("level_session_created_total").increment(1),
        Event::Renewed { .. } => metrics::counter!("level_session_renewed_total").increment(1),
        Event::Ended { reason, .. } => {
            metrics::counter!("level_session_ended_total", "reason" => reason.as_str())
                .increment(1);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Observer({})",
            if self.observe.is_some() {
                "set"
            } else {
                "none"
            }
        )
    }
}
