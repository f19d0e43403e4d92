//! The history checker.
//!
//! Many requests use few sessions at once, through the real tower layer, over a real store. What each of them sees and
//! how it ends is compared, step by step, with a [`model`] that knows nothing of bytes, locks and caches: it takes one
//! commit after another, in the order in which the store took them.
//!
//! In [`run`] the requests take turns on one thread: a seed decides who is next at every await, when time passes, and
//! whose client goes away. Some requests do two things at once, or leave something behind that goes on after the response
//! ([`tasks`]), and the store between them and the one that is watched fails when the seed says so ([`faults`]). So every history can be had again, and is shortened before it is shown.
//!
//! In [`threads`] they run on real threads, and nobody knows the order; there every value is written once, and what is
//! seen tells whose it is.

mod commit;
mod data;
mod faults;
mod handler;
mod lasting;
mod model;
mod plan;
mod rng;
mod run;
mod service;
mod settle;
mod shrink;
mod stepping;
mod tasks;
mod threads;
mod unit;
mod wants;
mod watch;
mod whole;

pub use data::Data;
pub use lasting::Lasting;
pub use plan::Episode;
pub use rng::{Rng, fresh_seed};
pub use run::{Report, Stage};
pub use shrink::shortest;
pub use threads::Crowd;
