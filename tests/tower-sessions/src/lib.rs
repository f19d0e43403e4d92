//! The stores on which tower-sessions is tested.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use level_session_fjall::FjallStore;
use level_session_store::{MemoryStore, Store, Wrapper};
use level_session_tower_sessions::BridgeStore;
use std::{fs, path::Path, sync::Mutex};
use tempfile::TempDir;

/// A bridge to the in-memory store.
#[must_use]
pub fn on_memory() -> BridgeStore {
    BridgeStore::new(MemoryStore::new())
}

/// A bridge to a new database of the embedded store.
///
/// # Panics
/// If the database cannot be created.
#[must_use]
pub fn on_fjall() -> BridgeStore {
    // Kept until the process ends, since it is unknown when the store is dropped.
    static FOLDERS: Mutex<Vec<TempDir>> = Mutex::new(Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path().join("sessions")).unwrap();
    FOLDERS.lock().unwrap().push(folder);
    BridgeStore::new(store)
}

/// A second bridge to the same store, as in another process.
#[must_use]
pub fn another_process(store: &BridgeStore) -> BridgeStore {
    BridgeStore::new(Shared(store.clone()))
}

/// Shares the underlying store of a bridge.
struct Shared(BridgeStore);

impl Wrapper for Shared {
    fn inner(&self) -> &dyn Store {
        self.0.inner()
    }
}

/// Returns the bytes of all files in a directory tree, without trailing zeros.
///
/// # Panics
/// If a file cannot be read.
#[must_use]
pub fn bytes_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.append(&mut bytes_of(&path)),
            false => {
                let bytes = fs::read(path).unwrap();
                // Journals are preallocated.
                let used = bytes.iter().rposition(|byte| *byte != 0);
                all.extend_from_slice(&bytes[..used.map_or(0, |last| last + 1)]);
            }
        }
    }
    all
}
