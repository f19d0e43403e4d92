//! No duration at all.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(ttl)]
    a: Option<String>,
    #[session(ttl =)]
    b: Option<String>,
    #[session(ttl("10m"))]
    c: Option<String>,
}

fn main() {}
