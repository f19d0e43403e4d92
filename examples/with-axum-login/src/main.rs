//! A club with members: unmodified axum-login and axum-messages on top of level-session.
//!
//! ```text
//! cargo run -p with-axum-login        then open http://127.0.0.1:3000
//! ```
//!
//! `PORT` sets the port (0 lets the system choose one), and `DATA` the directory of the sessions and the key.
//!
//! axum-login stores the signed-in user, axum-messages the messages, and typed fields the rest, all in one session. Each
//! request stores all its changes in one step, or none.

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

/// The club's own data of a visitor, in addition to that of axum-login and axum-messages.
#[derive(SessionData)]
#[session(namespace = "club")]
struct Club {
    /// How many pages the visitor has opened. Concurrent requests lose no count.
    #[session(counter)]
    pages: u64,
    /// A message from the sign-out, shown once.
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

/// The routes. The last layer is the outermost: `SessionLayer` provides the session, `TowerSessionLayer` creates a session of
/// tower-sessions from it, and axum-login and axum-messages use that one.
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
