//! A text that converts by itself needs no `.into()`, which would leave open to what.

use level_session::{Result, SessionData};

#[derive(SessionData)]
struct Shop {
    name: String,
}

fn uses(fields: &ShopFields) -> Result<()> {
    fields.name().set("tea".into())
}

fn main() {}
