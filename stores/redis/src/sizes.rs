//! Which sessions are read whole although only some of their fields are requested.
//!
//! Reading a small session whole costs the server little more than reading one field of it, and saves a round trip for
//! every further field of the request. For a large session that is wrong: one small field would bring every large value
//! with it. The size of a session is not known before it is read, so the first read of a session is whole, and a
//! session that turns out to be large is read by field from then on.

use level_session_store::Digest;
use std::sync::atomic::{AtomicU64, Ordering};

/// A session with more than this many bytes in names and values is large.
const BYTES: usize = 4 * 1024;
/// A session with more than this many fields is large.
const FIELDS: usize = 64;
/// The number of bits: 8 KiB of memory.
const SLOTS: usize = 64 * 1024;

/// One bit for each group of sessions: whether one of them was large. The sessions of a group with a large one are read
/// by field, which is correct for sessions of any size.
pub(crate) struct Sizes(Box<[AtomicU64]>);

impl Sizes {
    pub(crate) fn new() -> Self {
        Self((0..SLOTS / 64).map(|_| AtomicU64::new(0)).collect())
    }

    /// Whether a session is to be read whole.
    pub(crate) fn is_small(&self, id: Digest) -> bool {
        let (word, bit) = self.place(id);
        word.load(Ordering::Relaxed) & bit == 0
    }

    /// Records the size of a session that was read whole.
    pub(crate) fn note(&self, id: Digest, sizes: impl Iterator<Item = usize>) {
        let (mut fields, mut bytes) = (0, 0);
        for size in sizes {
            fields += 1;
            bytes += size;
        }
        if fields > FIELDS || bytes > BYTES {
            let (word, bit) = self.place(id);
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// By the last bits of the digest, since its first ones choose the session's home.
    fn place(&self, id: Digest) -> (&AtomicU64, u64) {
        let [.., a, b] = *id.as_bytes();
        let slot = usize::from(u16::from_be_bytes([a, b])) % SLOTS;
        (&self.0[slot / 64], 1 << (slot % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(last: u8) -> Digest {
        let mut bytes = [7; 32];
        bytes[31] = last;
        Digest::from_bytes(bytes)
    }

    #[test]
    fn a_large_session_is_read_by_field_and_its_neighbours_are_not() {
        let sizes = Sizes::new();
        sizes.note(id(1), [BYTES].into_iter());
        assert!(sizes.is_small(id(1)));
        sizes.note(id(1), [BYTES, 1].into_iter());
        assert!(!sizes.is_small(id(1)) && sizes.is_small(id(2)));
        sizes.note(id(3), std::iter::repeat_n(1, FIELDS));
        assert!(sizes.is_small(id(3)));
        sizes.note(id(3), std::iter::repeat_n(1, FIELDS + 1));
        assert!(!sizes.is_small(id(3)));
        assert!((4..=255).all(|n| sizes.is_small(id(n))));
    }
}
