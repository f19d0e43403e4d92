//! The stores that tower-sessions is tested on.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use level_session_fjall::FjallStore;
use level_session_store::{MemoryStore, Store, Wrapper};
use level_session_tower_sessions::BridgeStore;
use std::{fs, path::Path, sync::Mutex};
use tempfile::TempDir;

/// On the store in memory.
#[must_use]
pub fn on_memory() -> BridgeStore {
    BridgeStore::new(MemoryStore::new())
}

/// On a new database of the embedded store.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn on_fjall() -> BridgeStore {
    // Removed when the process ends, not before: the store does not say when it is dropped.
    static FOLDERS: Mutex<Vec<TempDir>> = Mutex::new(Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path().join("sessions")).unwrap();
    FOLDERS.lock().unwrap().push(folder);
    BridgeStore::new(store)
}

/// The same sessions, for another process that uses the store.
#[must_use]
pub fn another_process(store: &BridgeStore) -> BridgeStore {
    BridgeStore::new(Shared(store.clone()))
}

/// The store below another one.
struct Shared(BridgeStore);

impl Wrapper for Shared {
    fn inner(&self) -> &dyn Store {
        self.0.inner()
    }
}

/// All bytes of the files below a folder, one file after the other, without the zeros at their ends.
///
/// # Panics
/// If one cannot be read.
#[must_use]
pub fn bytes_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.append(&mut bytes_of(&path)),
            false => {
                let bytes = fs::read(path).unwrap();
                // A journal is made longer than it is used.
                let used = bytes.iter().rposition(|byte| *byte != 0);
                all.extend_from_slice(&bytes[..used.map_or(0, |last| last + 1)]);
            }
        }
    }
    all
}
