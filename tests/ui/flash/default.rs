//! A flash that never ends.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(flash, default = Some(String::new()))]
    notice: Option<String>,
}

fn main() {}
