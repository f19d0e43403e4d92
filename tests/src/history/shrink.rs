//! Shrinks a failing history.

use super::{
    plan::{Action, Episode, Op, Request},
    run::{Report, Stage},
};

/// Removes requests, operations of handlers, and events in between, as long as the history still fails, in at most this
/// number of attempts, each on a new stage. Returns the log of the shrunk history, with the violation at its end.
pub fn shortest(
    episode: &Episode,
    attempts: usize,
    stage: impl Fn() -> Stage,
) -> (Episode, Report) {
    let mut best = episode.clone();
    let mut left = attempts;
    let mut improved = true;
    while improved && left > 0 {
        improved = false;
        for candidate in Candidates::of(&best) {
            if left == 0 {
                break;
            }
            let Some(shorter) = candidate.apply(&best) else {
                continue;
            };
            left -= 1;
            if stage().play(&shorter, false).violation.is_some() {
                best = shorter;
                improved = true;
            }
        }
    }
    let report = stage().play(&best, true);
    (best, report)
}

/// A part that can be removed, by its position from the end.
enum Candidate {
    Request(usize),
    Op(usize, Which, usize),
    Action(usize),
}

/// An operation of a handler, of its second task, or of its detached task.
type Which = fn(&mut Request) -> &mut Vec<Op>;

struct Candidates;

impl Candidates {
    /// Large parts first, each from the end, so that the other positions stay valid.
    fn of(episode: &Episode) -> Vec<Candidate> {
        let requests = (0..episode.requests.len()).rev().map(Candidate::Request);
        let ops = (0..episode.requests.len()).rev().flat_map(|at| {
            let request = &episode.requests[at];
            let all: [(Which, _); 3] = [
                (|request| &mut request.later, request.later.len()),
                (|request| &mut request.beside, request.beside.len()),
                (|request| &mut request.ops, request.ops.len()),
            ];
            all.into_iter().flat_map(move |(which, ops)| {
                (0..ops).rev().map(move |op| Candidate::Op(at, which, op))
            })
        });
        let actions = (0..episode.actions.len()).rev().map(Candidate::Action);
        requests.chain(ops).chain(actions).collect()
    }
}

impl Candidate {
    fn apply(&self, episode: &Episode) -> Option<Episode> {
        let mut shorter = episode.clone();
        match *self {
            // The request keeps its number, but never arrives.
            Self::Request(at) => {
                let before = shorter.actions.len();
                shorter
                    .actions
                    .retain(|action| action.request() != Some(at));
                (shorter.actions.len() < before).then_some(shorter)
            }
            Self::Op(at, which, op) => {
                let arrives = shorter
                    .actions
                    .iter()
                    .any(|action| action.request() == Some(at));
                let ops = which(&mut shorter.requests[at]);
                if !arrives || op >= ops.len() {
                    return None;
                }
                ops.remove(op);
                Some(shorter)
            }
            Self::Action(at) => {
                let action = shorter.actions.get(at)?;
                if matches!(action, Action::Begin(_)) {
                    return None;
                }
                shorter.actions.remove(at);
                Some(shorter)
            }
        }
    }
}

impl Action {
    fn request(self) -> Option<usize> {
        match self {
            Self::Begin(at) | Self::Poll(at) | Self::Finish(at) | Self::Cancel(at) => Some(at),
            Self::Advance(_) | Self::Sweep | Self::EndAll(_) | Self::Fault(_) => None,
        }
    }
}
