//! The examples, as a newcomer runs them: real processes, real connections, a real store.

mod moving;
mod pair;
mod readme;
mod replicas;
mod shop;
