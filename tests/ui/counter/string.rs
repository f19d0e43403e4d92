//! A counter that is not a number.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(counter)]
    visits: String,
}

fn main() {}
