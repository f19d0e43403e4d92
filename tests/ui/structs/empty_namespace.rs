//! An empty namespace.

use level_session::SessionData;

#[derive(SessionData)]
#[session(namespace = "")]
struct Shop {
    a: String,
}

fn main() {}
