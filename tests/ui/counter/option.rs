//! A counter that may be absent.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(counter)]
    visits: Option<u64>,
}

fn main() {}
