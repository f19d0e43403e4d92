//! The store contract of level-session: what a store for web sessions must do.
//!
//! A store keeps bytes. It knows no types, no cookies and no closures. It reads fields, and it applies a [`Commit`]
//! atomically after checking the commit's guards. Everything else (merging, retrying an `update`, handling a missing
//! session) belongs to the core and is the same for every store. The only calculation in a store, an addition to a
//! counter, is [`Add::apply`].
//!
//! An application depends on `level-session`, which re-exports this crate as `level_session::store`. An author of a store
//! depends on this crate alone and runs its `conformance` suite (feature `conformance`), which tests every promise made
//! here.
//!
//! # The promises
//! 1. **Atomic.** A commit is applied as a whole or not at all, for concurrent readers and across crashes.
//! 2. **Checked in the same step.** [`Create`](Step::Create) applies only if nothing is stored under the digest, not
//!    even the mark of an ended session. Every other step applies only if the session is live at [`Commit::now`] and all
//!    [`guards`](Commit::guards) hold. Otherwise nothing is changed.
//! 3. **The dead stay dead.** A destroyed or renewed digest answers [`Loaded::Ended`] for at least
//!    [`ENDED_IS_REMEMBERED`] and is never live again. A former id that still worked ends with its session. An expired
//!    session answers [`Loaded::Missing`] or [`Loaded::Ended`].
//! 4. **Errors are errors.** Unreadable data is an error, never a missing session, and is never overwritten.
//! 5. **Isolated by field.** A commit changes the fields that it names, the deadlines if it records a use that is due,
//!    and nothing else.
//! 6. **Cancellation is safe.** If a future is dropped, its commit is applied as a whole or not at all. A future that is
//!    held without being polled blocks no other call.
//!
//! # Clocks
//! The caller passes the time to every call, and the caller's time decides. If several machines share a store, their
//! clocks may differ by seconds: a session may then end that much earlier or later, and a request may be refused
//! unnecessarily. A session that ended never comes back, and no use shortens a session's life: see
//! [`Lease::after_use`].
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
    Abilities, Clear, Commit, Cursor, Done, ENDED_IS_REMEMBERED, Fields, Flaw, Found, Guard, Lease,
    Lifetime, Limit, Loaded, MemoryStore, Meta, Moving, Op, Outcome, Page, Select, Snapshot, Step,
    Store, StoreFuture, Swept, Timeouts, Turn, Turns, Use, Watch, WatchList, Watcher, WhenFull,
    Wrapper, Write, copy, local, rules,
};
pub use value::{Add, Value, ValueError};
