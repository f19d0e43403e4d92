//! Tests specific to fjall: files, restarts, damage, and the amount written.

mod closing;
mod damage;
mod disk;
mod folder;
mod gate;
mod outage;
mod promises;
mod upkeep;
mod writes;

use super::{FjallStore, disk::Disk};
use level_session_store::{
    Bytes, Commit, Digest, FieldName, Lease, Loaded, Result, Select, Step, Store, Timeouts,
    Timestamp, Use, Write,
};
use std::{
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

/// Injected faults in the database of a store under test.
#[derive(Default)]
pub(super) struct Faults {
    /// Every write fails with this error, and nothing of it is stored.
    writes: Mutex<Option<Fault>>,
    /// Every sync is made, and then fails with this error.
    syncs: Mutex<Option<Fault>>,
    /// The number of writes that failed so.
    failed_writes: AtomicUsize,
    /// While it is held, writes are stuck.
    stuck: Mutex<()>,
    /// The number of writes that have begun.
    begun: AtomicUsize,
}

type Fault = fn() -> ::fjall::Error;

impl Faults {
    pub(super) fn write(&self) -> ::fjall::Result<()> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        drop(self.stuck.lock().unwrap());
        let Some(fault) = *self.writes.lock().unwrap() else {
            return Ok(());
        };
        self.failed_writes.fetch_add(1, Ordering::SeqCst);
        Err(fault())
    }
    pub(super) fn sync(&self) -> ::fjall::Result<()> {
        (*self.syncs.lock().unwrap()).map_or(Ok(()), |fault| Err(fault()))
    }
}

/// After this fault of a write the database accepts no more.
fn full_disk() -> ::fjall::Error {
    ::fjall::Error::Io(std::io::ErrorKind::StorageFull.into())
}

/// After this one it continues.
fn passing() -> ::fjall::Error {
    ::fjall::Error::KeyspaceDeleted
}

/// The path of a database that does not exist yet.
fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.db");
    (dir, path)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn id(n: u8) -> Digest {
    Digest::from_bytes([n; 32])
}

fn lease(seen: u64) -> Lease {
    timeouts(1_000).lease(at(0), at(seen))
}

fn timeouts(idle: u64) -> Timeouts {
    Timeouts::new(Duration::from_millis(idle))
}

/// Records a use of the session at this time.
fn refresh(id: Digest, millis: u64, idle: u64) -> Commit<'static> {
    let usage = Use::new(timeouts(idle), Duration::ZERO);
    Commit::new(id, at(millis), Step::keep(Some(usage)))
}

fn set(field: &'static str, value: &str) -> Write {
    Write::set(FieldName::from_static(field), Bytes::from(value.as_bytes()))
}

fn indexed(field: &'static str, value: &str, entry: &str) -> Write {
    set(field, value).with_index(Some(Bytes::from(entry.as_bytes())))
}

fn commit(id: Digest, step: Step, writes: &[Write]) -> Commit<'_> {
    Commit::new(id, at(0), step).with_writes(writes)
}

const CREATE: Step = Step::create(
    Timestamp::from_millis(0),
    Lease::new(
        Timestamp::from_millis(0),
        Timestamp::from_millis(0),
        Timestamp::from_millis(1_000),
        None,
    ),
);

const KEEP: Step = Step::keep(None);

fn renew(to: Digest, former_works_until: Option<Timestamp>) -> Step {
    Step::renew(to, lease(0), former_works_until)
}

fn create(store: &FjallStore, id: Digest, writes: &[Write]) {
    let outcome = now(store.commit(commit(id, CREATE, writes))).unwrap();
    assert!(outcome.is_done(), "{outcome:?}");
}

fn load(store: &FjallStore, id: Digest) -> Result<Loaded> {
    now(store.load(id, Select::All, at(1)))
}

fn fields(store: &FjallStore, id: Digest) -> Vec<(String, String)> {
    let Loaded::Live(snapshot) = load(store, id).unwrap() else {
        panic!("the session is not live");
    };
    let fields = snapshot.fields.into_all().expect("all fields");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let fields = fields.iter();
    fields
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Waits for a store outside of any runtime: everything runs on the calling thread.
fn now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

impl FjallStore {
    /// From now on every write fails like this, until the database is reopened.
    fn fail_writes(&self, fault: Option<Fault>) {
        self.inside(|disk| *disk.faults.writes.lock().unwrap() = fault);
    }

    /// From now on every sync fails like this, until the database is reopened.
    fn fail_syncs(&self, fault: Option<Fault>) {
        self.inside(|disk| *disk.faults.syncs.lock().unwrap() = fault);
    }

    /// The database, to inspect its content.
    fn inside<T>(&self, look: impl FnOnce(&Disk) -> T) -> T {
        self.0
            .shared
            .with(|engine| Ok(look(engine.disk())))
            .unwrap()
    }
}

/// Polls a condition for a few seconds at most.
fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("timed out: {what}");
}
