//! A union.

use level_session::SessionData;

#[derive(SessionData)]
union Shop {
    a: u8,
}

fn main() {}
