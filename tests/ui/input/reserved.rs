//! A method that every session has.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    get: Option<u64>,
    #[session(rename = "x")]
    load: Option<u64>,
}

fn main() {}
