//! A value striped by thread, to avoid contention and false sharing.

use std::{
    array, fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

/// More than the cores that most machines have for sessions; reading all stripes is rare.
const STRIPES: usize = 16;

/// A value striped by thread: a few copies of it, each on cache lines of its own. A thread always uses the same one.
pub struct Striped<T>([Stripe<T>; STRIPES]);

/// Aligned to its own cache lines: processors fetch them in pairs.
#[repr(align(128))]
struct Stripe<T>(T);

impl<T> fmt::Debug for Striped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Striped").finish_non_exhaustive()
    }
}

impl<T: Default> Default for Striped<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T> Striped<T> {
    /// Calls `make` for each copy.
    pub fn new(mut make: impl FnMut() -> T) -> Self {
        Self(array::from_fn(|_| Stripe(make())))
    }

    /// The copy of the current thread.
    #[inline]
    pub fn mine(&self) -> &T {
        &self.0[stripe()].0
    }

    /// All copies, always in the same order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|stripe| &stripe.0)
    }
}

#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static STRIPE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
    STRIPE.try_with(|stripe| *stripe).unwrap_or_default() // while a thread ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, thread};

    #[test]
    fn a_thread_keeps_its_lane_and_others_have_their_own() {
        let striped = Arc::new(Striped::new(|| AtomicUsize::new(0)));
        let threads: Vec<_> = (0..STRIPES)
            .map(|_| {
                let striped = Arc::clone(&striped);
                thread::spawn(move || {
                    for _ in 0..10 {
                        striped.mine().fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let counts: Vec<_> = striped.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        assert_eq!(counts.iter().sum::<usize>(), 10 * STRIPES);
        assert!(counts.iter().all(|count| count % 10 == 0), "{counts:?}");
        assert!(
            counts.iter().filter(|count| **count > 0).count() > 1,
            "{counts:?}"
        );
    }
}
