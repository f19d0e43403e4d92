//! The examples, as a newcomer runs them: real processes, real connections, a real store.

mod pair;
mod readme;
mod shop;
