//! The expression is of another type.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(default = 1)]
    theme: String,
}

fn main() {}
