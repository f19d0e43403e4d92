//! The contract of sessions in its simplest form: maps, changed step by step.

use super::{data::Field, data::Held, plan::Settings};
use level_session::{
    Timestamp,
    store::{Digest, Lease},
};
use std::collections::{BTreeMap, HashMap};

/// All sessions that ever existed.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) settings: Settings,
    records: HashMap<Digest, Record>,
    /// Counts the changes to ids.
    pub(super) moment: u64,
}

#[derive(Debug)]
pub(super) enum Record {
    Live(Live),
    Moved { to: Digest, end: End },
    Ended(End),
}

/// The end of an id.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The step of the end, in the order of all steps.
    pub(super) moment: u64,
    /// The time until which the end must be remembered.
    pub(super) remembered: Timestamp,
    /// The time of the renewal, if the session was not destroyed.
    pub(super) renewed: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) lease: Lease,
    pub(super) former: Option<(Digest, Timestamp)>,
    pub(super) fields: Fields,
}

/// The contents of a session.
pub(super) type Fields = BTreeMap<Field, Stored>;

/// A value, and its deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) held: Held,
    pub(super) expires: Option<Timestamp>,
}

/// The result of looking up an id.
#[derive(Debug)]
pub(super) enum Found {
    /// A live session, found under its current or its former id.
    Live {
        id: Digest,
        by_former: bool,
    },
    Ended(End),
    Nothing,
}

impl Stored {
    pub(super) fn at(&self, now: Timestamp) -> Option<&Held> {
        let lives = self.expires.is_none_or(|expires| now < expires);
        lives.then_some(&self.held)
    }
}

impl Model {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            records: HashMap::new(),
            moment: 0,
        }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    pub(super) fn find(&self, id: Digest, now: Timestamp) -> Found {
        match self.records.get(&id) {
            None => Found::Nothing,
            Some(Record::Ended(end)) => Found::Ended(*end),
            Some(Record::Live(live)) if live.lease.is_live(now) => Found::Live {
                id,
                by_former: false,
            },
            Some(Record::Live(_)) => Found::Nothing,
            Some(Record::Moved { to, end, .. }) => match self.records.get(to) {
                Some(Record::Live(live))
                    if live.lease.is_live(now)
                        && live
                            .former
                            .is_some_and(|(former, until)| former == id && now < until) =>
                {
                    Found::Live {
                        id: *to,
                        by_former: true,
                    }
                }
                Some(Record::Ended(later) | Record::Moved { end: later, .. })
                    if later.moment > end.moment =>
                {
                    Found::Ended(*later)
                }
                _ => Found::Ended(*end),
            },
        }
    }

    /// Whether an id is taken.
    pub(super) fn knows(&self, id: Digest) -> bool {
        self.records.contains_key(&id)
    }

    pub(super) fn live(&self, id: Digest) -> Option<&Live> {
        match self.records.get(&id) {
            Some(Record::Live(live)) => Some(live),
            _ => None,
        }
    }

    pub(super) fn live_mut(&mut self, id: Digest) -> Option<&mut Live> {
        match self.records.get_mut(&id) {
            Some(Record::Live(live)) => Some(live),
            _ => None,
        }
    }

    pub(super) fn put(&mut self, id: Digest, record: Record) {
        self.records.insert(id, record);
    }

    pub(super) fn take(&mut self, id: Digest) -> Option<Live> {
        match self.records.remove(&id) {
            Some(Record::Live(live)) => Some(live),
            Some(other) => {
                self.records.insert(id, other);
                None
            }
            None => None,
        }
    }

    /// The live sessions, in order.
    pub(super) fn page(&self, now: Timestamp) -> Vec<Digest> {
        let mut page: Vec<_> = self
            .records
            .iter()
            .filter(|(_, record)| matches!(record, Record::Live(live) if live.lease.is_live(now)))
            .map(|(id, _)| *id)
            .collect();
        page.sort_unstable();
        page
    }

    /// The live sessions of a user, in the order of their sign-ins.
    pub(super) fn of_user(&self, user: &Held, now: Timestamp) -> Vec<Digest> {
        let live = |(id, record): (&Digest, &Record)| match record {
            Record::Live(live) if live.lease.is_live(now) => {
                let stored = live.fields.get(&Field::User)?;
                (stored.held == *user).then_some((live.lease.started, *id))
            }
            _ => None,
        };
        let mut found: Vec<_> = self.records.iter().filter_map(live).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Removes the expired sessions, and returns them.
    pub(super) fn sweep(&mut self, now: Timestamp) -> Vec<Digest> {
        let is_dead =
            |record: &mut Record| matches!(record, Record::Live(live) if !live.lease.is_live(now));
        let dead = self.records.extract_if(|_, record| is_dead(record));
        dead.map(|(id, _)| id).collect()
    }

    /// The deadlines of a new session.
    pub(super) fn lease(&self, started: Timestamp, seen: Timestamp) -> Lease {
        let after = |from: Timestamp, millis| Timestamp::from_millis(from.as_millis() + millis);
        let absolute = self.settings.absolute.map(|millis| after(started, millis));
        Lease::new(started, seen, after(seen, self.settings.idle), absolute)
    }

    /// The deadlines after a use.
    pub(super) fn used(&self, lease: Lease, forced: bool, tells: bool, now: Timestamp) -> Lease {
        let last = if tells { lease.told } else { lease.seen };
        let passed = now.as_millis().saturating_sub(last.as_millis());
        let every = match forced || self.settings.refresh_always {
            true => 1,
            false => self.settings.idle / 100,
        };
        if passed < every {
            return lease;
        }
        let mut used = self.lease(lease.started, lease.seen.max(now));
        if !tells {
            used.told = lease.told;
        }
        used
    }
}
