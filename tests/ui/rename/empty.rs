//! A key without a name.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(rename = "")]
    theme: String,
}

fn main() {}
