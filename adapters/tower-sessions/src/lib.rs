//! A migration path from [tower-sessions](https://docs.rs/tower-sessions) to level-session: a store for its
//! `SessionManagerLayer`, and a layer that gives crates that require a session of tower-sessions, such as axum-login, one
//! on top of level-session's.
//!
//! # The store
//! [`BridgeStore`] implements tower-sessions' `SessionStore` with any store of level-session. The application does not change,
//! and gains properties that other stores for tower-sessions lack:
//!
//! - if two requests change different keys of a session, both changes are kept;
//! - a session that another request ended or renewed is not revived: saving it is an error;
//! - the store contains digests, so a copy of it reveals no id;
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
//! # How records are stored
//! Each key of a record is stored as a separate field. tower-sessions passes whole records, so a loaded record contains a
//! hash of each loaded field, under the key `level-session:loaded`. A save compares the hashes and writes only the keys that
//! have changed.
//!
//! - If two requests change *the same* key, the last one wins, as in tower-sessions. If a request saves several times,
//!   each save writes all changes since the session was loaded.
//! - After `Session::clear`, a save removes every key, including keys that other requests have added in the meantime.
//! - After `cycle_id`, the save at the end of the request continues the same session under a new id, with all changes that
//!   other requests stored before. The request may take up to a minute between the two.
//! - The id of a loaded `Record` is an alias: deleting by it cycles the id. Code that calls the store directly must identify
//!   sessions by the id with which they were loaded.
//! - tower-sessions' `Expiry` determines when the session expires; it is stored to the nanosecond.
//! - A key must not be empty, longer than 1024 bytes, or begin with `level-session:`: saving such a record is an error.
//! - Do not wrap the store in a `CachingSessionStore`: it would hide changes of other requests.
//!
//! # Features
//! | feature | provides |
//! |---|---|
//! | `core-0-14` | `SessionStore` of tower-sessions 0.14, which axum-login 0.18 and axum-messages 0.8 use |
//! | `core-0-15` | `SessionStore` of tower-sessions 0.15 |
//! | `layer` | `TowerSessionLayer`: sessions of these cores on top of the session of level-session |
//!
//! Both cores can be enabled together. By default, neither is.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(any(feature = "core-0-14", feature = "core-0-15")),
    allow(dead_code, reason = "without a core, the store is unused")
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

// Records as fields, and their changes.
mod id;
mod index;
mod record;
// The store.
mod store;
mod users;
#[cfg(any(feature = "core-0-14", feature = "core-0-15"))]
mod versions;
// The session on top of ours.
#[cfg(feature = "layer")]
mod within;

pub use id::SessionId;
pub use store::{BridgeStore, BridgeStoreBuilder};
pub use users::UserSession;
#[cfg(feature = "layer")]
#[cfg_attr(docsrs, doc(cfg(feature = "layer")))]
pub use within::{TowerSessionLayer, TowerSessionService};
