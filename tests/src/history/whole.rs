//! A whole struct that is stored: what that wants is the difference from what the request sees.

use super::{
    data::{Data, Field, Held},
    handler::set,
    plan::Op,
    wants::Change,
    watch::Watch,
};
use level_session::Timestamp;

impl Watch {
    /// The request has stored this. It saw all of the struct's fields in that step, whatever it had seen when it read
    /// them.
    pub(super) fn stores(&mut self, op: Op, data: &Data, now: Timestamp) {
        for field in Field::ALL {
            if field == Field::Note {
                continue; // it is not declared
            }
            self.looked(field);
            let Some(seen) = self.unit().sees(field, now) else {
                return self.violated(format!("{op:?} has not looked at `{}`", field.key()));
            };
            let seen = seen.and_then(|stored| stored.at(now).cloned());
            let change = difference(field, seen, field.in_struct(data), now);
            if let Some(change) = change {
                self.unit().wants.push(field, change);
            }
        }
    }
}

fn difference(
    field: Field,
    seen: Option<Held>,
    holds: Option<Held>,
    now: Timestamp,
) -> Option<Change> {
    let before = seen.or_else(|| field.default());
    match (field, before, holds) {
        // What is as the request sees it is not written, and a default that is not stored stays so.
        (_, before, holds) if before == holds => None,
        (Field::Visits | Field::Lives, Some(Held::Int(before)), Some(Held::Int(holds))) => {
            Some(Change::Add(holds - before))
        }
        (_, _, Some(holds)) => Some(set(field, holds, now)),
        (_, _, None) => Some(Change::Remove),
    }
}
