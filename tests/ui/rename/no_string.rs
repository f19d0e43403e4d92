//! A key that is no string.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(rename = theme)]
    a: String,
    #[session(rename)]
    b: String,
}

fn main() {}
