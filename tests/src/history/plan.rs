//! The plan of a history: the requests, the operations of their handlers, and the order of their turns.
//!
//! Everything is planned in advance, so that it can be replayed and shrunk.

use super::{
    data::{Field, Update},
    rng::Rng,
    watch::Fault,
};

/// The plan of a history.
#[derive(Clone, Debug)]
pub struct Episode {
    /// The settings of the application.
    pub settings: Settings,
    /// The requests.
    pub requests: Vec<Request>,
    /// The order of events.
    pub actions: Vec<Action>,
    /// The seed of the ids.
    pub id_seed: u64,
}

/// Settings, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The idle timeout.
    pub idle: u64,
    /// The absolute timeout.
    pub absolute: Option<u64>,
    /// How long a former id works (grace period).
    pub grace: u64,
    /// Refreshes the session with every request.
    pub refresh_always: bool,
    /// The maximum number of sessions of a user. With a limit there are few users.
    pub limit: Option<usize>,
    /// A sign-in above the limit is refused; otherwise it ends the oldest session.
    pub refuses: bool,
    /// One in this number of ids repeats an earlier id; with zero, none does.
    pub repeat_ids: usize,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The visitor who sends it.
    pub visitor: usize,
    /// Uses an earlier cookie of the visitor, counted backwards.
    pub stale: usize,
    /// The operations of the handler.
    pub ops: Vec<Op>,
    /// The operations of a second, concurrent task.
    pub beside: Vec<Op>,
    /// The turns of the two tasks.
    pub turns: u64,
    /// The operations after the response, if the session is detached.
    pub later: Vec<Op>,
    /// The end of the handler.
    pub end: End,
}

/// How a handler ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a response of this status.
    Status(u16),
    /// With a panic.
    Panic,
}

/// An operation of a handler on its session.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Reads a field, with its accessor or by its key.
    Read(Field, bool),
    /// Reads all fields.
    ReadAll,
    /// Reads the struct.
    Load,
    /// Reads the struct, changes two fields of it and stores it.
    Store(u64),
    /// Sets a field.
    Set(Field, u64, bool),
    /// Sets `left` and `right`.
    SetPair(u64),
    /// Removes a field.
    Remove(Field, bool),
    /// Adds to a counter.
    Add(Field, i64),
    /// Updates a field.
    Update(Field, Update),
    /// Takes a field.
    Take(Field),
    /// Removes all fields.
    Clear,
    /// Renews the id.
    Renew,
    /// Destroys the session.
    Destroy,
    /// Extends the deadline.
    Touch,
    /// Commits.
    Commit,
    /// Checks whether the session is live.
    IsLive,
    /// Yields.
    Yield,
    /// Starts the task that continues after the response.
    Detach,
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A request arrives.
    Begin(usize),
    /// A request gets a turn.
    Poll(usize),
    /// A request gets turns until it is done or waits for another.
    Finish(usize),
    /// The client of a request goes away.
    Cancel(usize),
    /// Time passes, in milliseconds.
    Advance(u64),
    /// The sweeper removes expired sessions.
    Sweep,
    /// A worker lists the sessions of a user and ends all of them.
    EndAll(u64),
    /// The store starts or stops failing.
    Fault(Fault),
}

impl Episode {
    /// Generates the history of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let settings = Settings {
            idle: 10_000,
            absolute: rng.chance(1, 3).then_some(25_000),
            grace: rng.pick(&[0, 0, 3_000]),
            refresh_always: rng.chance(1, 3),
            limit: None,
            refuses: false,
            repeat_ids: rng.pick(&[0, 0, 0, 6]),
        };
        let visitors = 1 + rng.below(3);
        let at_once = 2 + rng.below(5);
        let mut tags = 0;
        let mut requests: Vec<_> = (0..8 + rng.below(24))
            .map(|_| Request::random(&mut rng, visitors, &mut tags))
            .collect();
        let faulty = rng.chance(1, 3);
        let mut actions = schedule(&mut rng, &requests, at_once, faulty);
        let crowded = rng.chance(1, 2);
        let mut settings = settings;
        if crowded {
            settings.limit = rng.pick(&[None, Some(1), Some(2)]);
            settings.refuses = rng.chance(1, 2);
            requests.iter_mut().for_each(Request::of_few_users);
            for _ in 0..rng.below(4) {
                let user = USERS[rng.below(USERS.len())];
                actions.insert(rng.below(actions.len() + 1), Action::EndAll(user));
            }
        }
        if settings.repeat_ids > 0 {
            // Once an expired session is removed, its id cannot be distinguished from a new one.
            actions.retain(|action| *action != Action::Sweep);
        }
        Self {
            settings,
            requests,
            actions,
            id_seed: rng.draw(),
        }
    }
}

/// The users of histories with few users.
const USERS: [u64; 2] = [1, 2];

impl Request {
    /// Reduces the number of users that sign in.
    fn of_few_users(&mut self) {
        let ops = self.ops.iter_mut().chain(&mut self.beside);
        for op in ops.chain(&mut self.later) {
            if let Op::Set(Field::User, tag, _) = op {
                *tag = USERS[usize::try_from(*tag).unwrap_or_default() % USERS.len()];
            }
            if let Op::Read(Field::Otp | Field::Note, typed) | Op::Remove(Field::Otp, typed) = op {
                *op = Op::Set(Field::User, USERS[0], *typed);
            }
        }
    }

    fn random(rng: &mut Rng, visitors: usize, tags: &mut u64) -> Self {
        let mut some = |rng: &mut Rng, most| -> Vec<_> {
            (0..1 + rng.below(most))
                .map(|_| Op::random(rng, tags))
                .collect()
        };
        let mut ops = some(rng, 6);
        let (mut beside, mut later) = (Vec::new(), Vec::new());
        match rng.below(12) {
            0..3 => {
                beside = some(rng, 6);
                // Concurrent tasks matter most when one commits while the other works.
                ops.insert(rng.below(ops.len() + 1), Op::Commit);
            }
            3 => {
                later = some(rng, 5);
                later.push(Op::Commit);
                ops.insert(rng.below(ops.len() + 1), Op::Detach);
            }
            _ => {}
        }
        let end = match rng.below(20) {
            0 | 1 => End::Status(500),
            2 => End::Panic,
            3 => End::Status(404),
            _ => End::Status(200),
        };
        Self {
            visitor: rng.below(visitors),
            stale: rng.pick(&[0, 0, 0, 0, 0, 1, 1, 2]),
            ops,
            beside,
            turns: rng.draw(),
            later,
            end,
        }
    }
}

impl Op {
    fn random(rng: &mut Rng, tags: &mut u64) -> Self {
        *tags += 1;
        let tag = *tags;
        let field = rng.pick(&Field::ALL);
        let typed = rng.chance(1, 2);
        match rng.below(100) {
            0..20 => Self::Read(field, typed),
            20..24 => Self::ReadAll,
            24..28 => Self::Load,
            28..31 => Self::Store(tag),
            31..42 => match field {
                Field::Left | Field::Right => Self::SetPair(tag),
                _ => Self::Set(field, tag, typed),
            },
            42..46 => match field {
                Field::Left | Field::Right => Self::SetPair(tag),
                _ => Self::Remove(field, typed),
            },
            46..56 => Self::Add(
                rng.pick(&[Field::Visits, Field::Visits, Field::Lives]),
                rng.pick(&[1, 2, 5]),
            ),
            56..74 => {
                let field = rng.pick(&[
                    Field::List,
                    Field::List,
                    Field::User,
                    Field::Visits,
                    Field::Note,
                ]);
                let change = match (rng.below(8), field) {
                    (0, _) => Update::Vanish,
                    (_, Field::List) => Update::Push(tag),
                    _ => Update::Mix(tag),
                };
                Self::Update(field, change)
            }
            74..82 => Self::Take(match field {
                Field::Left | Field::Right => Field::Notice,
                _ => field,
            }),
            82 => Self::Clear,
            83..86 => Self::Renew,
            86..89 => Self::Destroy,
            89 => Self::Touch,
            90..94 => Self::Commit,
            94 => Self::IsLive,
            _ => Self::Yield,
        }
    }
}

/// Overlapping requests: several are in progress at any time, in random turns.
fn schedule(rng: &mut Rng, requests: &[Request], at_once: usize, faulty: bool) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut at_work: Vec<(usize, usize)> = Vec::new();
    let mut next = 0;
    while next < requests.len() || !at_work.is_empty() {
        if next < requests.len() && at_work.len() < at_once && rng.chance(1, 3) {
            actions.push(Action::Begin(next));
            let Request {
                ops, beside, later, ..
            } = &requests[next];
            at_work.push((next, 3 * (ops.len() + beside.len()) + 6));
            if !later.is_empty() {
                at_work.push((requests.len() + next, 3 * (ops.len() + later.len()) + 12));
            }
            next += 1;
        }
        if rng.chance(1, 25) {
            actions.push(Action::Advance(
                rng.pick(&[1, 1, 99, 100, 1_000, 2_999, 3_000, 5_000, 9_999]),
            ));
        }
        if rng.chance(1, 60) {
            actions.push(Action::Sweep);
        }
        if faulty && rng.chance(1, 12) {
            actions.push(Action::Fault(rng.pick(&[
                Fault::Nothing,
                Fault::Nothing,
                Fault::Loads,
                Fault::Commits,
                Fault::Answers,
                Fault::Hang,
            ])));
        }
        if at_work.is_empty() {
            continue;
        }
        let at = rng.below(at_work.len());
        let (request, left) = &mut at_work[at];
        match (*left, rng.below(150)) {
            (0, _) => {
                actions.push(Action::Finish(*request));
                at_work.swap_remove(at);
            }
            (_, 0) => {
                actions.push(Action::Cancel(*request));
                at_work.swap_remove(at);
            }
            (_, 1..20) => {
                actions.push(Action::Finish(*request));
                at_work.swap_remove(at);
            }
            _ => {
                actions.push(Action::Poll(*request));
                *left -= 1;
            }
        }
    }
    actions
}
