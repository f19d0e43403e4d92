//! A type that implements only one of serde's traits.

use level_session::SessionData;

#[derive(serde::Serialize)]
struct Item;

#[derive(SessionData)]
struct Shop {
    item: Item,
}

fn main() {}
