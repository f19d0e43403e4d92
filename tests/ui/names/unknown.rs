//! Unknown names that resemble no attribute.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(serialize_with = "x")]
    a: String,
}

fn main() {}
