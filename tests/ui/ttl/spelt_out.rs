//! A unit in words.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(ttl = "10 minutes")]
    otp: Option<String>,
}

fn main() {}
