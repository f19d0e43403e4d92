//! Attributes of a field that is not stored.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(skip, index)]
    a: Option<u64>,
    #[session(default = 3, skip)]
    b: u8,
}

fn main() {}
