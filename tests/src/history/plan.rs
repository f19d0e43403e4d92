//! What is going to happen: requests with what their handlers do, and who is at work when.
//!
//! All of it is written down beforehand, so that it can be replayed and shortened.

use super::{
    data::{Field, Update},
    rng::Rng,
    watch::Fault,
};

/// A history to be.
#[derive(Clone, Debug)]
pub struct Episode {
    /// The settings of the application.
    pub settings: Settings,
    /// What is asked of it.
    pub requests: Vec<Request>,
    /// In which order all of it happens.
    pub actions: Vec<Action>,
    /// Of the ids.
    pub id_seed: u64,
}

/// Settings, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The idle timeout.
    pub idle: u64,
    /// The absolute timeout.
    pub absolute: Option<u64>,
    /// How long a former id works.
    pub grace: u64,
    /// Refresh with every request.
    pub refresh_always: bool,
    /// How many sessions a user may have. There are few users then.
    pub limit: Option<usize>,
    /// One more is refused; else it ends the oldest.
    pub refuses: bool,
    /// One id in so many is one that was there before; none with zero.
    pub repeat_ids: usize,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose.
    pub visitor: usize,
    /// Comes with a cookie that the visitor had before, counted backwards.
    pub stale: usize,
    /// What the handler does.
    pub ops: Vec<Op>,
    /// What another task of it does at the same time.
    pub beside: Vec<Op>,
    /// Which of the two has a turn.
    pub turns: u64,
    /// What goes on after the response, if it is detached.
    pub later: Vec<Op>,
    /// How it ends.
    pub end: End,
}

/// How a handler ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Status(u16),
    /// With a panic.
    Panic,
}

/// What a handler does with its session.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Reads a field, by its accessor or by its key.
    Read(Field, bool),
    /// Reads everything.
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
    /// Removes every field.
    Clear,
    /// Asks for a new id.
    Renew,
    /// Ends the session.
    Destroy,
    /// Asks for a new deadline.
    Touch,
    /// Commits.
    Commit,
    /// Asks whether the session lives.
    IsLive,
    /// Lets others go first.
    Yield,
    /// Begins what goes on after the response.
    Detach,
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A request arrives.
    Begin(usize),
    /// It gets a turn.
    Poll(usize),
    /// It gets turns until it is done, or waits for another.
    Finish(usize),
    /// Its client goes away.
    Cancel(usize),
    /// Time passes, in milliseconds.
    Advance(u64),
    /// What is dead is removed.
    Sweep,
    /// A worker lists the sessions of a user, and ends all of them.
    EndAll(u64),
    /// The store goes wrong, or works again.
    Fault(Fault),
}

impl Episode {
    /// The history of a seed.
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
            // Once a session has expired and is forgotten, nothing can tell its id from a new one.
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

/// Where there are few of them.
const USERS: [u64; 2] = [1, 2];

impl Request {
    /// Lets the users that sign in be few.
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
                // What the other does while one commits is what two tasks are about.
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

/// Requests overlap: some are at work at any time, in random turns.
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
