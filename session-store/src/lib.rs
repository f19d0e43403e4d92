//! The store contract of [level-session](https://docs.rs/level-session): what a place that keeps web sessions must do,
//! and nothing that it need not know.
//!
//! A store keeps bytes. It knows no types, no cookies and no closures: it reads fields, and it applies a [`Commit`]
//! atomically, having compared what the commit tells it to compare. Everything above (merging, retrying an `update`,
//! deciding what a missing session means) is the core's, and the same for every store. The one thing it has to
//! calculate, an addition to a counter, is [`Add::apply`].
//!
//! An application depends on `level-session`, which re-exports this crate as `level_session::store`. An author of a store
//! depends on this crate alone, and runs its `conformance` suite (feature `conformance`), which holds every promise
//! made here.
//!
//! # The promises
//! 1. **Atomic.** A commit is applied whole or not at all, in view of concurrent readers and of crashes.
//! 2. **Checked in the same step.** [`Create`](Step::Create) applies only if nothing is stored under the digest, not
//!    even the mark of an ended session; every other step only if the session lives at [`Commit::now`]; and all
//!    [`guards`](Commit::guards) are compared then. Otherwise nothing is changed.
//! 3. **The dead stay dead.** A destroyed or renewed digest answers [`Loaded::Ended`] for at least
//!    [`ENDED_IS_REMEMBERED`] and is never live again; a former id that still worked ends with its session. An expired
//!    one is [`Loaded::Missing`] or [`Loaded::Ended`].
//! 4. **Errors are errors.** What cannot be read is an error, never a missing session, and is never overwritten.
//! 5. **Isolated by field.** A commit changes the fields that it names, the deadlines if it notes a use that is due, and
//!    nothing else.
//! 6. **Cancellation is safe.** A future that is dropped has applied its commit whole or not at all.
//!
//! # Clocks
//! The caller passes the time to every call, and the caller's time decides. Where several machines share a store, their
//! clocks may differ by seconds: a session may then end that much earlier or later, and a request may be refused that
//! need not have been. What ended never comes back, and no use shortens a session's life: see [`Lease::after_use`].
#![cfg_attr(docsrs, feature(doc_cfg))]

// Vocabulary.
mod bytes;
mod clock;
mod config_error;
mod digest;
mod error;
mod name;
// A value and its bytes; what an application declares.
pub mod schema;
pub mod value;
// The contract, and the stores in memory.
mod store;

pub use bytes::Bytes;
pub use clock::{Clock, Timestamp};
pub use config_error::ConfigError;
pub use digest::{Digest, Home};
pub use error::{Error, ErrorKind, Result};
pub use name::{FieldName, RESERVED_PREFIX};
#[doc(hidden)]
pub use store::Answer;
#[cfg(any(test, feature = "conformance"))]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub use store::conformance;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub use store::testing;
pub use store::{
    Abilities, Clear, Commit, Cursor, Done, ENDED_IS_REMEMBERED, Fields, Found, Guard, Lease,
    Lifetime, Limit, Loaded, MemoryStore, Meta, Moving, Op, Outcome, Page, Select, Snapshot, Step,
    Store, StoreFuture, Swept, Timeouts, Use, Watch, WatchList, Watcher, WhenFull, Wrapper, Write,
    copy, local, rules,
};
pub use value::{Add, Value, ValueError};
