//! Server-side web sessions, typed field by field: durable, signed, and nothing is lost between concurrent requests.
//!
//! A session is declared as a struct. [`#[derive(SessionData)]`](derive@SessionData) gives each field a method, and each
//! field lives under a key of its own in a [store], so that a request reads what it asks for, writes what it changed,
//! and disturbs no other request.
//!
//! ```no_run
//! use axum::{Router, extract::Path, routing::{get, post}};
//! use level_session::{FjallStore, Keyring, Result, Session, SessionData, SessionLayer};
//!
//! #[derive(SessionData)]
//! pub struct Shop {
//!     /// The signed-in user.
//!     #[session(index)]
//!     pub user_id: Option<u64>,
//!     /// What is in the cart.
//!     #[session(default)]
//!     pub cart: Vec<String>,
//!     /// How often the visitor came: additions merge, none is lost.
//!     #[session(counter)]
//!     pub visits: u64,
//!     /// Shown once.
//!     #[session(flash)]
//!     pub notice: Option<String>,
//!     /// Lives ten minutes.
//!     #[session(ttl = "10m")]
//!     pub code: Option<String>,
//! }
//!
//! async fn sign_in(session: Session<Shop>, Path(user): Path<u64>) -> Result<&'static str> {
//!     session.renew()?; // a new id at every change of privilege
//!     session.user_id().set(user)?;
//!     session.notice().set("Welcome back")?;
//!     Ok("signed in")
//! } // <- one atomic commit of all of it, before the response leaves
//!
//! async fn add(session: Session<Shop>, Path(item): Path<String>) -> Result<String> {
//!     let user = session.user_id().await?; // reads this field, and no other
//!     session.cart().update(move |cart| cart.push(item.clone())).await?; // never lost, never loses
//!     session.visits().add(1)?;
//!     session.set("referrer", "newsletter")?; // untyped, the same session
//!     Ok(format!("{user:?} has {} items", session.cart().await?.len()))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! let store = FjallStore::open("sessions.db")?;
//! let keyring = Keyring::from_env("SESSION_KEYS")?;
//! let app: Router = Router::new()
//!     .route("/sign-in/{user}", post(sign_in))
//!     .route("/add/{item}", post(add))
//!     .layer(SessionLayer::new(store, keyring));
//! # Ok(())
//! # }
//! ```
//!
//! # In one sentence
//! What you write is yours alone until the request ends; then all of it is stored at once (`set` replaces, `add` adds,
//! `update` runs again on what is there by then), or none of it.
//!
//! # Where to look
//! - [`derive@SessionData`]: the attributes of the derive.
//! - [`UntypedSession`]: the life cycle (`renew`, `destroy`, ..) and fields by key; what every session dereferences to.
//! - [`Field`], [`OptField`], [`Counter`], [`Flash`], [`FlashList`]: what an accessor returns.
//! - [`SessionLayer`] for tower and axum, [`Exchange`] for the middleware of any framework, [`Sessions`] for the settings.
//! - [`CookieConfig`], [`Expiry`], [`Keyring`]: the settings.
//! - [`store`]: the stores, and the contract for one of your own. [`value`]: what is stored, byte by byte.
//! - [`Sessions::find`]: a user's sessions, to list, end and limit them: [`users_guide`].
//! - [`frameworks`]: what to write for each, and what they do differently.
//! - [`guides`]: a guard for signed-in users, OAuth, connections that end at sign-out, shutdown and containers.
//! - [`practice`]: layer order, forms, tests, backups, forks.
//! - [`coming`]: from tower-sessions and other libraries to this one.
//! - [`security`]: every requirement, how it is met, and the test that holds it.
//!
//! # Features
//! | feature | default | what it brings |
//! |---|---|---|
//! | `derive` | yes | `#[derive(SessionData)]` |
//! | `fjall` | yes | [`FjallStore`], embedded and durable |
//! | `postgres` | no | `PostgresStore`: sessions in PostgreSQL, shared by any number of processes |
//! | `postgres-tls` | no | TLS for it, by rustls; implies `postgres` |
//! | `axum` | yes | the extractors; implies `tower` |
//! | `tower` | yes | [`SessionLayer`] |
//! | `actix-web-4`, `poem-3` | no | [`Sessions`] is their middleware, [`Session`] an argument of their handlers: see [`frameworks`] |
//! | `redis` | no | `RedisStore`: Redis, Valkey or a Redis Cluster, for several processes |
//! | `redis-tls` | no | TLS to Redis; implies `redis` |
//! | `conformance` | no | `store::conformance`: the store contract as tests |
//! | `metrics` | no | [`SessionsBuilder`]`::metrics`: counts and latencies for the `metrics` crate |
//! | `testing` | no | `testing`: a signed-in user for your tests; `store::testing`: a store that fails when it is told to |
//!
//! The crate needs tokio for its timer and its locks; there is no other runtime requirement.
#![cfg_attr(docsrs, feature(doc_cfg))]

// Vocabulary: the store crate has most of it.
mod error;
mod expiry;
mod handle;
mod id;
pub use level_session_store as store;
// Signatures, and the cookie on the wire.
mod cookie;
mod csrf;
mod keyring;
// What all units of work share.
mod ending;
#[cfg(feature = "metrics")]
mod metering;
mod runtime;
mod seldom;
// The handle.
mod changes;
mod session;
// Headers in, a session, headers out.
mod exchange;
mod sessions;
// Whose sessions are these.
mod users;
// Transport.
mod adapters;
#[cfg(feature = "axum")]
mod extract;
#[cfg(feature = "tower")]
mod middleware;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod private;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
/// The book of the derive.
///
#[cfg(all(doc, feature = "derive"))]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
#[doc = include_str!("../docs/derive.md")]
pub mod derive_guide {}

/// Frameworks: what to write for each, and what they do differently.
#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/frameworks.md")]
pub mod frameworks {}

/// Guides: what applications build around a session.
#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/guides.md")]
pub mod guides {}

/// In practice: what applications meet around the library, with the remedy.
#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/practice.md")]
pub mod practice {}

/// From tower-sessions, axum_session, actix-session, express-session and level-session for Node to this one.
// Its examples are run where the bridge is, in `level-session-tower-sessions`.
#[cfg(all(doc, not(doctest)))]
#[doc = include_str!("../docs/coming.md")]
pub mod coming {}

/// A user's sessions: lists, limits, "remember me", audit logs and metrics.
#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/users.md")]
pub mod users_guide {}

/// The security table: what is promised, how it is met, and the test that holds it.
#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/security.md")]
pub mod security {}

#[cfg(feature = "actix-web-4")]
#[cfg_attr(docsrs, doc(cfg(feature = "actix-web-4")))]
pub use self::adapters::ActixWebService;
#[cfg(feature = "poem-3")]
#[cfg_attr(docsrs, doc(cfg(feature = "poem-3")))]
pub use self::adapters::PoemEndpoint;
pub use self::cookie::{CookieConfig, CookieConfigBuilder, SameSite};
pub use error::{Error, ErrorKind, Result};
pub use exchange::{Exchange, Failure, RequestSessions};
pub use expiry::{Expiry, Refresh};
pub use handle::{InvalidHandle, SessionHandle};
pub use keyring::Keyring;
#[cfg(feature = "fjall")]
#[cfg_attr(docsrs, doc(cfg(feature = "fjall")))]
pub use level_session_fjall::{Durability, FjallStore, FjallStoreBuilder};
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use level_session_postgres::{PostgresStore, PostgresStoreBuilder, SynchronousCommit};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use level_session_redis::{RedisStore, RedisStoreBuilder, Safety};
pub use level_session_store::{
    Clock, ConfigError, FieldName, Lifetime, MemoryStore, Timestamp, Value,
    schema::{AsKey, CounterValue, FieldDef, FieldKey, Key, Schema, WhenFull},
    value,
};
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use middleware::{
    AnyBody, MakeBody, ResponseFuture, SameBody, SessionBody, SessionLayer, SessionService,
};
pub use runtime::{EndReason, Event, Head};
pub use session::{
    AllFields, Counter, Field, Flash, FlashList, Loading, NoFields, OptField, Session, SessionData,
    SetFrom, Storing, UntypedSession, Updated,
};
pub use sessions::{Sessions, SessionsBuilder};
pub use users::{Found, Listing};

#[cfg(feature = "derive")]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
pub use level_session_derive::SessionData;

#[doc(hidden)]
pub mod __private {
    pub use crate::private::*;
}
