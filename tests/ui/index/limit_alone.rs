//! A limit without an index, and `when_full` without a limit.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(limit = 3)]
    user: Option<u64>,
    #[session(index, when_full = "refuse")]
    team: Option<u64>,
}

fn main() {}
