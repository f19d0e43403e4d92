//! Brackets instead of an equals sign.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(default("light"))]
    theme: String,
}

fn main() {}
