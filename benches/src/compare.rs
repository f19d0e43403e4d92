//! Candidates that are measured in turns, so that a disturbance affects all of them.

use std::time::Instant;

/// The rounds of one candidate: nanoseconds per operation.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Records a round of `operations` that began at `start`.
    pub fn note(&mut self, start: Instant, operations: usize) {
        self.add(start.elapsed().as_nanos() as f64 / operations as f64);
    }

    /// Records a round.
    pub fn add(&mut self, nanos: f64) {
        self.0.push(nanos);
    }

    /// The least disturbed round.
    ///
    /// # Panics
    /// If there is none.
    pub fn best(&self) -> f64 {
        self.0
            .iter()
            .copied()
            .min_by(f64::total_cmp)
            .expect("at least one round")
    }

    /// The median round.
    ///
    /// # Panics
    /// If there is none.
    pub fn median(&self) -> f64 {
        let mut rounds = self.0.clone();
        rounds.sort_unstable_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    }

    /// The noise: the difference between the median and the best round, in percent.
    pub fn noise(&self) -> f64 {
        (self.median() / self.best() - 1.0) * 100.0
    }
}

/// Several candidates, each of which runs once per round.
pub struct Race<'a> {
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    name: String,
    operations: usize,
    run: Box<dyn FnMut(usize) + 'a>,
    rounds: Rounds,
}

impl<'a> Race<'a> {
    #[expect(clippy::new_without_default, reason = "an empty race is no default")]
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Adds a candidate; `run` repeats it the given number of times.
    pub fn add(&mut self, name: impl Into<String>, operations: usize, run: impl FnMut(usize) + 'a) {
        self.entries.push(Entry {
            name: name.into(),
            operations,
            run: Box::new(run),
            rounds: Rounds::default(),
        });
    }

    /// Runs this many rounds, after one that does not count. Returns the names and the measurements, in order.
    pub fn run(mut self, rounds: usize) -> Vec<(String, Rounds)> {
        for round in 0..=rounds {
            for entry in &mut self.entries {
                let start = Instant::now();
                (entry.run)(entry.operations);
                if round > 0 {
                    entry.rounds.note(start, entry.operations);
                }
            }
        }
        self.entries
            .into_iter()
            .map(|entry| (entry.name, entry.rounds))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_and_median_are_what_they_say() {
        let rounds = Rounds(vec![3.0, 1.0, 2.0, 10.0, 2.5]);
        assert_eq!((rounds.best(), rounds.median()), (1.0, 2.5));
        assert_eq!(rounds.noise(), 150.0);
    }
}
