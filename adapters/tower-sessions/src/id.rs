//! The id of a session.

use level_session_store::Digest;
use std::fmt;

/// The id of a session of tower-sessions. Convert the `Id` of any supported core version with `.into()`.
///
/// `Debug` does not show the id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionId(pub(crate) i128);

impl SessionId {
    /// The key of the session in a store.
    pub(crate) fn digest(self) -> Digest {
        Digest::of("level-session/tower-sessions/1", &self.0.to_le_bytes())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}
