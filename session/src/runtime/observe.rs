//! What an application can watch: sessions that begin and end.

use crate::store::{Digest, Store, Watch};
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
    /// It had expired and was removed: when the clean-up came by, not to the second. From stores that clean up
    /// themselves ([`Store::watch_expired`]).
    Expired(Digest),
}

/// What is called for every [`Event`].
#[derive(Clone, Default)]
pub(crate) struct Observer {
    observe: Option<Arc<Observe>>,
    /// What the store calls, for as long as it is held here.
    expired: Option<Arc<Watch>>,
}

type Observe = dyn Fn(Event) + Send + Sync;

impl Observer {
    pub(crate) fn new(observe: impl Fn(Event) + Send + Sync + 'static) -> Self {
        let observe: Arc<Observe> = Arc::new(observe);
        let watch = observe.clone();
        Self {
            observe: Some(observe),
            expired: Some(Arc::new(move |id| call(&*watch, Event::Expired(id)))),
        }
    }

    /// Asks a store to tell of what it removes.
    pub(crate) fn watch(&self, store: &dyn Store) {
        if let Some(expired) = &self.expired {
            store.watch_expired(Arc::downgrade(expired));
        }
    }

    /// Tells what happened. It has happened, whatever the observer makes of it (requirement L11).
    pub(crate) fn tell(&self, event: Event) {
        if let Some(observe) = &self.observe {
            call(&**observe, event);
        }
    }
}

fn call(observe: &Observe, event: Event) {
    if catch_unwind(AssertUnwindSafe(|| observe(event))).is_err() {
        tracing::error!(?event, "an observer of sessions panicked");
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
