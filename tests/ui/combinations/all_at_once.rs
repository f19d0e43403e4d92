//! All errors are reported together, and code that uses the struct keeps compiling.

use level_session::SessionData;

#[derive(SessionData)]
#[session(namespac = "shop")]
struct Shop {
    #[session(index, ttl = "10 min")]
    user_id: Option<u64>,
    #[session(flash)]
    notice: String,
    #[session(counter)]
    visits: Option<u32>,
    name: &'static str,
    #[session(skip, flash)]
    scratch: u8,
    #[session(default)]
    cart: Vec<String>,
    destroy: bool,
}

async fn handler(session: level_session::Session<Shop>) -> level_session::Result<()> {
    let _: Option<u64> = session.user_id().await?;
    session.notice().set(String::new())?;
    session.visits().add(1)?;
    let _: Option<&str> = session.name().await?;
    let _: Vec<String> = session.cart().await?;
    let _: level_session::Key<u64> = Shop::USER_ID;
    Ok(())
}

fn main() {}
