//! A type with half of serde.

use level_session::SessionData;

#[derive(serde::Serialize)]
struct Item;

#[derive(SessionData)]
struct Shop {
    item: Item,
}

fn main() {}
