//! Invalid values of `limit` and `when_full`.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(index, limit = 0)]
    user: Option<u64>,
    #[session(index, limit = "3")]
    team: Option<u64>,
    #[session(index, limit = 3, when_full = "end_newest")]
    office: Option<u64>,
    #[session(index, limit = 3, when_ful = "refuse")]
    shop: Option<u64>,
}

fn main() {}
