//! A counter of 128 bits.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(counter)]
    visits: u128,
}

fn main() {}
