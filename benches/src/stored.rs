//! Sessions written directly into a store, for measurements without requests.

use crate::workload::{FIELDS, value};
use level_session::{
    FieldName, Timestamp, Value,
    store::{Bytes, Commit, Digest, Lease, Op, Step, Store, Write},
};

/// The bytes of a session's payload: the names and values of its fields.
pub const PAYLOAD: usize = FIELDS.len() * (2 + crate::workload::FIELD_BYTES);

/// The digest of the nth session: as evenly spread as those of real ids.
pub fn digest(n: u64) -> Digest {
    let mut bytes = [0; 32];
    let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes());
    }
    Digest::from_bytes(bytes)
}

/// A value as a store keeps it.
pub fn bytes() -> Bytes {
    Value::from(value())
        .to_stored(None)
        .expect("a short string")
}

/// The writes of all eight fields, with different text for each session that does not compress.
pub fn own_writes(n: u64) -> Vec<Write> {
    let mut writes = writes(FIELDS.len());
    for (at, write) in writes.iter_mut().enumerate() {
        write.op = Op::Set(noise(n.wrapping_mul(8).wrapping_add(at as u64 + 1)));
    }
    writes
}

/// The nth value of the size of a field: text that does not compress.
pub fn noise(n: u64) -> Bytes {
    let text: String = digest(n)
        .as_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    Value::from(&text[..crate::workload::FIELD_BYTES])
        .to_stored(None)
        .expect("a short string")
}

/// The writes of this many of the eight fields.
pub fn writes(fields: usize) -> Vec<Write> {
    FIELDS[..fields]
        .iter()
        .map(|name| Write::set(FieldName::from_static(name), bytes()))
        .collect()
}

/// The deadlines of a session that is used at `now` and has this lifetime.
pub fn lease(now: Timestamp, millis: u64) -> Lease {
    let deadline = Timestamp::from_millis(now.as_millis() + millis);
    Lease::new(now, now, deadline, None)
}

/// Creates or changes a session.
pub async fn put(
    store: &dyn Store,
    id: Digest,
    now: Timestamp,
    create: Option<Lease>,
    writes: &[Write],
) {
    let step = match create {
        Some(lease) => Step::create(now, lease),
        None => Step::keep(None),
    };
    let commit = Commit::new(id, now, step).with_writes(writes);
    let outcome = store.commit(commit).await.expect("the disk works");
    assert!(outcome.is_done());
}
