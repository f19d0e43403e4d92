//! A small shop that is independent of frameworks: each program beside this file serves it with a different one.
//!
//! ```text
//! cargo run -p frameworks --bin actix-web        then open http://127.0.0.1:3000
//! ```
//!
//! `PORT` replaces 3000 (with 0 the system chooses one), `DATA` the directory of the sessions and the key. Every
//! program shuts down at Ctrl-C, and on Unix at SIGTERM.

use level_session::{CookieConfig, FjallStore, Keyring, Result, Session, SessionData, Sessions};
use std::{
    env,
    error::Error,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

/// The session data of the shop.
#[derive(Debug, SessionData)]
pub struct Shop {
    /// The signed-in user.
    #[session(index)]
    pub user: Option<u64>,
    /// The items in the cart.
    #[session(default)]
    pub cart: Vec<String>,
    /// Shown once.
    #[session(flash)]
    pub notice: Option<String>,
}

/// The address to serve the shop at: on this machine only.
///
/// # Errors
/// If `PORT` is not a port number.
pub fn address() -> Result<SocketAddr, Box<dyn Error>> {
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

/// Prints the address of the shop.
pub fn announce(address: SocketAddr) {
    println!("the shop is at http://{address}");
}

/// Opens the sessions, in the directory `DATA`.
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

/// Waits for a signal to terminate.
///
/// # Panics
/// If signal handlers cannot be installed.
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

/// Renders the page.
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

/// Signs in user 7: the session gets a new id, since its privileges change.
///
/// # Errors
/// Those of the session.
pub async fn sign_in(session: Session<Shop>) -> Result<()> {
    session.renew()?;
    session.user().set(7)?;
    session.notice().set("Welcome back.")
}

/// Adds to the cart: concurrent additions are not lost.
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
