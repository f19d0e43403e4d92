//! The inspector of [level-session](https://docs.rs/level-session)'s stores.
//!
//! The program `level-session` lists, shows, finds, ends, verifies, indexes anew and copies sessions without the
//! application's types: over the embedded store while the application is stopped, over Redis and PostgreSQL at any time.
//! The README of this crate has its commands. This library is for a running application:
#![cfg_attr(
    feature = "router",
    doc = "[`admin_router`] serves the same to its administrators, as JSON."
)]
#![cfg_attr(
    not(feature = "router"),
    doc = "`admin_router` (feature `router`) serves the same to its administrators, as JSON."
)]
//!
//! # Features
//! | feature | default | what it brings |
//! |---|---|---|
//! | `bin` | yes | the program |
//! | `fjall`, `redis`, `postgres` | yes | the stores that the program opens |
//! | `redis-tls`, `postgres-tls` | no | TLS to them |
//! | `router` | no | `admin_router`, for axum |
//!
//! An application takes the router alone: `default-features = false, features = ["router"]`.
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
