//! The pending changes of a request, and their effect on a session.

use super::{
    data::{Field, Held, Update},
    model::{Fields, Stored},
};
use level_session::Timestamp;
use std::collections::BTreeSet;

/// The pending changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Wants {
    pub(super) clear: bool,
    pub(super) renew: bool,
    pub(super) destroy: bool,
    pub(super) touch: bool,
    pub(super) changes: Vec<(Field, Change)>,
    /// The fields that were changed, including those whose change was dropped since.
    pub(super) touched: BTreeSet<Field>,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Set(Stored),
    Remove,
    Add(i64),
    Update {
        by: Update,
        /// There was no session yet.
        of_nothing: bool,
    },
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

    /// The effect on a field.
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
                Change::Update { by: update, .. } => {
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

    /// The effect on a session.
    pub(super) fn apply(&self, fields: &mut Fields, now: Timestamp) {
        let mut after = Fields::new();
        for field in Field::ALL {
            if let Some(stored) = self.fold(field, fields.get(&field).cloned(), now) {
                after.insert(field, stored);
            }
        }
        *fields = after;
    }

    /// Whether the changes have an effect on an empty session.
    pub(super) fn leaves_something(&self, now: Timestamp) -> bool {
        Field::ALL
            .into_iter()
            .any(|field| self.fold(field, None, now).is_some())
    }

    /// The commit was not stored: its changes are pending again, below newer ones.
    pub(super) fn not_stored(self, since: &mut Self) {
        since.renew |= self.renew;
        since.destroy |= self.destroy;
        since.touch |= self.touch;
        since.touched.extend(self.touched);
        if !since.clear {
            since.clear = self.clear;
            since.changes.splice(0..0, self.changes);
        }
    }

    /// Drops the pending change of a field. If the change hid a stored value, the field is now removed.
    pub(super) fn drop_own(&mut self, field: Field) {
        let hides = self.hides(field);
        self.changes.retain(|(of, _)| *of != field);
        if hides {
            self.changes.push((field, Change::Remove));
        }
    }

    /// Takes the pending change of a field.
    pub(super) fn split_off(&mut self, field: Field) -> Self {
        let of_field = self.changes.extract_if(.., |(of, _)| *of == field);
        Self {
            changes: of_field.collect(),
            ..Self::default()
        }
    }

    /// Whether the counter may become negative.
    pub(super) fn may_overflow(&self) -> bool {
        let takes = |change: &Change| matches!(change, Change::Add(add) if *add < 0);
        self.changes
            .iter()
            .any(|(of, change)| *of == Field::Visits && takes(change))
    }

    pub(super) fn hides(&self, field: Field) -> bool {
        let absolute = |change: &Change| match change {
            Change::Set(_) | Change::Remove => true,
            Change::Update { of_nothing, .. } => self.clear || *of_nothing,
            Change::Add(_) => false,
        };
        self.changes
            .iter()
            .any(|(of, change)| *of == field && absolute(change))
    }

    pub(super) fn adds(&self) -> impl Iterator<Item = Field> + '_ {
        Field::ALL.into_iter().filter(|field| {
            let last = self.changes.iter().rev().find(|(of, _)| of == field);
            // The store calculates a sum, unless the request knows the number to which it adds.
            matches!(last, Some((_, Change::Add(_))))
                && self
                    .changes
                    .iter()
                    .all(|(of, change)| of != field || matches!(change, Change::Add(_)))
        })
    }
}
