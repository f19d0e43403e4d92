//! A type without serde: one error, with a remedy.

use level_session::SessionData;

#[derive(Clone)]
struct Item;

#[derive(SessionData)]
struct Shop {
    cart: Vec<Item>,
    #[session(index)]
    last: Option<Item>,
}

fn main() {}
