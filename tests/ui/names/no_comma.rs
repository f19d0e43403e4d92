//! A comma is missing.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(rename = "x" index)]
    a: Option<u64>,
}

fn main() {}
