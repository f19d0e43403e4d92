//! Look-up by a number that changes with every request.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(index, counter)]
    visits: u64,
}

fn main() {}
