//! The derive: what it makes of what is written.
#![allow(missing_docs, unreachable_pub)]

mod shapes;
