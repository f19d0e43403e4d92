//! Whether two encodings of a value differ only in the order of unordered collections.
//!
//! A `HashMap` or `HashSet` iterates in a different order each time that it is created. A struct that was read and is
//! stored untouched must not count as changed because of that: it would overwrite another request's change.

use crate::store::{
    schema::Key,
    value::{self, Body, Buffer, Value},
};

/// How often the stored value is decoded and encoded again. A set of two elements keeps its order by chance every
/// second time; the chance that it does so every time is one in a million.
const TRIES: usize = 20;

/// Whether `held` is another encoding of `stored`: the same elements in another order, of a type that does not keep
/// their order. For a `Vec` another order is another value.
pub(super) fn is_same_but_for_order<T>(key: Key<T>, stored: &[u8], held: &[u8]) -> bool {
    stored.len() == held.len() && sorted(stored) == sorted(held) && forgets_order(key, stored)
}

/// Whether the type encodes these elements in another order than it decoded them.
fn forgets_order<T>(key: Key<T>, stored: &[u8]) -> bool {
    let def = key.typed_def();
    (0..TRIES).any(|_| {
        let mut again = Buffer::new();
        let read = (def.decode)(&Body::of(stored));
        read.is_ok_and(|value| (def.encode)(&value, &mut again).is_ok()) && *again != *stored
    })
}

/// An encoding in which every list and map is sorted; `None` if `body` is not a value.
fn sorted(body: &[u8]) -> Option<Vec<u8>> {
    let mut tree: Value = Body::of(body).decode().ok()?;
    sort(&mut tree);
    Some(bytes(&tree))
}

fn sort(value: &mut Value) {
    match value {
        Value::List(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_cached_key(bytes);
        }
        Value::Map(entries) => {
            for (key, value) in entries.iter_mut() {
                sort(key);
                sort(value);
            }
            entries.sort_by_cached_key(|(key, value)| (bytes(key), bytes(value)));
        }
        Value::Some(inner) => sort(inner),
        _ => {}
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut out = Buffer::new();
    // A value that was decoded within the limits can be encoded within them.
    let _ = value::encode(value, &mut out);
    out.to_vec()
}
