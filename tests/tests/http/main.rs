//! The security table over HTTP: a real axum application, one file for each part of the table. Promises that do not
//! depend on HTTP are checked by the contract's tests; these tests check the effects of HTTP.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod exchange;
mod failing;
mod hazards;
mod identifier;
mod life;
mod reading;
mod sending;
mod site;
