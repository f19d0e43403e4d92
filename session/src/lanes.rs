//! One of something for each of a few groups of threads, so that threads which only note something do not wait for
//! each other, nor take turns in having the same piece of memory.

use std::{
    array,
    sync::atomic::{AtomicUsize, Ordering},
};

/// More than most machines have cores at work on sessions; what is noted in all of them is seldom asked for.
const LANES: usize = 16;

/// As many as there are lanes. A thread always uses the same one.
pub(crate) struct Lanes<T>([Lane<T>; LANES]);

/// On cache lines of its own: processors fetch them in pairs.
#[repr(align(128))]
struct Lane<T>(T);

impl<T: Default> Default for Lanes<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T> Lanes<T> {
    pub(crate) fn new(mut make: impl FnMut() -> T) -> Self {
        Self(array::from_fn(|_| Lane(make())))
    }

    /// That of this thread.
    pub(crate) fn mine(&self) -> &T {
        &self.0[lane()].0
    }

    /// All of them, in an order that is always the same.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|lane| &lane.0)
    }
}

fn lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static LANE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % LANES);
    LANE.try_with(|lane| *lane).unwrap_or_default() // while a thread ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, thread};

    #[test]
    fn a_thread_keeps_its_lane_and_others_have_their_own() {
        let lanes = Arc::new(Lanes::new(|| AtomicUsize::new(0)));
        let threads: Vec<_> = (0..LANES)
            .map(|_| {
                let lanes = Arc::clone(&lanes);
                thread::spawn(move || {
                    for _ in 0..10 {
                        lanes.mine().fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let counts: Vec<_> = lanes.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        assert_eq!(counts.iter().sum::<usize>(), 10 * LANES);
        assert!(counts.iter().all(|count| count % 10 == 0), "{counts:?}");
        assert!(
            counts.iter().filter(|count| **count > 0).count() > 1,
            "{counts:?}"
        );
    }
}
