//! Storing a whole struct: the pending changes are the differences from what the request sees.

use super::{
    data::{Data, Field, Held},
    handler::set,
    plan::Op,
    wants::Change,
    watch::Watch,
};
use level_session::Timestamp;

impl Watch {
    /// The request has stored this struct. In that step it saw all fields of the struct, regardless of its earlier
    /// reads.
    pub(super) fn stores(&mut self, op: Op, data: &Data, now: Timestamp) {
        for field in Field::ALL {
            if field == Field::Note {
                continue; // the field is not declared
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
        // A field that equals the request's view is not written, and a default stays unstored.
        (_, before, holds) if before == holds => None,
        (Field::Visits | Field::Lives, Some(Held::Int(before)), Some(Held::Int(holds))) => {
            Some(Change::Add(holds - before))
        }
        (_, _, Some(holds)) => Some(set(field, holds, now)),
        (_, _, None) => Some(Change::Remove),
    }
}
