//! The route tests that tower-sessions 0.14 publishes, on our stores.
#![allow(
    warnings,
    clippy::all,
    clippy::disallowed_methods,
    clippy::redundant_clone,
    clippy::semicolon_if_nothing_returned,
    clippy::unwrap_used,
    reason = "the tests are those of another project"
)]

// Their code says `tower_sessions`, of whichever version.
extern crate tower_sessions_0_14 as tower_sessions;

#[macro_use]
mod common {
    include!(concat!(env!("OUT_DIR"), "/routes-0.14.rs"));
}

/// An application of theirs on a store of ours.
macro_rules! on {
    ($name:ident) => {
        mod $name {
            use axum::Router;
            use tower_sessions::SessionManagerLayer;

            async fn app(max_age: Option<Duration>, domain: Option<String>) -> Router {
                let store = level_session_tests_tower_sessions::$name();
                let layer = SessionManagerLayer::new(store).with_secure(true);
                crate::common::build_app(layer, max_age, domain)
            }

            route_tests!(app);
        }
    };
}

on!(on_memory);
on!(on_fjall);
