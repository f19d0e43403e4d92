//! Support for the tests.

pub mod lints;
