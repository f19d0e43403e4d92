//! A flag with a value.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(flash = true)]
    notice: Option<String>,
}

fn main() {}
