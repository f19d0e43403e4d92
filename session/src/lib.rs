//! Server-side web sessions, typed field by field: durable, signed, and safe under concurrent requests.
//!
//! A session is declared as a struct. [`#[derive(SessionData)]`](derive@SessionData) generates a method for each field.
//! Each field is kept under its own key in a [store], so a request reads and writes only the fields it uses, and does not
//! disturb other requests.
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
//! # In short
//! Changes are visible only to their own request until it ends; then all of them, or none, are stored in one atomic
//! step. In this step `set` replaces, `add` adds, and `update` runs again on the latest value. Only `take`, reading a
//! flash field, and `commit` store changes before the request ends.
//!
//! A request is one *unit of work*: it reads each field once, and has one set of changes. A WebSocket or a task that
//! outlives its request gets a unit of work of its own, by [`detach`](UntypedSession::detach).
//!
//! # Where to look
//! - [`Session`]: everything that a handler can call, in two tables.
//! - [`derive@SessionData`]: the attributes of the derive. [`guide::derive`]: the same at length, with examples.
//! - [`UntypedSession`]: the life cycle (`renew`, `destroy`, ..), fields by key, and the errors with what to do next.
//! - [`Field`], [`OptField`], [`Counter`], [`Flash`], [`FlashList`]: the field handles that accessors return.
//! - [`SessionLayer`] for tower and axum, [`Exchange`] for the middleware of any framework.
//! - [`Sessions`], [`SessionsBuilder`], [`CookieConfig`], [`Expiry`], [`Keyring`]: the settings.
//! - [`store`]: the stores, and the contract for your own. [`value`]: the format of stored values, byte by byte.
//! - [`Sessions::find`]: list, end and limit a user's sessions.
//! - [`guide`]: the guides, in reading order, from the derive to the security table.
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
//! | `actix-web-4`, `poem-3` | no | [`Sessions`] is their middleware, [`Session`] an argument of their handlers: see [`guide::frameworks`] |
//! | `redis` | no | `RedisStore`: Redis, Valkey or a Redis Cluster, for several processes |
//! | `redis-tls` | no | TLS to Redis; implies `redis` |
//! | `node` | no | `FormerCookie`: visitors of a Node site keep their sessions, see [`guide::coming`] |
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
#[cfg(any(doc, doctest))]
pub mod guide;
mod private;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

#[cfg(feature = "actix-web-4")]
#[cfg_attr(docsrs, doc(cfg(feature = "actix-web-4")))]
pub use self::adapters::ActixWebService;
#[cfg(feature = "poem-3")]
#[cfg_attr(docsrs, doc(cfg(feature = "poem-3")))]
pub use self::adapters::PoemEndpoint;
#[cfg(feature = "node")]
#[cfg_attr(docsrs, doc(cfg(feature = "node")))]
pub use self::cookie::FormerCookie;
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
