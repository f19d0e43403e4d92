//! Where the sessions are, and how they move from one store to another while the shop is open.

use crate::session::Shop;
use level_session::{
    Clock, FjallStore, PostgresStore, RedisStore, SessionData,
    store::{Moving, Store},
};
use std::{error::Error, path::Path, sync::Arc, time::Duration};

/// The store at this address; without one the embedded store, which belongs to one process.
///
/// An address may have a password in it, so it is in no error.
pub(crate) async fn open(
    address: Option<&str>,
    data: &Path,
) -> Result<Arc<dyn Store>, Box<dyn Error>> {
    let Some(address) = address else {
        return Ok(Arc::new(FjallStore::open(data.join("sessions"))?));
    };
    match address.split_once("://").map(|(scheme, _)| scheme) {
        Some("redis") => {
            // The devices page hears of a sign-out at once, whichever process it was at.
            let settings = RedisStore::builder().tell_ended(true);
            Ok(Arc::new(settings.connect(address).await?))
        }
        Some("postgres" | "postgresql") => {
            let settings = PostgresStore::builder(address).tell_ended(true);
            settings.migrate().await?;
            Ok(Arc::new(settings.open().await?))
        }
        _ => {
            Err("a store is given as redis://.. or postgres://.. (unset: the embedded one)".into())
        }
    }
}

/// From one store to another, beside the requests that use both.
pub(crate) fn move_over(from: Arc<dyn Store>, to: Arc<dyn Store>) -> Moving {
    let store = Moving::new(from, to).with_schemas(&[Shop::SCHEMA]);
    let moving = store.clone();
    tokio::spawn(async move {
        let progress = |moved| eprintln!("moving: {moved} sessions so far");
        while let Err(problem) = moving.move_all(&Clock::system(), progress).await {
            eprintln!("moving: {problem}; going on in 5 s");
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        eprintln!(
            "moving: done. From the next start on, set STORE to what MOVE_TO is, and MOVE_TO no more"
        );
    });
    store
}
