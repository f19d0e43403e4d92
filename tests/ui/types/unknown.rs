//! A type that does not exist.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    cart: Vec<Itme>,
}

fn main() {}
