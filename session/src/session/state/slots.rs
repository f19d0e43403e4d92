//! The fields of a session as far as a request has read or changed them.

use crate::{changes::Slot, field::FieldName, store::Bytes};

/// A map from names to slots, by name. A request touches a few fields: they lie side by side in one allocation.
#[derive(Default)]
pub(super) struct Slots(Vec<(FieldName, Slot)>);

impl Slots {
    pub(super) fn get(&self, name: &str) -> Option<&Slot> {
        self.place(name).ok().map(|at| &self.0[at].1)
    }

    /// The slot of a field; an empty one if it was not touched yet.
    pub(super) fn slot(&mut self, name: &FieldName) -> &mut Slot {
        let at = self.place(name).unwrap_or_else(|at| {
            self.0.insert(at, (name.clone(), Slot::default()));
            at
        });
        &mut self.0[at].1
    }

    /// Notes what was read of all fields that are stored.
    pub(super) fn read_all(&mut self, all: Vec<(FieldName, Bytes)>) {
        let touched = self.0.len();
        self.0.reserve(all.len());
        for (name, bytes) in all {
            let known = self.0[..touched].binary_search_by(|(other, _)| (**other).cmp(&name));
            match known {
                Ok(at) => self.0[at].1.read(Some(bytes)),
                Err(_) => {
                    let mut slot = Slot::default();
                    slot.read(Some(bytes));
                    self.0.push((name, slot));
                }
            }
        }
        self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&FieldName, &Slot)> {
        self.0.iter().map(|(name, slot)| (name, slot))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&FieldName, &mut Slot)> {
        self.0.iter_mut().map(|(name, slot)| (&*name, slot))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| str::cmp(other, name))
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
