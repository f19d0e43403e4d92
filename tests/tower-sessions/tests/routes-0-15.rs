//! The route tests that tower-sessions 0.15 publishes, on every store.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

// Their code says `tower_sessions`, of whichever version, and looks for `common` in the root.
extern crate tower_sessions_0_15 as tower_sessions;

#[allow(
    warnings,
    clippy::all,
    reason = "the tests are those of another project"
)]
#[macro_use]
mod common {
    include!(concat!(env!("OUT_DIR"), "/routes-0.15.rs"));
}

mod routes;
