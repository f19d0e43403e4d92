//! `take`: a claim of a field, which is stored at once.

use super::{Phase, State, Taking};
use crate::{
    changes::{Change, Cleared, Update},
    error::Result,
    store::FieldName,
    store::Timestamp,
};

impl State {
    /// Begins to take a field that the request sees: its own value is taken here and now; a stored one is to be
    /// claimed.
    pub(crate) fn begin_take(&mut self, field: &FieldName) -> Result<Taking> {
        if self.phase == Phase::Interrupted {
            return Err(Self::interrupted());
        }
        self.slots.hide(); // the claim will outdate the view
        let hidden = self.cleared() != Cleared::default();
        let digest = self.digest();
        let slot = self.use_it()?.slot(field);
        let stored = slot.stored().cloned().flatten().filter(|_| !hidden);
        Ok(match (slot.replaces(), stored, digest) {
            // It would have replaced what is stored; now it removes it.
            (true, ..) => {
                slot.set(Change::Remove);
                Taking::Own
            }
            (false, Some(stored), Some(id)) => {
                slot.begin_commit();
                Taking::Claim { id, stored }
            }
            // Made of nothing: nothing is left of it.
            _ => {
                slot.drop_change();
                Taking::Own
            }
        })
    }

    /// The claim of a field is stored.
    pub(crate) fn taken(&mut self, field: &FieldName) {
        self.slot(field).taken();
    }

    /// It is not: what it took with it is wanted as before.
    pub(crate) fn not_taken(&mut self, field: &FieldName, now: Timestamp) {
        let cleared_since = self.cleared.asked;
        // What was added since was added to this: nothing is refused now.
        let _ = self.slot(field).not_committed(field, cleared_since, now);
    }

    /// Lends the update of a field that is being claimed, as [`lend_updates`](Self::lend_updates) does.
    pub(crate) fn lend_update(&mut self, field: &FieldName) -> Option<Box<Update>> {
        self.slot(field).lend_update()
    }

    pub(crate) fn return_update(&mut self, field: &FieldName, update: Box<Update>) {
        self.slot(field).committing = Some(Change::Update(update));
    }
}
