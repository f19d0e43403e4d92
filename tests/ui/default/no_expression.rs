//! The expression is missing.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(default =)]
    theme: String,
}

fn main() {}
