//! The examples, as a new user runs them: real processes, real connections, a real store.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod moving;
mod pair;
mod readme;
mod replicas;
mod shop;
