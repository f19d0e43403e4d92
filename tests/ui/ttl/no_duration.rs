//! Words instead of a duration.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(ttl = "a while")]
    otp: Option<String>,
}

fn main() {}
