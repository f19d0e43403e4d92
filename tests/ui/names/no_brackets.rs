//! Attributes outside of brackets.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session]
    a: String,
    #[session = "flash"]
    b: Option<String>,
}

fn main() {}
