//! Decides which writes run inline: those that need not wait.
//!
//! A write takes microseconds, and runs on the calling thread. But fjall holds its locks while it syncs and rotates its
//! journal, and while it registers new tables: some milliseconds, at times a hundred. A runtime thread that waited for
//! them would delay all other tasks on it. So at most one write runs inline at a time, and no write runs inline while
//! the store or fjall is in a long operation. All other writes are sent to the commit thread and awaited.

use std::{
    hint,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError, TryLockError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
};

/// How often a thread checks whether a lock is free before it hands its work to another thread: about as long as a
/// commit takes.
const LOOKS: u32 = 200;

/// The number of written bytes after which the upkeep thread checks for work.
const STEP: u64 = 256 * 1024;

/// Whether to wait for a lock, or for the database, if that may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// One of the store's own threads, or a thread that cannot hand its work to another one.
    Waits,
    /// A runtime thread.
    Leaves,
}

#[derive(Default)]
pub(super) struct Gate {
    /// Held by a thread that writes.
    writer: Mutex<()>,
    /// The number of commits that are queued for the commit thread or running there.
    queued: AtomicUsize,
    /// The number of the store's threads in operations for which fjall holds its locks.
    at_work: AtomicUsize,
    /// The number of bytes written since the store was opened.
    written: AtomicU64,
    /// The threads to wake.
    upkeep: OnceLock<Thread>,
}

impl Gate {
    /// Admits an inline commit. Returns `None` if another thread is writing, or if the commit would have to wait, as
    /// far as is known.
    pub(super) fn enter_at_once(&self) -> Option<MutexGuard<'_, ()>> {
        if self.queued.load(Ordering::Acquire) > 0 || self.is_at_work() {
            return None;
        }
        let turn = lock(&self.writer, Patience::Leaves)?;
        (!self.is_at_work()).then_some(turn)
    }

    /// For the store's own threads. Queued commits go first.
    pub(super) fn enter(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one of the store's threads is in an operation for which fjall holds its locks.
    pub(super) fn is_at_work(&self) -> bool {
        self.at_work.load(Ordering::Acquire) > 0
    }

    /// Until the returned guard is dropped, commits are sent to the commit thread. Inline commits that were admitted
    /// earlier have finished when this returns.
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

    /// Registers the calling thread, which is woken after every `STEP` written bytes.
    pub(super) fn attend(&self) {
        let _ = self.upkeep.set(thread::current());
    }
}

/// Held while one of the store's threads is at work.
#[must_use]
pub(super) struct Work<'g>(&'g Gate);

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A lock whose content is consistent at any moment; `None` if another thread holds it for longer than a moment.
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
