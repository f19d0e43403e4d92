//! A small shop that knows no framework: each program beside this file serves it over another one.
//!
//! ```text
//! cargo run -p frameworks --bin actix-web        then open http://127.0.0.1:3000
//! ```

use level_session::{CookieConfig, FjallStore, Keyring, Result, Session, SessionData, Sessions};
use std::{error::Error, fs, net::SocketAddr};

/// What the shop keeps.
#[derive(Debug, SessionData)]
pub struct Shop {
    /// The signed-in user.
    #[session(index)]
    pub user: Option<u64>,
    /// What is in the cart.
    #[session(default)]
    pub cart: Vec<String>,
    /// Shown once.
    #[session(flash)]
    pub notice: Option<String>,
}

/// Where the shop is served.
pub const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 3000);

/// The sessions, in `data/frameworks`.
///
/// # Errors
/// If they cannot be opened.
pub fn sessions() -> Result<Sessions, Box<dyn Error>> {
    fs::create_dir_all("data/frameworks")?;
    let store = FjallStore::open("data/frameworks/sessions")?;
    let keyring = Keyring::from_file_or_generate("data/frameworks/session.key")?;
    Ok(Sessions::builder(store, keyring)
        .cookie(CookieConfig::for_development())
        .data::<Shop>()
        .build()?)
}

/// The page.
///
/// # Errors
/// Those of the session.
pub async fn page(session: Session<Shop>) -> Result<String> {
    let notice = session.notice().await?.unwrap_or_default();
    let user = match session.user().await? {
        Some(user) => format!("user {user}"),
        None => "nobody".to_owned(),
    };
    let items = session.cart().await?.len();
    Ok(format!(
        "<!doctype html><title>Shop</title><p>{notice}<p>Signed in: {user}. In the cart: {items}.\
         <form method=post action=/sign-in><button>Sign in</button></form>\
         <form method=post action=/add><button>Add tea</button></form>\
         <form method=post action=/sign-out><button>Sign out</button></form>"
    ))
}

/// Signs user 7 in: the session gets a new id, since its privileges change.
///
/// # Errors
/// Those of the session.
pub async fn sign_in(session: Session<Shop>) -> Result<()> {
    session.renew()?;
    session.user().set(7)?;
    session.notice().set("Welcome back.")
}

/// Adds to the cart: of two requests at once, neither is lost.
///
/// # Errors
/// Those of the session.
pub async fn add(session: Session<Shop>) -> Result<()> {
    session
        .cart()
        .update(|cart| cart.push("tea".to_owned()))
        .await
}

/// Ends the session.
///
/// # Errors
/// Those of the session.
pub async fn sign_out(session: Session<Shop>) -> Result<()> {
    session.destroy()
}
