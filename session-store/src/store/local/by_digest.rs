//! Maps keyed by digest, without hashing the digest again.

use std::hash::{BuildHasherDefault, Hasher};

/// For maps whose keys are digests. An attacker cannot choose a digest: it is the SHA-256 of an id drawn or signed
/// here.
pub type ByDigest = BuildHasherDefault<DigestHasher>;

/// Uses eight bytes of a digest as the hash: others than those that choose a shard or stripe.
#[derive(Debug, Default)]
pub struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(chunk) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*chunk);
        }
    }

    /// Ignores the length, which is constant.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use std::hash::BuildHasher as _;

    #[test]
    fn the_end_of_a_digest_is_its_hash() {
        let mut bytes = [3; 32];
        bytes[24..].copy_from_slice(&7_u64.to_le_bytes());
        let hash = ByDigest::default().hash_one(Digest::from_bytes(bytes));
        assert_eq!(hash, 7);
    }
}
