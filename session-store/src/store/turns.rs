//! Queues for retries.

use crate::digest::Digest;
use std::{
    array, fmt,
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    task::Poll,
    time::Duration,
};
use tokio::sync::{Mutex, MutexGuard};

/// The number of queues: enough that two sessions seldom share one.
const QUEUES: usize = 64;

/// Queues for commits of one session that would otherwise collide repeatedly: a commit that was not applied because
/// another one came first waits for its turn, and then retries.
///
/// A turn is a courtesy, not a lock: nothing may depend on it. If it is not passed on for 100 ms, because the task that
/// holds it has stalled, the next commit proceeds without a turn.
///
/// ```
/// use level_session_store::{Digest, Turns};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let turns = Turns::default();
/// let id = Digest::from_bytes([7; 32]);
/// let first = turns.of(id).await;
/// assert!(first.is_some());
/// // The first turn is still held.
/// assert!(turns.of(id).await.is_none());
/// drop(first);
/// assert!(turns.of(id).await.is_some());
/// # });
/// ```
pub struct Turns([Queue; QUEUES]);

#[derive(Default)]
struct Queue {
    turn: Mutex<()>,
    /// How many turns have ended.
    ended: AtomicU64,
}

/// A commit's turn, until it is dropped.
pub struct Turn<'t> {
    ended: &'t AtomicU64,
    _turn: MutexGuard<'t, ()>,
}

impl Turns {
    /// Waits for the turn of a session. Returns `None` if the turn is not passed on for 100 ms.
    pub async fn of(&self, id: Digest) -> Option<Turn<'_>> {
        let stalled = || tokio::time::sleep(Duration::from_millis(100));
        self.of_unless(id, stalled).await
    }

    /// Like [`of`](Self::of), with another timeout than 100 ms: each future that `stalled` returns completes after that
    /// time.
    pub async fn of_unless<F: Future<Output = ()>>(
        &self,
        id: Digest,
        stalled: impl Fn() -> F,
    ) -> Option<Turn<'_>> {
        let queue = &self.0[usize::from(id.as_bytes()[0]) % QUEUES];
        let mut comes = pin!(queue.turn.lock());
        loop {
            let before = queue.ended.load(Ordering::Relaxed);
            let mut stalled = pin!(stalled());
            let turn = poll_fn(|cx| match comes.as_mut().poll(cx) {
                Poll::Ready(turn) => Poll::Ready(Some(turn)),
                Poll::Pending => stalled.as_mut().poll(cx).map(|()| None),
            });
            if let Some(turn) = turn.await {
                return Some(Turn {
                    ended: &queue.ended,
                    _turn: turn,
                });
            }
            if queue.ended.load(Ordering::Relaxed) == before {
                return None;
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self(array::from_fn(|_| Queue::default()))
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_is_passed_on_is_waited_for() {
        let turns = Turns::default();
        let id = Digest::from_bytes([1; 32]);
        let mut held = turns.of(id).await;
        let mut waits = Box::pin(turns.of(id));
        // Ten others have their turn meanwhile: in total that takes longer than the wait for a stalled turn.
        for _ in 0..10 {
            let short = tokio::time::timeout(Duration::from_millis(90), &mut waits).await;
            assert!(short.is_err(), "it waits");
            turns.0[1].ended.fetch_add(1, Ordering::Relaxed);
        }
        drop(held.take());
        assert!(waits.await.is_some(), "its turn has come");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_turn_is_waited_for_once() {
        let turns = Turns::default();
        let (id, other) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let _held = turns.of(id).await;
        let began = tokio::time::Instant::now();
        assert!(turns.of(id).await.is_none());
        assert_eq!(began.elapsed(), Duration::from_millis(100));
        assert!(turns.of(other).await.is_some(), "a queue each");
        assert_eq!(began.elapsed(), Duration::from_millis(100));
    }
}
