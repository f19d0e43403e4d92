//! A type without serde in many fields, which are used: one error for the type, and one for a list of it.

use level_session::{Result, Session, SessionData};

#[derive(Clone, Debug, Default, PartialEq)]
struct Item {
    name: String,
}

#[derive(SessionData)]
struct Shop {
    #[session(default)]
    cart: Vec<Item>,
    #[session(default = Item::default())]
    last: Item,
    #[session(index, rename = "i")]
    indexed: Option<Item>,
    #[session(flash)]
    flash: Option<Item>,
    #[session(flash)]
    flashes: Vec<Item>,
    #[session(ttl = "1m")]
    short: Item,
}

async fn handler(session: Session<Shop>) -> Result<()> {
    let item = Item::default();
    session.cart().update(|cart| cart.clear()).await?;
    session.last().set(item.clone())?;
    session.indexed().set(item.clone())?;
    session.flash().set(item.clone())?;
    session.flashes().push(item.clone()).await?;
    let _ = session.short().await? == Some(item);
    let whole = session.load().await?;
    session.store(&whole).await
}

fn main() {}
