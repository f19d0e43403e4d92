//! A text is converted by itself; with `.into()` the target type would be ambiguous.

use level_session::{Result, SessionData};

#[derive(SessionData)]
struct Shop {
    name: String,
}

fn uses(fields: &ShopFields) -> Result<()> {
    fields.name().set("tea".into())
}

fn main() {}
