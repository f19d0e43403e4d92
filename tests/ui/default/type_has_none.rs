//! The type has no default.

use level_session::SessionData;

#[derive(serde::Serialize, serde::Deserialize)]
enum Theme {
    Light,
}

#[derive(SessionData)]
struct Shop {
    #[session(default)]
    theme: Theme,
}

fn main() {}
