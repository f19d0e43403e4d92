//! An `Option` has a default already.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(default)]
    theme: Option<String>,
}

fn main() {}
