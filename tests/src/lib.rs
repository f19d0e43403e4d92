//! Support for the tests.

pub mod http;
pub mod lints;
pub mod process;

/// The README's examples, compiled as they stand there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
