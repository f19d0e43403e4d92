//! A flash that is always there.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(flash)]
    notice: String,
}

fn main() {}
