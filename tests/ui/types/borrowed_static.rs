//! A type that borrows.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    name: &'static str,
    names: Option<Vec<&'static str>>,
}

fn main() {}
