//! The key of a session in a store, and the shard that keeps the session.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// The key of a session in a store: SHA-256 of its id with a purpose in front. A copy of the store reveals no id
/// (requirement S05), and a look-up by digest is no timing oracle (S06).
///
/// `Debug` shows the first four bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// SHA-256 of these bytes with a purpose in front, so that no digest is valid for another purpose.
    #[must_use]
    pub fn of(purpose: &'static str, bytes: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(purpose);
        hash.update([0]);
        hash.update(bytes);
        Self(hash.finalize().into())
    }

    /// A digest from its bytes, as a store keeps them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, as a store keeps them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first four bytes in hexadecimal: enough to follow a session through a log, and useless for anything else.
    #[must_use]
    pub fn short(&self) -> String {
        let [a, b, c, d, ..] = self.0;
        format!("{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({}..)", self.short())
    }
}

/// The shard that keeps a session: see [`Store::home`](crate::Store::home).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Home(u16);

impl Home {
    /// The home of every session in a store that is not sharded.
    pub const ONLY: Self = Self(0);

    /// The home with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}
