//! A value without a name.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session("10m")]
    a: Option<u64>,
}

fn main() {}
