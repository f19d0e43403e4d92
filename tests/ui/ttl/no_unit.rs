//! A number without a unit.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(ttl = "10")]
    otp: Option<String>,
}

fn main() {}
