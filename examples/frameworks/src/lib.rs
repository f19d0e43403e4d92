//! A small shop that knows no framework: each program beside this file serves it over another one.
//!
//! ```text
//! cargo run -p frameworks --bin actix-web        then open http://127.0.0.1:3000
//! ```
//!
//! `PORT` replaces 3000 (0 lets the system choose one), `DATA` the directory of the sessions and the key. Every program ends
//! at Ctrl-C, and on Unix at SIGTERM.

use level_session::{CookieConfig, FjallStore, Keyring, Result, Session, SessionData, Sessions};
use std::{
    env,
    error::Error,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

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

/// Where to serve the shop: on this machine alone.
///
/// # Errors
/// If `PORT` is not the number of a port.
pub fn address() -> Result<SocketAddr, Box<dyn Error>> {
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

/// Prints where the shop is served.
pub fn announce(address: SocketAddr) {
    println!("the shop is at http://{address}");
}

/// The sessions, in the directory of `DATA`.
///
/// # Errors
/// If they cannot be opened.
pub fn sessions() -> Result<Sessions, Box<dyn Error>> {
    let data = env::var_os("DATA").map_or_else(|| PathBuf::from("data/frameworks"), PathBuf::from);
    fs::create_dir_all(&data)?;
    let store = FjallStore::open(data.join("sessions"))?;
    let keyring = Keyring::from_file_or_generate(data.join("session.key"))?;
    Ok(Sessions::builder(store, keyring)
        .cookie(CookieConfig::for_development())
        .data::<Shop>()
        .build()?)
}

/// Waits until the process is asked to end.
///
/// # Panics
/// If signals cannot be received.
pub async fn end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).expect("signals can be received");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c()
        .await
        .expect("signals can be received");
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
