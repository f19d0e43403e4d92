//! A number instead of a string.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(ttl = 600)]
    otp: Option<String>,
}

fn main() {}
