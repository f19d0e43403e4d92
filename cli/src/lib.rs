//! An inspector for the stores of [level-session](level_session).
//!
//! The program `level-session` lists, shows, finds, ends, verifies, reindexes and copies sessions without the application's
//! types: in the embedded store while the application is stopped, in Redis and PostgreSQL at any time. The README of this
//! crate describes its commands. This library is for a running application:
#![cfg_attr(
    feature = "router",
    doc = "[`admin_router`] serves sessions to its administrators, as JSON."
)]
#![cfg_attr(
    not(feature = "router"),
    doc = "`admin_router` (feature `router`) serves sessions to its administrators, as JSON."
)]
//!
//! # Features
//! | feature | default | provides |
//! |---|---|---|
//! | `bin` | yes | the program |
//! | `fjall`, `redis`, `postgres` | yes | the stores that the program supports |
//! | `redis-tls`, `postgres-tls` | no | TLS connections to these stores |
//! | `router` | no | `admin_router`, for axum |
//!
//! An application needs only the router: `default-features = false, features = ["router"]`.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "router")]
mod admin;
mod picture;
mod time;

#[cfg(feature = "router")]
#[cfg_attr(docsrs, doc(cfg(feature = "router")))]
pub use admin::admin_router;
pub use picture::{Field, Picture};
pub use time::rfc3339;
