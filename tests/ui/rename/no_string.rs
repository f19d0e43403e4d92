//! A key that is not a string.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(rename = theme)]
    a: String,
    #[session(rename)]
    b: String,
}

fn main() {}
