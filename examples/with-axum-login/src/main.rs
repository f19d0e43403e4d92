//! A club with members: axum-login and axum-messages, as they are, within sessions of level-session.
//!
//! ```text
//! cargo run -p with-axum-login        then open http://127.0.0.1:3000
//! ```
//!
//! `PORT` replaces 3000 (0 lets the system choose one), and `DATA` the directory of the sessions and the key.
//!
//! Who is signed in is kept by axum-login, messages by axum-messages, and the rest by typed fields. All of it is one
//! session: each request stores what it has changed in one step, or nothing.

mod members;
mod pages;

use axum::{
    Router,
    routing::{get, post},
};
use axum_login::AuthManager;
use axum_messages::MessagesManagerLayer;
use level_session::{CookieConfig, FjallStore, Keyring, SessionData, SessionLayer, Sessions};
use level_session_tower_sessions::TowerSessionLayer;
use members::Members;
use std::{env, error::Error, fs, io, path::PathBuf};
use tokio::net::TcpListener;
use tower::layer::layer_fn;
use tracing_subscriber::filter::LevelFilter;

/// What the club remembers of a visitor, beside what axum-login and axum-messages do.
#[derive(SessionData)]
#[session(namespace = "club")]
struct Club {
    /// How many pages the visitor has opened. Of two at once none is lost.
    #[session(counter)]
    pages: u64,
    /// What was said at the sign-out, shown once.
    #[session(flash)]
    farewell: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(LevelFilter::WARN)
        .init();
    let data = env::var_os("DATA").map_or_else(|| PathBuf::from("data/club"), PathBuf::from);
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;

    fs::create_dir_all(&data)?;
    let store = FjallStore::open(data.join("sessions"))?;
    let keyring = Keyring::from_file_or_generate(data.join("session.key"))?;
    let sessions = Sessions::builder(store.clone(), keyring)
        .cookie(CookieConfig::for_development())
        .data::<Club>()
        .build()?;

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("the club is open: http://{}", listener.local_addr()?);
    axum::serve(listener, club(sessions.into()))
        .with_graceful_shutdown(end())
        .await?;
    store.close().await?;
    Ok(())
}

/// The routes. Layers that come later are further out: axum-login and axum-messages ask for a session of
/// tower-sessions, `TowerSessionLayer` makes it of the session that `SessionLayer` brings.
fn club(sessions: SessionLayer) -> Router {
    Router::new()
        .route("/", get(pages::front))
        .route("/read", get(pages::read))
        .route("/sign-in", post(pages::sign_in))
        .route("/sign-out", post(pages::sign_out))
        .route("/fail", post(pages::fail))
        .layer(MessagesManagerLayer)
        .layer(layer_fn(|inner| {
            AuthManager::new(inner, Members, "axum-login.data")
        }))
        .layer(TowerSessionLayer::new())
        .layer(sessions)
}

/// Waits for Ctrl-C, or on Unix for SIGTERM.
async fn end() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}
