//! The names of keys, and their homes.
//!
//! ```text
//! p{tag}:<digest>   hash        a session, or the mark of one that ended
//! p{tag}!<hash>     sorted set  digests of sessions with an index entry, by their horizon
//! p@format          hash        the version of this layout, and the number of homes
//! ```
//! With one home there is no `{tag}`.

use level_session_store::{Digest, Home};

/// The name of an index entry: half a digest of field and entry.
pub(crate) type EntryHash = [u8; 16];

/// The key space of a store.
pub(crate) struct Keys {
    /// The prefix of the keys of each home.
    bases: Vec<Vec<u8>>,
    /// The slot of each home in a Cluster.
    slots: Vec<u16>,
    prefix: String,
}

const SLOTS: usize = 16_384;

impl Keys {
    pub(crate) fn new(prefix: &str, homes: u16) -> Self {
        let mut bases = Vec::new();
        let mut slots = Vec::new();
        if homes == 1 {
            bases.push(prefix.as_bytes().to_vec());
            slots.push(0);
        } else {
            for home in 0..homes {
                let tag = tag(home, homes);
                slots.push(slot(tag.as_bytes()));
                bases.push(format!("{prefix}{{{tag}}}").into_bytes());
            }
        }
        Self {
            bases,
            slots,
            prefix: prefix.to_owned(),
        }
    }

    pub(crate) fn homes(&self) -> u16 {
        u16::try_from(self.bases.len()).unwrap_or(u16::MAX)
    }

    /// By the first bits of the digest, so that homes are in the order of digests.
    pub(crate) fn home(&self, id: Digest) -> Home {
        let [a, b, ..] = *id.as_bytes();
        let bits = u32::from(u16::from_be_bytes([a, b]));
        let home = (bits * u32::from(self.homes())) >> 16;
        Home::new(u16::try_from(home).unwrap_or(0))
    }

    pub(crate) fn slot(&self, home: Home) -> u16 {
        self.slots[usize::from(home.number())]
    }

    pub(crate) fn base(&self, home: Home) -> &[u8] {
        &self.bases[usize::from(home.number())]
    }

    pub(crate) fn session(&self, id: Digest) -> Vec<u8> {
        let base = self.base(self.home(id));
        [base, b":", id.as_bytes()].concat()
    }

    pub(crate) fn index(&self, home: Home, hash: &EntryHash) -> Vec<u8> {
        [self.base(home), b"!", hash].concat()
    }

    pub(crate) fn format(&self) -> String {
        format!("{}@format", self.prefix)
    }

    /// The lock of a limit in a Cluster: its home is chosen by the hash.
    pub(crate) fn turn(&self, hash: &EntryHash) -> (Home, Vec<u8>) {
        let bits = u32::from(u16::from_be_bytes([hash[0], hash[1]]));
        let home = Home::new(u16::try_from((bits * u32::from(self.homes())) >> 16).unwrap_or(0));
        (home, [self.base(home), b"?", hash].concat())
    }

    /// The channel for ends.
    pub(crate) fn channel(&self) -> String {
        format!("{}@ended", self.prefix)
    }

    /// A pattern that matches the keys of all sessions.
    pub(crate) fn pattern(&self) -> String {
        match self.homes() {
            1 => format!("{}:*", self.prefix),
            _ => format!("{}{{*}}:*", self.prefix),
        }
    }

    /// The digest in the name of a session's key.
    pub(crate) fn digest_of(&self, key: &[u8]) -> Option<Digest> {
        let (_, last) = key.split_last_chunk::<32>()?;
        let id = Digest::from_bytes(*last);
        (self.session(id) == key).then_some(id)
    }
}

/// The hash of an index entry.
pub(crate) fn entry_hash(field: &str, entry: &[u8]) -> EntryHash {
    let len = u32::try_from(field.len()).unwrap_or(u32::MAX);
    let bytes = [&len.to_le_bytes(), field.as_bytes(), entry].concat();
    let digest = Digest::of("level-session-redis/index/1", &bytes);
    let (hash, _) = digest
        .as_bytes()
        .split_first_chunk::<16>()
        .expect("a digest has 32 bytes");
    *hash
}

/// The first number whose slot is in the home's part of all slots.
fn tag(home: u16, homes: u16) -> String {
    let place = |slot: u16| usize::from(slot) * usize::from(homes) / SLOTS;
    (0u32..)
        .map(|n| n.to_string())
        .find(|tag| place(slot(tag.as_bytes())) == usize::from(home))
        .expect("there is a number for each slot")
}

/// The slot of a hash tag: CRC-16/XMODEM, according to the Cluster specification.
pub(crate) fn slot(tag: &[u8]) -> u16 {
    let mut crc = 0u16;
    for byte in tag {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = match crc & 0x8000 {
                0 => crc << 1,
                _ => (crc << 1) ^ 0x1021,
            };
        }
    }
    crc % 16_384
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Keys that hash to a different slot than on the servers would be redirected for ever.
    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12_182);
    }

    /// Sessions of another release would be looked up at the wrong home.
    #[test]
    fn homes_are_spread_evenly_and_stay_where_they_are() {
        let keys = Keys::new("s", 64);
        let parts: BTreeSet<u16> = keys.slots.iter().map(|slot| slot / 256).collect();
        assert_eq!(parts.len(), 64, "one in each 64th of the slots");
        let first: Vec<_> = keys.bases[..4]
            .iter()
            .map(|base| String::from_utf8_lossy(base).into_owned())
            .collect();
        assert_eq!(first, ["s{10}", "s{18}", "s{113}", "s{342}"]);
        let mut id = [0; 32];
        assert_eq!(keys.home(Digest::from_bytes(id)), Home::new(0));
        id[0] = 0xFF;
        assert_eq!(keys.home(Digest::from_bytes(id)), Home::new(63));
        assert_eq!(Keys::new("s", 1).home(Digest::from_bytes(id)), Home::new(0));
    }

    #[test]
    fn a_digest_is_read_from_its_key_alone() {
        for keys in [Keys::new("s", 1), Keys::new("s", 8)] {
            let id = Digest::from_bytes([7; 32]);
            let key = keys.session(id);
            assert_eq!(keys.digest_of(&key), Some(id));
            assert_eq!(keys.digest_of(&key[1..]), None);
            assert_eq!(keys.digest_of(b"s:short"), None);
        }
    }

    #[test]
    fn a_field_and_its_entry_are_told_apart() {
        assert_ne!(entry_hash("a", b"bc"), entry_hash("ab", b"c"));
    }
}
