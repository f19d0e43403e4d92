//! A tuple struct.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop(u8, String);

fn main() {}
