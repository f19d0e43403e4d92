//! The history checker.
//!
//! Many concurrent requests use few sessions, through the real tower layer and a real store. The checker compares the
//! observations and the outcome of each request, step by step, with a [`model`] without bytes, locks and caches. The
//! model applies one commit after another, in the order in which the store applied them.
//!
//! In [`run`] the requests take turns on one thread. A seed decides at every await which request continues, when time
//! passes, and which client disconnects. Some requests do two things concurrently, or leave a task behind that
//! continues after the response ([`tasks`]). The store between the requests and the watched store fails when the seed
//! says so ([`faults`]). Every history is therefore reproducible, and is shrunk before it is shown.
//!
//! In [`threads`] the requests run on real threads, so their order is unknown. There every value is written only once,
//! so that an observed value identifies its request.

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
