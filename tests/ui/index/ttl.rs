//! Look-up by a value that expires before the session.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(index, ttl = "10m")]
    user: Option<u64>,
}

fn main() {}
