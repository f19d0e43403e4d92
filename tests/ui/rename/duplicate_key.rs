//! Two fields under one key.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(rename = "b")]
    a: String,
    b: String,
}

fn main() {}
