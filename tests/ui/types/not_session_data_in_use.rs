//! A struct without the derive in a handler that uses it.

use level_session::{Result, Session};

struct Shop {
    cart: Vec<String>,
    user: Option<u64>,
}

async fn handler(session: Session<Shop>) -> Result<()> {
    session.cart().update(|cart: &mut Vec<String>| cart.clear()).await?;
    session.user().set(7)?;
    session.renew()
}

fn main() {}
