//! A flash field with a default, which would read as a value every time.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(flash, default = Some(String::new()))]
    notice: Option<String>,
}

fn main() {}
