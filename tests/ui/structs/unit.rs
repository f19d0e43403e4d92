//! A unit struct.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop;

fn main() {}
