//! Real servers for tests. Each is started on loopback with its own directory and port, and is stopped when its handle is
//! dropped.

use std::{io, net::TcpListener};

mod folder;
pub mod postgres;
pub mod redis;

/// Returns a loopback port that is currently free.
///
/// # Errors
///
/// An I/O error if there is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
