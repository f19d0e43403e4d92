//! The fields that a request has read or changed.

use crate::{
    changes::{Change, Slot},
    error::Result,
    store::{Bytes, FieldName, Op, Timestamp, Write, local},
};

/// A map from names to slots, sorted by name, beside the fields read from a view. A request uses a few fields: the
/// slots are stored in one allocation, and fields that are only read from a view need none.
#[derive(Default)]
pub(super) struct Slots {
    slots: Vec<(FieldName, Slot)>,
    /// A view of all fields, from a store in this process: fields are read from it for as long as it is current.
    view: Option<View>,
    /// Whether everything that is stored was read.
    pub(super) all_read: bool,
}

/// The capacity that most requests need, so that they allocate once: 960 bytes, few of which are touched.
const FEW: usize = 8;

/// How many fields of a view have a bit that records whether they were read.
const NOTED: usize = u64::BITS as usize;

struct View {
    table: local::View,
    /// The session is live until then.
    until: Timestamp,
    /// Which fields were read, by their position: their values are kept even if the view becomes stale. A field at a
    /// higher position has a slot.
    read: u64,
}

impl View {
    fn shows_what_is_stored(&self, now: Timestamp) -> bool {
        now < self.until && self.table.is_current()
    }

    fn is_read(&self, at: usize) -> bool {
        bit(at).is_some_and(|bit| self.read & bit != 0)
    }
}

fn bit(at: usize) -> Option<u64> {
    1_u64.checked_shl(u32::try_from(at).ok()?)
}

impl Slots {
    pub(super) fn get(&self, name: &str) -> Option<&Slot> {
        self.place(name).ok().map(|at| &self.slots[at].1)
    }

    /// The slot of a field. A new slot has the value that was read from the view, if any.
    pub(super) fn slot(&mut self, name: &FieldName) -> &mut Slot {
        let at = self.place(name).unwrap_or_else(|at| {
            if self.slots.is_empty() {
                self.slots.reserve_exact(FEW);
            }
            let seen = self.viewed(name).cloned();
            self.slots.insert(at, (name.clone(), Slot::default()));
            if seen.is_some() {
                self.slots[at].1.read(seen);
            }
            at
        });
        &mut self.slots[at].1
    }

    /// The value of a field as read from the view.
    pub(super) fn viewed(&self, name: &str) -> Option<&Bytes> {
        let view = self.view.as_ref()?;
        let (at, bytes) = view.table.find(name)?;
        bytes.filter(|_| view.is_read(at))
    }

    /// Reads a field from the view; `None` if the view is stale.
    pub(super) fn read_in_view(
        &mut self,
        name: &FieldName,
        now: Timestamp,
    ) -> Option<Option<Bytes>> {
        let view = self.view.as_mut()?;
        let (at, bytes) = view.table.find(name)?;
        if !view.is_read(at) {
            if !view.shows_what_is_stored(now) {
                return None;
            }
            note(&mut self.slots, &mut view.read, name, at, bytes);
        }
        Some(bytes.cloned())
    }

    /// Reads several fields from the view, all at one moment, or none of them; returns whether it did.
    pub(super) fn read_all_in_view(&mut self, names: &[FieldName], now: Timestamp) -> bool {
        let Some(view) = &self.view else {
            return false;
        };
        let shown = names.iter().all(|name| view.table.find(name).is_some());
        let shown = shown && view.shows_what_is_stored(now);
        if shown {
            for name in names {
                self.read_in_view(name, now);
            }
        }
        shown
    }

    /// Stores a view, and reads the requested fields from it: they are the values that were stored when it was
    /// returned, even if it is stale by now. Returns a field that the view does not contain.
    pub(super) fn show<'n>(
        &mut self,
        table: local::View,
        until: Timestamp,
        asked: &'n [FieldName],
    ) -> Result<(), &'n FieldName> {
        self.hide();
        let mut read = 0;
        for name in asked {
            let (at, bytes) = table.find(name).ok_or(name)?;
            note(&mut self.slots, &mut read, name, at, bytes);
        }
        self.view = Some(View { table, until, read });
        Ok(())
    }

    /// Drops the view. Values read from it are kept.
    pub(super) fn hide(&mut self) {
        let Some(view) = self.view.take() else {
            return;
        };
        // A field at a higher position has a slot.
        for (at, name) in view.table.names().enumerate().take(NOTED) {
            if view.is_read(at) {
                let bytes = view.table.get(name).flatten();
                self.slot(name).read(bytes);
            }
        }
    }

    /// Whether everything that is stored was read, and did not include this field.
    pub(super) fn lacks(&self, slot: &Slot) -> bool {
        self.all_read && !slot.is_read()
    }

    /// Records that all stored fields were read.
    pub(super) fn read_all(&mut self, all: Vec<(FieldName, Bytes)>) {
        self.hide();
        let touched = self.slots.len();
        self.slots.reserve(all.len());
        for (name, bytes) in all {
            let known = self.slots[..touched].binary_search_by(|(other, _)| (**other).cmp(&name));
            match known {
                Ok(at) => self.slots[at].1.read(Some(bytes)),
                Err(_) => {
                    let mut slot = Slot::default();
                    slot.read(Some(bytes));
                    self.slots.push((name, slot));
                }
            }
        }
        self.slots.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.all_read = true;
    }

    /// How many fields have a slot.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&FieldName, &Slot)> {
        self.slots.iter().map(|(name, slot)| (name, slot))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&FieldName, &mut Slot)> {
        self.slots.iter_mut().map(|(name, slot)| (&*name, slot))
    }

    pub(super) fn is_changed(&self) -> bool {
        self.iter().any(|(_, slot)| slot.is_changed())
    }

    pub(super) fn leave_something(&self) -> bool {
        self.iter().any(|(_, slot)| slot.writes_anything())
    }

    pub(super) fn drop_changes(&mut self) {
        self.iter_mut().for_each(|(_, slot)| slot.drop_change());
    }

    /// Forgets values that were read and keeps changes.
    pub(super) fn forget(&mut self) {
        self.view = None;
        self.all_read = false;
        self.slots.retain_mut(|(_, slot)| slot.forget());
    }

    /// Records that these writes are stored, and the other fields for which `is_left` holds.
    pub(super) fn stored(&mut self, writes: Vec<Write>, is_left: impl Fn(&FieldName) -> bool) {
        for (name, slot) in self.iter_mut() {
            if !is_left(name) {
                slot.reread(Some(None));
            }
        }
        for write in writes {
            self.slot(&write.field).reread(match write.op {
                Op::Set(bytes) => Some(Some(bytes)),
                Op::Remove => Some(None),
                // The store calculated the sum, possibly including another request's addition.
                _ => None,
            });
        }
        let all_known = self.iter().all(|(_, slot)| slot.is_read());
        self.all_read &= all_known;
    }

    /// A change was not stored: it is pending again.
    pub(super) fn fall_back(
        &mut self,
        name: &FieldName,
        under: Change,
        now: Timestamp,
    ) -> Result<()> {
        self.slot(name).fall_back(name, under, now)
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.view = None;
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        place(&self.slots, name)
    }
}

#[inline]
fn place(slots: &[(FieldName, Slot)], name: &str) -> Result<usize, usize> {
    // Fields are often written in the order of their names.
    if let Some((last, _)) = slots.last()
        && **last < *name
    {
        return Err(slots.len());
    }
    slots.binary_search_by(|(other, _)| str::cmp(other, name))
}

/// Records a value read from a view at this position: in the field's slot, if it has one or its position has no bit in
/// `read`.
fn note(
    slots: &mut Vec<(FieldName, Slot)>,
    read: &mut u64,
    name: &FieldName,
    at: usize,
    bytes: Option<&Bytes>,
) {
    match (place(slots, name), bit(at)) {
        (Ok(slot), _) => slots[slot].1.read(bytes.cloned()),
        (Err(_), Some(bit)) => *read |= bit,
        (Err(slot), None) => {
            let mut new = Slot::default();
            new.read(bytes.cloned());
            slots.insert(slot, (name.clone(), new));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::Change;

    #[test]
    fn all_that_was_read_is_found_beside_what_was_touched() {
        let mut slots = Slots::default();
        slots.slot(&"m".into()).set(Change::Remove);
        slots.slot(&"b".into()).set(Change::Remove);
        let all = ["z", "b", "a", "n"].map(|name| (FieldName::from(name), Bytes::from(*b"v")));
        slots.read_all(all.into());
        let names: Vec<_> = slots.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["a", "b", "m", "n", "z"]);
        let b = slots.get("b").unwrap();
        assert!(b.is_read() && b.is_changed());
        assert!(!slots.get("m").unwrap().is_read());
        assert!(slots.get("c").is_none());
    }
}
