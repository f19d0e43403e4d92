//! Which writes run inline: those that need not wait.
//!
//! A write takes microseconds, and runs on the thread that asks for it. But fjall holds its locks while it syncs and
//! rotates its journal, and while it notes new tables: some milliseconds, at times a hundred. A thread of the runtime
//! that waited for them would hold up whatever else it serves. So one write at a time runs where it was called, and
//! none while the store or fjall does what takes long: all others go to the commit thread, and are awaited.

use std::{
    hint,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError, TryLockError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
};

/// How often a thread looks whether a lock is free before it leaves its work to another one: about as long as a commit
/// takes.
const LOOKS: u32 = 200;

/// After how many bytes that were written the store's upkeep looks whether there is something to do.
const STEP: u64 = 256 * 1024;

/// Whether to wait for a lock, or for the database, where that may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// One of the store's own threads, or a thread that cannot hand its work to another.
    Waits,
    /// A thread of a runtime.
    Leaves,
}

#[derive(Default)]
pub(super) struct Gate {
    /// Held by a thread that writes.
    writer: Mutex<()>,
    /// How many commits wait for the commit thread or are carried out there.
    queued: AtomicUsize,
    /// How many of the store's threads do what fjall holds its locks for.
    at_work: AtomicUsize,
    /// How many bytes were written since the store was opened.
    written: AtomicU64,
    /// Who wants to know.
    upkeep: OnceLock<Thread>,
}

impl Gate {
    /// For a commit where it was called: if nobody else writes, and nothing is known that it would have to wait for.
    pub(super) fn enter_at_once(&self) -> Option<MutexGuard<'_, ()>> {
        if self.queued.load(Ordering::Acquire) > 0 || self.is_at_work() {
            return None;
        }
        let turn = lock(&self.writer, Patience::Leaves)?;
        (!self.is_at_work()).then_some(turn)
    }

    /// For the store's own threads. Commits that are queued go first.
    pub(super) fn enter(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one of the store's threads does what fjall holds its locks for.
    pub(super) fn is_at_work(&self) -> bool {
        self.at_work.load(Ordering::Acquire) > 0
    }

    /// From now on, and until this is dropped, commits go to the commit thread: none that was let in before is left.
    pub(super) fn work(&self) -> Work<'_> {
        let _none = self.enter();
        self.at_work.fetch_add(1, Ordering::AcqRel);
        Work(self)
    }

    /// A commit is queued; until it is [carried out](Self::carried_out), others are queued behind it.
    pub(super) fn queue(&self) {
        self.queued.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn carried_out(&self, commits: usize) {
        self.queued.fetch_sub(commits, Ordering::AcqRel);
    }

    pub(super) fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire) > 0
    }

    pub(super) fn wrote(&self, bytes: u64) {
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before / STEP != (before + bytes) / STEP
            && let Some(upkeep) = self.upkeep.get()
        {
            upkeep.unpark();
        }
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// This thread is woken when something was written.
    pub(super) fn attend(&self) {
        let _ = self.upkeep.set(thread::current());
    }
}

/// One of the store's threads is at work.
#[must_use]
pub(super) struct Work<'g>(&'g Gate);

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A lock whose content is whole at any moment; `None` if another thread has it for longer than a moment.
pub(super) fn lock<T>(mutex: &Mutex<T>, patience: Patience) -> Option<MutexGuard<'_, T>> {
    for _ in 0..LOOKS {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => hint::spin_loop(),
        }
    }
    match patience {
        Patience::Waits => Some(mutex.lock().unwrap_or_else(PoisonError::into_inner)),
        Patience::Leaves => None,
    }
}
