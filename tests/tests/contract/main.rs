//! The promises of the contract, one file for each group, over every store.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod alive;
mod candidates;
mod clocks;
mod commit;
mod detached;
mod expiry;
mod grace;
mod homes;
mod lazy;
mod merge;
mod races;
mod reserved;
mod siblings;
mod sign_out;
mod take;
mod typed;
mod users;
mod watch;

use level_session::SessionData;
use serde::{Deserialize, Serialize};

/// The session of these tests: every kind of field.
#[derive(Debug, Clone, PartialEq, SessionData)]
pub struct Shop {
    /// The signed-in user.
    #[session(index)]
    pub user_id: Option<u64>,
    /// The contents of the cart.
    #[session(default)]
    pub cart: Vec<Item>,
    /// The number of visits.
    #[session(counter)]
    pub visits: u64,
    /// A counter of a small type with a default.
    #[session(counter, default = 10)]
    pub lives: i8,
    /// Shown once.
    #[session(flash)]
    pub notice: Option<String>,
    /// A code with a lifetime of ten minutes.
    #[session(ttl = "10m")]
    pub otp: Option<String>,
    /// A setting.
    #[session(default = "light".to_owned())]
    pub theme: String,
}

/// The contents of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item(pub String);
