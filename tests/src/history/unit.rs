//! What one request knows and wants, as the contract says it.

use super::{
    data::{Field, Held, Update},
    model::{Fields, Stored},
};
use level_session::{Timestamp, store::Digest};
use std::collections::{BTreeMap, BTreeSet};

/// A request and its session.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) who: Who,
    /// When it began, in the order of everything.
    pub(super) began: u64,
    /// Its session ended under it.
    pub(super) gone: bool,
    /// The last use of its session that it knows of.
    pub(super) known_use: Timestamp,
    /// It may be told that it ended, because another session was being ended when it began.
    pub(super) may_be_gone: bool,
    /// An end was about to be stored when it began.
    pub(super) began_at_an_end: bool,
    pub(super) phase: Phase,
    /// What the store answered in this phase.
    pub(super) answered: Vec<Answer>,
    pub(super) wants: Wants,
    seen: BTreeMap<Field, Option<Stored>>,
    all_read: bool,
    /// The store has shown it all fields, and it may look at them again without asking, while they are what is stored.
    pub(super) viewing: bool,
    /// What it has changed before.
    touched: BTreeSet<Field>,
    /// What was claimed by a `take`.
    pub(super) claimed: Option<Option<Stored>>,
    pub(super) cookie: Cookie,
    /// The handler has used the session.
    pub(super) used: bool,
    /// It has renewed or ended its session.
    pub(super) ended: bool,
    /// Its client went away: nobody is told how it ended.
    pub(super) cancelled: bool,
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Gone,
    /// Of a commit that did nothing but refresh.
    RefreshGone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Nobody,
    Presented(Digest),
    Known { id: Digest, by_former: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    AtWork,
    Taking(Field),
    Committing,
    /// The handler is done, and all it wants may be stored, or nothing.
    Ending {
        commits: bool,
    },
    Closed,
}

/// What the response must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    Leave,
    Set(Digest),
    Remove,
}

/// What is to be stored.
#[derive(Clone, Debug, Default)]
pub(super) struct Wants {
    pub(super) clear: bool,
    pub(super) renew: bool,
    pub(super) destroy: bool,
    pub(super) touch: bool,
    changes: Vec<(Field, Change)>,
    /// What was changed, also if that was dropped since.
    touched: BTreeSet<Field>,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Set(Stored),
    Remove,
    Add(i64),
    Update(Update),
}

impl Wants {
    pub(super) fn push(&mut self, field: Field, change: Change) {
        self.touched.insert(field);
        self.changes.push((field, change));
    }

    pub(super) fn clear(&mut self) {
        self.clear = true;
        self.changes.clear();
    }

    /// What it makes of a field.
    pub(super) fn fold(
        &self,
        field: Field,
        before: Option<Stored>,
        now: Timestamp,
    ) -> Option<Stored> {
        let before = before.filter(|_| !self.clear);
        let of_field = self.changes.iter().filter(|(of, _)| *of == field);
        of_field.fold(before, |value, (_, change)| {
            let held = value.as_ref().and_then(|stored| stored.at(now)).cloned();
            let expires = None;
            match change {
                Change::Set(stored) => Some(stored.clone()),
                Change::Remove => None,
                Change::Add(add) => {
                    let base = held.or_else(|| field.default());
                    let Some(Held::Int(base)) = base else {
                        return None;
                    };
                    Some(Stored {
                        held: Held::Int(base + add),
                        expires,
                    })
                }
                Change::Update(update) => {
                    let base = match field {
                        Field::List if matches!(update, Update::Push(_)) => {
                            held.or_else(|| field.default())
                        }
                        _ => held,
                    };
                    update.apply(base).map(|held| Stored { held, expires })
                }
            }
        })
    }

    /// What it makes of a session.
    pub(super) fn apply(&self, fields: &mut Fields, now: Timestamp) {
        let mut after = Fields::new();
        for field in Field::ALL {
            if let Some(stored) = self.fold(field, fields.get(&field).cloned(), now) {
                after.insert(field, stored);
            }
        }
        *fields = after;
    }

    /// Whether anything comes of it where nothing is.
    pub(super) fn leaves_something(&self, now: Timestamp) -> bool {
        Field::ALL
            .into_iter()
            .any(|field| self.fold(field, None, now).is_some())
    }

    /// Drops what was wanted of a field. If that hides what is stored, it removes it from now on.
    pub(super) fn drop_own(&mut self, field: Field) {
        let hides = self.hides(field);
        self.changes.retain(|(of, _)| *of != field);
        if hides {
            self.changes.push((field, Change::Remove));
        }
    }

    pub(super) fn drop_all(&mut self, field: Field) {
        self.changes.retain(|(of, _)| *of != field);
    }

    fn hides(&self, field: Field) -> bool {
        let absolute = |change: &Change| matches!(change, Change::Set(_) | Change::Remove);
        self.changes
            .iter()
            .any(|(of, change)| *of == field && absolute(change))
    }

    fn adds(&self) -> impl Iterator<Item = Field> + '_ {
        Field::ALL.into_iter().filter(|field| {
            let last = self.changes.iter().rev().find(|(of, _)| of == field);
            // A sum is made in the store unless the request knows what it is added to.
            matches!(last, Some((_, Change::Add(_))))
                && self
                    .changes
                    .iter()
                    .all(|(of, change)| of != field || matches!(change, Change::Add(_)))
        })
    }
}

impl Unit {
    pub(super) fn new(presented: Option<Digest>, began: u64) -> Self {
        Self {
            who: presented.map_or(Who::Nobody, Who::Presented),
            began,
            gone: false,
            known_use: Timestamp::default(),
            may_be_gone: false,
            began_at_an_end: false,
            phase: Phase::AtWork,
            answered: Vec::new(),
            wants: Wants::default(),
            seen: BTreeMap::new(),
            all_read: false,
            viewing: false,
            touched: BTreeSet::new(),
            claimed: None,
            cookie: Cookie::Leave,
            used: false,
            ended: false,
            cancelled: false,
        }
    }

    /// Whether it is, or may be, about to store an end.
    pub(super) fn is_ending(&self) -> bool {
        let at_it = matches!(self.phase, Phase::Committing | Phase::Ending { .. });
        at_it && (self.wants.renew || self.wants.destroy || self.ended)
    }

    pub(super) fn id(&self) -> Option<Digest> {
        match self.who {
            Who::Nobody => None,
            Who::Presented(id) | Who::Known { id, .. } => Some(id),
        }
    }

    /// Notes what was read: a field is read once.
    pub(super) fn read(&mut self, fields: &Fields, names: Option<&[Field]>) {
        for field in names.unwrap_or(&Field::ALL) {
            let stored = fields.get(field).cloned();
            if stored.is_some() || names.is_some() {
                self.seen.entry(*field).or_insert(stored);
            }
        }
        self.all_read |= names.is_none();
    }

    pub(super) fn reread(&mut self, field: Field, stored: Option<Stored>) {
        self.seen.insert(field, stored);
    }

    /// What it must see of a field; `None` if it cannot know.
    pub(super) fn sees(&self, field: Field, now: Timestamp) -> Option<Option<Stored>> {
        let base = match self.seen.get(&field) {
            _ if self.wants.clear || self.who == Who::Nobody => None,
            Some(stored) => stored.clone(),
            None if self.all_read => None,
            None => match self.wants.hides(field) {
                true => None,
                false => return None,
            },
        };
        Some(self.wants.fold(field, base, now))
    }

    /// Everything is stored, and left this.
    pub(super) fn stored(&mut self, after: &Fields, nothing_else: bool) {
        self.touched.extend(&self.wants.touched);
        self.ended |= self.wants.renew || self.wants.destroy;
        let cleared = nothing_else || self.wants.clear || self.wants.destroy;
        let sums: Vec<_> = self.wants.adds().collect();
        for field in Field::ALL {
            let changed = self.wants.changes.iter().any(|(of, _)| *of == field);
            let known = self.seen.contains_key(&field) || self.touched.contains(&field);
            if changed || (cleared && known) {
                self.seen.insert(field, after.get(&field).cloned());
            }
        }
        for field in &sums {
            self.seen.remove(field);
        }
        self.all_read = (self.all_read || cleared) && sums.is_empty();
        self.viewing = false;
        self.wants = Wants::default();
    }
}
