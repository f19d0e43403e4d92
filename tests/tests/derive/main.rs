//! The derive and the code that it generates.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod behaviour;
mod defaults;
mod evolution;
mod friction;
mod generics;
mod macros;
mod places;
mod reserved;
mod shapes;
mod unordered;
