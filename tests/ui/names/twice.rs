//! An attribute that is given twice.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(index, index)]
    a: Option<u64>,
    #[session(ttl = "1m")]
    #[session(ttl = "2m")]
    b: Option<u64>,
}

fn main() {}
