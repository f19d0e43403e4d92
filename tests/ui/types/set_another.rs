//! A value of another type.

use level_session::{Result, SessionData};

struct Cents(u32);

#[derive(SessionData)]
struct Shop {
    name: String,
    user: Option<u64>,
    #[session(default)]
    cart: Vec<String>,
    #[session(counter)]
    visits: u32,
    #[session(flash)]
    notice: Option<String>,
}

fn uses(fields: &ShopFields) -> Result<()> {
    fields.name().set(7)?;
    fields.user().set("7")?;
    fields.user().set(Some(7))?;
    fields.cart().set(["tea"])?;
    fields.visits().set(Cents(7))?;
    fields.notice().set(None)
}

fn main() {}
