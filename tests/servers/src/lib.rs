//! Real servers for the tests: each is started on loopback, with a folder and a port of its own, and is stopped when
//! its handle is dropped.

use std::{io, net::TcpListener};

mod folder;
pub mod postgres;
pub mod redis;

/// A port of loopback that is free now.
///
/// # Errors
///
/// The system's, if there is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
