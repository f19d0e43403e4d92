//! The struct has no default, from which the fields would take theirs.

use level_session::SessionData;

#[derive(SessionData)]
#[session(default)]
struct Shop {
    theme: String,
}

fn main() {}
