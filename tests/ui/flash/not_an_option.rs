//! A flash field that is not an `Option`.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(flash)]
    notice: String,
}

fn main() {}
