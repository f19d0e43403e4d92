//! A lifetime longer than a cookie's maximum.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(ttl = "2y")]
    a: Option<String>,
    #[session(ttl = "500d")]
    b: Option<String>,
    #[session(ttl = "99999999999999999999s")]
    c: Option<String>,
}

fn main() {}
