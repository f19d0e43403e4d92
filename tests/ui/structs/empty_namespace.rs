//! A namespace without a name.

use level_session::SessionData;

#[derive(SessionData)]
#[session(namespace = "")]
struct Shop {
    a: String,
}

fn main() {}
