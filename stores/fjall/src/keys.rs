//! The keys of the keyspaces other than `meta`, whose keys are the digests themselves.

use level_session_store::{Digest, Timestamp};
use std::ops::Deref;

/// Longer names and entries are replaced by their hash: fjall's keys are limited to 64 KiB, a field's name is not.
const LONGEST: usize = 250;
const HASH_PURPOSE: &str = "level-session/fjall-key/1";
/// The prefix of a hash. It does not occur in UTF-8, and is no length up to [`LONGEST`].
const HASHED: u8 = 0xff;

/// The key of a value: the number of the session, then the name of the field.
pub(super) fn data(number: u64, field: &str) -> DataKey {
    let mut key = DataKey {
        bytes: [0; 8 + LONGEST],
        length: 0,
    };
    key.push(&number.to_be_bytes());
    if field.len() <= LONGEST {
        key.push(field.as_bytes());
    } else {
        key.push(&[HASHED]);
        key.push(Digest::of(HASH_PURPOSE, field.as_bytes()).as_bytes());
    }
    key
}

/// The bytes of a key, without an allocation if they are short.
pub(super) struct DataKey {
    bytes: [u8; 8 + LONGEST],
    length: usize,
}

impl DataKey {
    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }
}

impl Deref for DataKey {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// When to examine a session again: the deadline, then the digest.
pub(super) fn due(deadline: Timestamp, id: Digest) -> [u8; 40] {
    let mut key = [0; 40];
    key[..8].copy_from_slice(&deadline.as_millis().to_be_bytes());
    key[8..].copy_from_slice(id.as_bytes());
    key
}

/// The lower bound of everything that is due at this time or later.
pub(super) fn due_from(time: Timestamp) -> [u8; 8] {
    time.as_millis().to_be_bytes()
}

/// The upper bound of everything that is due at `now`, exclusive; `None` if that is everything.
pub(super) fn due_after(now: Timestamp) -> Option<[u8; 8]> {
    now.as_millis().checked_add(1).map(u64::to_be_bytes)
}

/// The digest in a key of `due`, if it is valid.
pub(super) fn due_parts(key: &[u8]) -> Option<(Timestamp, Digest)> {
    let (deadline, id) = key.split_first_chunk::<8>()?;
    let deadline = Timestamp::from_millis(u64::from_be_bytes(*deadline));
    Some((deadline, digest(id)?))
}

/// An index entry: field and entry, each prefixed with its length, then the digest.
pub(super) fn index(field: &str, entry: &[u8], id: Digest) -> Vec<u8> {
    let mut key = index_prefix(field, entry);
    key.extend_from_slice(id.as_bytes());
    key
}

/// The common prefix of all index entries of one field and value.
pub(super) fn index_prefix(field: &str, entry: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + 32 + field.len().min(LONGEST) + entry.len().min(LONGEST));
    for part in [field.as_bytes(), entry] {
        match u8::try_from(part.len()) {
            Ok(length) if part.len() <= LONGEST => {
                key.push(length);
                key.extend_from_slice(part);
            }
            _ => {
                key.push(HASHED);
                key.extend(Digest::of(HASH_PURPOSE, part).as_bytes());
            }
        }
    }
    key
}

/// The digest at the end of an index entry with this prefix.
pub(super) fn index_digest(key: &[u8], prefix: &[u8]) -> Option<Digest> {
    digest(key.strip_prefix(prefix)?)
}

/// These bytes as a digest, if they have the right length.
pub(super) fn digest(bytes: &[u8]) -> Option<Digest> {
    bytes.try_into().ok().map(Digest::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_names_share_a_key_and_none_is_too_long_for_fjall() {
        let long = "x".repeat(1 << 17);
        let names = [
            "",
            "a",
            "ab",
            "a\0",
            "\0",
            "é",
            &long[..250],
            &long[..251],
            &long[..65536],
            &long,
        ];
        let keys: HashSet<_> = names.iter().map(|name| data(1, name).to_vec()).collect();
        assert_eq!(keys.len(), names.len());
        assert!(keys.iter().all(|key| key.len() < 300));
    }

    #[test]
    fn no_two_index_entries_share_a_prefix() {
        let long = [0xff; 70_000];
        let id = Digest::from_bytes([0; 32]);
        let pairs: [(&str, &[u8]); 6] = [
            ("a", b"bc"),
            ("ab", b"c"),
            ("", b"abc"),
            ("abc", b""),
            ("a", &long),
            ("a", &long[1..]),
        ];
        for (i, (field, entry)) in pairs.iter().enumerate() {
            for (j, (other, of)) in pairs.iter().enumerate() {
                let prefix = index_prefix(field, entry);
                let key = index(other, of, id);
                assert_eq!(key.starts_with(&prefix), i == j, "{field} {other}");
            }
        }
    }

    #[test]
    fn what_is_due_sorts_by_time() {
        let id = Digest::from_bytes([9; 32]);
        let at = Timestamp::from_millis;
        assert!(due(at(255), id) < due(at(256), id));
        assert!(
            due(at(7), Digest::from_bytes([255; 32]))
                < due_after(at(7)).unwrap()[..]
                    .try_into()
                    .map(|t: [u8; 8]| due(at(u64::from_be_bytes(t)), Digest::from_bytes([0; 32])))
                    .unwrap()
        );
        assert_eq!(due_parts(&due(at(7), id)), Some((at(7), id)));
        assert_eq!(due_after(Timestamp::MAX), None);
    }
}
