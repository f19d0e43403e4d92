//! The key of a field.

use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

/// The prefix of reserved keys, which belong to the library.
///
/// An application cannot use such a key: the derive and the untyped API reject it, and no listing shows it. A store
/// treats it like any other key, except that [`Clear::Fields`](crate::Clear::Fields) keeps it.
pub const RESERVED_PREFIX: &str = "level-session:";

/// The key of a field. Cloning is cheap.
#[derive(Clone)]
pub struct FieldName(Repr);

#[derive(Clone)]
enum Repr {
    Static(&'static str),
    Shared(Arc<str>),
}

impl FieldName {
    /// A key that is known at compile time.
    ///
    /// ```
    /// use level_session_store::FieldName;
    ///
    /// const THEME: FieldName = FieldName::from_static("theme");
    /// assert_eq!(&*THEME, "theme");
    /// ```
    #[must_use]
    #[inline]
    pub const fn from_static(name: &'static str) -> Self {
        Self(Repr::Static(name))
    }

    /// Whether the key is reserved for the library: see [`RESERVED_PREFIX`].
    ///
    /// ```
    /// use level_session_store::FieldName;
    ///
    /// assert!(FieldName::from("level-session:csrf").is_reserved());
    /// assert!(!FieldName::from("theme").is_reserved());
    /// ```
    #[must_use]
    #[inline]
    pub fn is_reserved(&self) -> bool {
        self.starts_with(RESERVED_PREFIX)
    }
}

impl Deref for FieldName {
    type Target = str;
    #[inline]
    fn deref(&self) -> &str {
        match &self.0 {
            Repr::Static(name) => name,
            Repr::Shared(name) => name,
        }
    }
}

impl From<&'static str> for FieldName {
    fn from(name: &'static str) -> Self {
        Self::from_static(name)
    }
}

impl From<Arc<str>> for FieldName {
    #[inline]
    fn from(name: Arc<str>) -> Self {
        Self(Repr::Shared(name))
    }
}

impl From<String> for FieldName {
    fn from(name: String) -> Self {
        Self(Repr::Shared(name.into()))
    }
}

impl Borrow<str> for FieldName {
    #[inline]
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq for FieldName {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
impl Eq for FieldName {}
impl PartialOrd for FieldName {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for FieldName {
    #[inline]
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}
impl std::hash::Hash for FieldName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}
impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}
