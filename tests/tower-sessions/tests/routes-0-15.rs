//! The route tests that tower-sessions 0.15 publishes, on every store.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

// The published tests refer to every version as `tower_sessions`, and expect `common` in the crate root.
extern crate tower_sessions_0_15 as tower_sessions;

#[allow(warnings, clippy::all, reason = "the tests belong to another project")]
#[macro_use]
mod common {
    include!(concat!(env!("OUT_DIR"), "/routes-0.15.rs"));
}

mod routes;
