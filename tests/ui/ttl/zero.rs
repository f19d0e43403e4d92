//! A value that expires before it can be read.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(ttl = "0s")]
    otp: Option<String>,
}

fn main() {}
