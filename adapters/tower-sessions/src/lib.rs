//! The way over from [tower-sessions](https://docs.rs/tower-sessions) to
//! [level-session](https://docs.rs/level-session): a store for its `SessionManagerLayer`, and a layer that gives crates
//! which ask for its session, such as axum-login, one within level-session's.
//!
//! # The store
//! [`BridgeStore`] is a `SessionStore` of tower-sessions over any store of level-session. The application stays as it
//! is, and gains what its own stores do not give:
//!
//! - two requests that change different keys of a session keep both changes;
//! - a session that another request ended or renewed stays dead: saving it is an error;
//! - the store holds digests, so a copy of it reveals no id;
//! - the sessions of a user can be found and ended.
//!
//! ```
//! # #[cfg(feature = "core-0-15")] {
//! use level_session_store::MemoryStore;
//! use level_session_tower_sessions::BridgeStore;
//!
//! // let app = Router::new().route(..).layer(SessionManagerLayer::new(store));
//! let store = BridgeStore::new(MemoryStore::new());
//! # fn is_theirs(_: impl tower_sessions_core_0_15::SessionStore) {}
//! # is_theirs(store);
//! # }
//! ```
//!
//! # How a record is kept
//! Each key of a record is a field of its own. tower-sessions hands over whole records, so a record that was loaded
//! carries what it was loaded from: under the key `level-session:loaded`, a hash for each field. Saving compares, and
//! writes the keys that have changed.
//!
//! - Of two requests that change *one* key the last one wins, as in tower-sessions. A request that saves more than once
//!   writes again each time what it has changed since it loaded.
//! - After `Session::clear` a save removes every key, also those that other requests have added meanwhile.
//! - `cycle_id` and the save at the end of the request are one session under another id, with all that other requests
//!   have stored before. The request has a minute from the one to the other.
//! - The id of a loaded `Record` is an alias: deleting by it cycles. Whoever calls the store directly names sessions by
//!   the id that they were loaded by.
//! - When the session expires is up to tower-sessions' `Expiry`; it is kept to the nanosecond.
//! - A key must not be empty, longer than 1024 bytes, or begin with `level-session:`: saving such a record is an error.
//! - Do not put a `CachingSessionStore` in front: it forgets changes of other requests, and our stores have a cache.
//!
//! # Features
//! | feature | what it brings |
//! |---|---|
//! | `core-0-14` | `SessionStore` of tower-sessions 0.14, which axum-login 0.18 and axum-messages 0.8 use |
//! | `core-0-15` | `SessionStore` of tower-sessions 0.15 |
//! | `layer` | `TowerSessionLayer`: sessions of those cores within the session of level-session |
//!
//! Both cores can be on. None is by default.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(any(feature = "core-0-14", feature = "core-0-15")),
    allow(dead_code, reason = "nobody calls the store without a core")
)]

// The examples of the guide.
#[cfg(all(
    doctest,
    feature = "core-0-14",
    feature = "core-0-15",
    feature = "layer"
))]
#[doc = include_str!("../../../session/docs/coming.md")]
mod guide {}

// A record as fields, and what has changed of it.
mod id;
mod index;
mod record;
// The store.
mod store;
mod users;
#[cfg(any(feature = "core-0-14", feature = "core-0-15"))]
mod versions;
// The session within ours.
#[cfg(feature = "layer")]
mod within;

pub use id::SessionId;
pub use store::{BridgeStore, BridgeStoreBuilder};
pub use users::UserSession;
#[cfg(feature = "layer")]
#[cfg_attr(docsrs, doc(cfg(feature = "layer")))]
pub use within::{TowerSessionLayer, TowerSessionService};
