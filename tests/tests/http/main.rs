//! The promises of the security table over HTTP: a real axum application, one file for each part of the table. What
//! holds below HTTP already is held by the contract's tests; here is what HTTP could spoil.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod exchange;
mod failing;
mod hazards;
mod identifier;
mod life;
mod reading;
mod sending;
mod site;
