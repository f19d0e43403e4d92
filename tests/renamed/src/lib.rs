//! The generated code compiles in a crate that renames the dependency, in an older edition.

use serde::{Serialize, de::DeserializeOwned};
use sessions::SessionData;

/// Session data with every attribute.
#[derive(Debug, SessionData)]
#[session(crate = sessions, namespace = "renamed")]
pub struct Renamed<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The signed-in user.
    #[session(index)]
    pub user: Option<u64>,
    /// How often.
    #[session(counter)]
    pub visits: u32,
    /// Once.
    #[session(flash)]
    pub notice: Option<T>,
    /// For a while.
    #[session(ttl = "1h30m", default)]
    pub cart: Vec<T>,
    /// A keyword of a later edition.
    pub gen: Option<u8>,
    /// Nested.
    #[session(nest)]
    pub nested: Nested,
    /// Not stored.
    #[session(skip)]
    pub scratch: u8,
}

/// Nested session data.
#[derive(Debug, SessionData)]
#[session(crate = ::sessions)]
pub struct Nested {
    /// A level.
    #[session(default = 3)]
    pub level: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_any_other_crate() {
        assert_eq!(Renamed::<u8>::GEN.name(), "renamed.gen");
        assert_eq!(Renamed::<u8>::SCHEMA.nested()[0].fields()[0].key(), "level");
    }
}
