//! The upkeep thread: syncs the journal and flushes memory to tables in small steps, at times that the store chooses.
//! fjall alone would do both in large steps, at times that the store cannot predict.

use super::{
    disk::{KEYSPACES, Memory},
    engine::Engine,
    shared::{Shared, Stop, warn},
};
use level_session_store::Result;
use std::{sync::Arc, thread, time::Duration};

/// The number of written bytes after which the journal is synced. fjall syncs it before each flush, and no write can run
/// meanwhile: 16 MiB take tens of milliseconds, 4 MiB take three.
const SYNC_AT: u64 = 4 * 1024 * 1024;

/// How often to check whether tables are being written.
const FLUSH_STEP: Duration = Duration::from_millis(1);

/// Runs until the store is closed. It flushes after `flush_at` written bytes.
pub(super) fn attend(shared: &Shared, flush_at: u64, stop: &Stop) {
    let gate = shared.gate();
    gate.attend();
    let mut flushed = 0;
    let mut synced = 0;
    let mut replaced = Vec::new();
    while !stop.is_told() {
        let written = gate.written();
        if shared.recovery().is_due() {
            // The outage is logged elsewhere.
        } else if written - flushed >= flush_at {
            (flushed, synced) = (written, written);
            if let Err(error) = flush(shared, stop, &mut replaced) {
                warn(
                    "the session store's last writes are not in tables yet",
                    &error,
                );
            }
        } else if written - synced >= SYNC_AT {
            synced = written;
            sync(shared);
        }
        thread::park();
    }
}

/// Makes all earlier writes durable.
pub(super) fn sync(shared: &Shared) {
    let _work = shared.gate().work();
    if let Err(error) = shared.write(Engine::persist) {
        warn("the session store's last writes are not durable", &error);
    }
}

/// Flushes one keyspace at a time. Before fjall writes a table it syncs its journal, which blocks all writes; if
/// another keyspace's table were being written at the same time, the sync would also have to wait for it.
///
/// fjall frees the memory of a flushed table under the lock that every read and write of the keyspace takes: some 40 ms
/// for 16 MiB. `replaced` keeps a reference to that memory, so fjall does not free it; it is freed here, while no lock
/// is held.
pub(super) fn flush(shared: &Shared, stop: &Stop, replaced: &mut Vec<Memory>) -> Result<()> {
    let work = shared.gate().work();
    for keyspace in 0..KEYSPACES {
        replaced.extend(shared.write(|engine| engine.rotate(keyspace))?);
        while !stop.is_told() && shared.with(|engine| Ok(engine.is_in_upkeep()))? {
            thread::sleep(FLUSH_STEP);
        }
    }
    drop(work);
    // fjall drops its reference at a flush after later writes, so some memory remains until then.
    replaced.retain(|memory| Arc::strong_count(memory) > 1);
    Ok(())
}
