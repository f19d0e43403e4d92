//! An empty key.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(rename = "")]
    theme: String,
}

fn main() {}
