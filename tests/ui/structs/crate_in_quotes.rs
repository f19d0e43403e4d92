//! A path in quotes.

use level_session::SessionData;

#[derive(SessionData)]
#[session(crate = "level_session")]
struct Shop {
    a: String,
}

fn main() {}
