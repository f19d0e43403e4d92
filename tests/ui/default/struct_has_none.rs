//! The struct has no default to take the fields' from.

use level_session::SessionData;

#[derive(SessionData)]
#[session(default)]
struct Shop {
    theme: String,
}

fn main() {}
