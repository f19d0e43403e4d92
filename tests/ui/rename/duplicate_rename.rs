//! Two fields that are renamed to the same key.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(rename = "k")]
    a: String,
    #[session(rename = "k")]
    b: String,
}

fn main() {}
