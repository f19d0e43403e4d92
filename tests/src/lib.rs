//! Support for the tests.

pub mod lints;
pub mod visitor;

use level_session::store::{MemoryStore, Store};
use std::sync::Arc;

/// Runs a test over every store that needs no server, each new and empty.
pub async fn over_every_store(test: impl AsyncFn(Arc<dyn Store>)) {
    test(Arc::new(MemoryStore::new())).await;
}
