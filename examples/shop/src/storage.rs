//! The store of the sessions, and the migration from one store to another while the shop is running.

use crate::session::Shop;
use level_session::{
    Clock, FjallStore, PostgresStore, RedisStore, SessionData,
    store::{Moving, Store},
};
use std::{error::Error, path::Path, sync::Arc, time::Duration};

/// Opens the store at this address, or without an address the embedded store, which belongs to one process.
///
/// An address may contain a password, so errors do not include it.
pub(crate) async fn open(
    address: Option<&str>,
    data: &Path,
) -> Result<Arc<dyn Store>, Box<dyn Error>> {
    let Some(address) = address else {
        return Ok(Arc::new(FjallStore::open(data.join("sessions"))?));
    };
    match address.split_once("://").map(|(scheme, _)| scheme) {
        Some("redis") => {
            // The devices page is notified of a sign-out at once, even if another process handled it.
            let settings = RedisStore::builder().tell_ended(true);
            Ok(Arc::new(settings.connect(address).await?))
        }
        Some("postgres" | "postgresql") => {
            let settings = PostgresStore::builder(address).tell_ended(true);
            settings.migrate().await?;
            Ok(Arc::new(settings.open().await?))
        }
        _ => {
            Err("a store's address must be redis://.. or postgres://..; leave it unset for the embedded store".into())
        }
    }
}

/// Moves the sessions from one store to another in the background, while requests use both.
pub(crate) fn move_over(from: Arc<dyn Store>, to: Arc<dyn Store>) -> Moving {
    let store = Moving::new(from, to).with_schemas(&[Shop::SCHEMA]);
    let moving = store.clone();
    tokio::spawn(async move {
        let progress = |moved| eprintln!("moving: {moved} sessions so far");
        while let Err(problem) = moving.move_all(&Clock::system(), progress).await {
            eprintln!("moving: {problem}; retrying in 5 s");
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        eprintln!(
            "moving: done. Restart with STORE set to the address in MOVE_TO, and with MOVE_TO unset"
        );
    });
    store
}
