//! Interned names of fields from records: each is in memory once, however many sessions have it.
//!
//! An application has few names, and each of its sessions most of them. A separate copy for each session would be
//! allocated at every read of a record, and would be a cache miss at every look at a field.

use level_session_store::FieldName;
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};

/// The maximum number and length of interned names: some applications use data from requests as names.
const MOST: usize = 1024;
const LONGEST: usize = 64;

/// Kept for as long as the process runs, so that no references need to be counted.
static NAMES: RwLock<BTreeSet<&'static str>> = RwLock::new(BTreeSet::new());

/// The interned name that is equal to this one, if any.
pub(super) fn shared(name: &str) -> FieldName {
    let known = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    let (kept, has_room) = (known.get(name).copied(), has_room(&known, name));
    drop(known);
    let kept = kept.or_else(|| {
        has_room
            .then(|| NAMES.write().unwrap_or_else(PoisonError::into_inner))
            .and_then(|mut names| keep(&mut names, name))
    });
    match kept {
        Some(name) => FieldName::from_static(name),
        None => FieldName::from(Arc::<str>::from(name)),
    }
}

fn has_room(names: &BTreeSet<&'static str>, name: &str) -> bool {
    names.len() < MOST && name.len() <= LONGEST
}

/// The interned name, if there is room: another thread may have interned it first.
fn keep(names: &mut BTreeSet<&'static str>, name: &str) -> Option<&'static str> {
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    has_room(names, name).then(|| {
        let name: &'static str = Box::leak(Box::from(name));
        names.insert(name);
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_memory_once_and_long_ones_are_not_kept() {
        let mut names = BTreeSet::new();
        for (name, is_kept) in [
            ("", true),
            ("user", true),
            (&"x".repeat(LONGEST), true),
            (&"x".repeat(LONGEST + 1), false),
        ] {
            let (one, other) = (keep(&mut names, name), keep(&mut names, name));
            assert_eq!(one, is_kept.then_some(name));
            assert!(one.is_none_or(|one| other.is_some_and(|other| std::ptr::eq(one, other))));
            assert_eq!(&*shared(name), name);
        }
    }

    /// If clients choose the names, memory must not grow without bound.
    #[test]
    fn so_many_are_kept_and_no_more() {
        let mut names = BTreeSet::new();
        for n in 0..MOST + 10 {
            let kept = keep(&mut names, &n.to_string()).is_some();
            assert_eq!(kept, n < MOST);
        }
        assert_eq!(names.len(), MOST);
        assert_eq!(keep(&mut names, "7"), Some("7"), "those are still known");
    }
}
