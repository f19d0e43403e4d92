//! A glob import imports the derive, and no name that conflicts.

use level_session::*;
use std::result::Result;

#[derive(SessionData)]
struct Shop {
    user: Option<u64>,
}

fn number() -> Result<u8, String> {
    Ok(1)
}

fn main() {
    assert_eq!(number(), Ok(1));
    assert_eq!(Shop::USER.name(), "user");
}
