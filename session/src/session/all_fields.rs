//! All fields of a session, with the errors of those that could not be read.

use super::untyped::decode;
use crate::{
    error::{Error, Result},
    store::{Bytes, FieldName, Timestamp},
    value::Value,
};
use serde::{Serialize, ser::SerializeMap};
use std::{collections::BTreeMap, fmt, ops::Deref};

/// Every field of a session by key, and the errors of fields that could not be read.
///
/// ```
/// # use level_session::{Result, Session};
/// /// An admin page.
/// async fn everything(session: Session) -> Result<axum::Json<level_session::AllFields>> {
///     let all = session.get_all().await?;
///     for error in all.damaged() {
///         eprintln!("{error}");
///     }
///     Ok(axum::Json(all))
/// }
/// ```
pub struct AllFields {
    fields: BTreeMap<String, Value>,
    damaged: Vec<Error>,
}

impl AllFields {
    pub(crate) fn of(fields: impl IntoIterator<Item = (FieldName, Bytes)>, now: Timestamp) -> Self {
        let mut all = Self {
            fields: BTreeMap::new(),
            damaged: Vec::new(),
        };
        for (name, bytes) in fields {
            match decode(&name, Some(&bytes), now) {
                Ok(Some(value)) => drop(all.fields.insert(name.to_string(), value)),
                Ok(None) => {}
                Err(error) => all.damaged.push(error),
            }
        }
        all
    }

    /// One error for each field that is stored but cannot be read.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// assert!(session.get_all().await?.damaged().is_empty());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn damaged(&self) -> &[Error] {
        &self.damaged
    }

    /// The fields as a plain map.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// let map = session.get_all().await?.into_map();
    /// assert_eq!(map.keys().collect::<Vec<_>>(), ["theme"]);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn into_map(self) -> BTreeMap<String, Value> {
        self.fields
    }
}

impl Deref for AllFields {
    type Target = BTreeMap<String, Value>;
    fn deref(&self) -> &Self::Target {
        &self.fields
    }
}

impl IntoIterator for AllFields {
    type Item = (String, Value);
    type IntoIter = std::collections::btree_map::IntoIter<String, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}

impl Serialize for AllFields {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl fmt::Debug for AllFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllFields")
            .field("fields", &self.fields.keys())
            .field("damaged", &self.damaged)
            .finish()
    }
}
