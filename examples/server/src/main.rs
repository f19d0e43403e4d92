//! Sessions on hyper, without a web framework.
//!
//! ```text
//! cargo run -p server
//! curl -b jar -c jar http://127.0.0.1:8080/set/foo/bar     "bar"
//! curl -b jar -c jar http://127.0.0.1:8080/get/foo         "bar", also after a restart of the server
//! ```
//!
//! `PORT` sets the port instead of 8080 (0 lets the system choose one), and `DATA` the directory of the store and the key.
//! `answer.rs` opens the session of a request and adds the cookie to the response.

mod answer;
mod call;

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use level_session::{CookieConfig, FjallStore, Keyring, Sessions};
use std::{convert::Infallible, env, error::Error, fs, io, path::PathBuf, time::Duration};
use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(LevelFilter::WARN) // the database logs a lot at lower levels
        .init();
    let data = env::var_os("DATA").map_or_else(|| PathBuf::from("data/server"), PathBuf::from);
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;

    fs::create_dir_all(&data)?;
    let store = FjallStore::open(data.join("sessions"))?;
    let keyring = Keyring::from_file_or_generate(data.join("session.key"))?;
    // The example uses plain HTTP on this machine; the default cookie requires HTTPS.
    let sessions = Sessions::builder(store, keyring).cookie(CookieConfig::for_development());
    let sessions = sessions.build()?;

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, &sessions).await?;
    sessions.store().close().await?;
    Ok(())
}

/// Serves until the process is asked to shut down and the pending requests have been handled.
async fn serve(listener: TcpListener, sessions: &Sessions) -> io::Result<()> {
    let connections = GracefulShutdown::new();
    let mut end = std::pin::pin!(end());
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // For example, no file descriptor is left: wait until open connections free some.
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            ended = &mut end => break ended?,
        };
        let sessions = sessions.clone();
        let service = service_fn(move |request| {
            let sessions = sessions.clone();
            async move { Ok::<_, Infallible>(answer::answer(&sessions, &request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection failed");
            }
        });
    }
    drop(listener);
    let patience = Duration::from_secs(10);
    if tokio::time::timeout(patience, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some connections did not end in time and are closed");
    }
    Ok(())
}

/// Waits for Ctrl-C or, on Unix, SIGTERM.
async fn end() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
