//! Nothing that could have been meant.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(serialize_with = "x")]
    a: String,
}

fn main() {}
