//! A limit of sessions that cannot be counted, and what to do where there is none.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(limit = 3)]
    user: Option<u64>,
    #[session(index, when_full = "refuse")]
    team: Option<u64>,
}

fn main() {}
