//! A counter that is taken.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(flash, counter)]
    visits: u64,
}

fn main() {}
