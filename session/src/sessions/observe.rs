//! What an application can watch: sessions that begin and end.

use crate::id::Digest;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Something that happened to a session, told once and after it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It was made.
    Created(Digest),
    /// It has another id.
    #[non_exhaustive]
    Renewed {
        /// What it was known by.
        from: Digest,
        /// What it is known by.
        to: Digest,
    },
    /// It was destroyed.
    Destroyed(Digest),
    /// It had expired and was removed: when the clean-up came by, not to the second.
    Expired(Digest),
}

/// What is called for every [`Event`].
#[derive(Clone, Default)]
pub(crate) struct Observer(Option<Arc<dyn Fn(Event) + Send + Sync>>);

impl Observer {
    pub(super) fn new(observe: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    /// Tells what happened. It has happened, whatever the observer makes of it (requirement L11).
    pub(crate) fn tell(&self, event: Event) {
        let Some(observe) = &self.0 else { return };
        if catch_unwind(AssertUnwindSafe(|| observe(event))).is_err() {
            tracing::error!(?event, "an observer of sessions panicked");
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Observer({})",
            if self.0.is_some() { "set" } else { "none" }
        )
    }
}
