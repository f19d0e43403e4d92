//! A small tea shop: typed sessions from end to end.
//!
//! ```text
//! cargo run -p shop        then open http://127.0.0.1:3000
//! ```
//!
//! Environment variables:
//!
//! - `PORT`: the port instead of 3000; 0 lets the system choose one.
//! - `DATA`: the directory of the sessions and the key.
//! - `SECURE=1`: sends the cookie for HTTPS. Set it behind a proxy that terminates TLS.
//! - `STORE=redis://..` or `STORE=postgres://..`: stores the sessions on a server. Any number of shops can share it if they
//!   have the same key, here the same `DATA`.
//! - `MOVE_TO` with such an address: moves all sessions there while the shop is running, and logs the progress to stderr.
//!   Once it is done, start the shop with `STORE` instead.
//!
//! `session.rs` declares the fields of the session. A cart survives a restart, because the store and the key do.

mod about;
mod account;
mod cart;
mod checkout;
mod devices;
mod page;
mod preferences;
mod session;
mod stock;
mod storage;

use axum::{
    Router,
    extract::FromRef,
    routing::{get, post},
};
use level_session::{CookieConfig, Expiry, Keyring, SessionLayer, Sessions};
use session::Shop;
use std::{env, error::Error, fs, io, path::PathBuf, process::ExitCode, time::Duration};
use tokio::{net::TcpListener, sync::watch};
use tower_http::csrf::CsrfLayer;
use tracing_subscriber::filter::LevelFilter;

/// The idle timeout of a session with "remember me"; all others have the default, two weeks.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(LevelFilter::WARN) // the database logs a lot at lower levels
        .init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("shop: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let data = env::var_os("DATA").map_or_else(|| PathBuf::from("data/shop"), PathBuf::from);
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let cookie = match env::var("SECURE").as_deref() {
        Ok("1") => CookieConfig::default(),
        _ => CookieConfig::for_development(),
    };

    fs::create_dir_all(&data)?;
    let keyring = Keyring::from_file_or_generate(data.join("session.key"))?;
    let (at, to) = (address("STORE")?, address("MOVE_TO")?);
    if at.is_some() && at == to {
        return Err("MOVE_TO and STORE are the same address: unset MOVE_TO".into());
    }
    let store = storage::open(at.as_deref(), &data).await?;
    let sessions = match to {
        None => Sessions::builder(store, keyring),
        Some(to) => {
            let to = storage::open(Some(&to), &data).await?;
            Sessions::builder(storage::move_over(store, to), keyring)
        }
    };
    let sessions = sessions
        .cookie(cookie)
        .max_lifetime(Expiry::idle(REMEMBERED))
        .data::<Shop>()
        .build()?;

    let (open, closing) = watch::channel(());
    let shared = Shared {
        sessions: sessions.clone(),
        closing,
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("the shop is open: http://{}", listener.local_addr()?);
    axum::serve(listener, shop(shared))
        .with_graceful_shutdown(async {
            end().await;
            drop(open); // ends the event streams, for which the shutdown would wait
        })
        .await?;
    sessions.close().await?;
    Ok(())
}

/// Returns the address in this variable, if it is set.
fn address(variable: &str) -> Result<Option<String>, String> {
    match env::var(variable) {
        Ok(address) => Ok(Some(address)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{variable} is not valid UTF-8")),
    }
}

/// State that handlers share.
#[derive(Clone)]
struct Shared {
    sessions: Sessions,
    /// Changes when the shop closes.
    closing: watch::Receiver<()>,
}

impl FromRef<Shared> for Sessions {
    fn from_ref(shared: &Shared) -> Self {
        shared.sessions.clone()
    }
}

/// The routes. All requests that change something are POST requests.
///
/// Two measures prevent other sites from posting in a visitor's name (CSRF): the cookie is `SameSite=Lax`, so forms of
/// other sites arrive without it; and [`CsrfLayer`] rejects them by `Sec-Fetch-Site` and `Origin`. The latter also covers
/// requests that need no cookie, such as signing a visitor in to an attacker's account.
fn shop(shared: Shared) -> Router {
    let sessions = SessionLayer::from(shared.sessions.clone());
    Router::new()
        .route("/", get(stock::list))
        .route("/cart", get(cart::show))
        .route("/cart/add", post(cart::add))
        .route("/cart/remove", post(cart::remove))
        .route("/checkout", get(checkout::show).post(checkout::begin))
        .route("/checkout/confirm", post(checkout::confirm))
        .route("/sign-in", get(account::form).post(account::sign_in))
        .route("/sign-out", post(account::sign_out))
        .route(
            "/preferences",
            get(preferences::form).post(preferences::save),
        )
        .route("/devices", get(devices::list))
        .route("/devices/end", post(devices::end))
        .route("/devices/end-others", post(devices::end_others))
        .route("/devices/events", get(devices::events))
        .route("/session", get(about::show))
        .route("/session/end", post(about::end))
        .fallback(page::not_found)
        .layer(sessions)
        // Routes that are added after the layer have no session.
        .route("/goodbye", get(about::goodbye))
        .route("/style.css", get(page::style))
        .route("/devices.js", get(devices::script))
        .layer(CsrfLayer::new())
        .layer(axum::middleware::map_response(page::harden))
        .with_state(shared)
}

/// Waits for Ctrl-C or, on Unix, SIGTERM.
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
