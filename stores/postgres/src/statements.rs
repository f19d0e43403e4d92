//! Parts that several statements share.

use crate::{codec, param::Place};

/// The JSON document that a session's `entries` contain if the session has this entry.
pub(crate) fn entry_of(field: &str, entry: &[u8]) -> String {
    codec::object([(codec::name(field), &*codec::entry(entry))].into_iter())
}

/// Whether a session is live, by its deadlines. A mark has none.
pub(crate) fn is_live(now: Place) -> String {
    format!("least(idle_at, absolute_at) > {now}")
}

/// Whether a row is a live session with an entry. The second condition matches the index.
pub(crate) fn has_entry(entry: Place, now: Place) -> String {
    format!(
        "entries @> {entry} AND entries <> '{{}}' AND {}",
        is_live(now)
    )
}

/// `at` plus a length of time, saturating. Neither is negative.
pub(crate) fn after(at: &str, length: &str) -> String {
    format!("(least({at}, {} - {length}) + {length})", i64::MAX)
}
