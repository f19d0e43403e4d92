//! A store's knowledge of a session.

use super::{commit::Meta, local::View};
use crate::{bytes::Bytes, clock::Timestamp, digest::Digest, name::FieldName};
use std::fmt;

/// Which fields to read.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Select<'a> {
    /// None: only whether the session is live.
    Nothing,
    /// These fields.
    Names(&'a [&'a str]),
    /// Every field, including the library's own.
    All,
}

/// A store's knowledge of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loaded {
    /// Nothing, or a session that has expired.
    Missing,
    /// The session was ended on purpose at this time (destroyed, or renewed to another id), and the store still
    /// remembers it ([`ENDED_IS_REMEMBERED`](crate::ENDED_IS_REMEMBERED)).
    Ended(Timestamp),
    /// It is live.
    Live(Snapshot),
}

/// A session as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its times.
    pub meta: Meta,
    /// Whether the requested digest is the former id of a renewed session, within its grace period.
    pub by_former_id: bool,
    /// The requested fields.
    pub fields: Fields,
}

impl Snapshot {
    /// A session found by its current id.
    #[must_use]
    pub const fn new(meta: Meta, fields: Fields) -> Self {
        Self {
            meta,
            by_former_id: false,
            fields,
        }
    }

    /// Sets whether it was found by its former id.
    #[must_use]
    pub fn with_by_former_id(mut self, by_former_id: bool) -> Self {
        self.by_former_id = by_former_id;
        self
    }
}

/// The fields of a [`Snapshot`]. Values whose TTL has passed are included: the core checks the TTL.
///
/// A store returns [`named`](Self::named) or [`all`](Self::all) for a [`Select::Names`]: if reading all fields costs no
/// more than reading some, returning all of them spares the core further loads.
#[derive(Clone)]
pub struct Fields(Answer);

/// The forms of [`Fields`], for the core. Not part of the contract.
#[doc(hidden)]
#[derive(Clone)]
#[expect(clippy::exhaustive_enums, reason = "only the core uses it")]
pub enum Answer {
    Nothing,
    Named(Vec<Option<Bytes>>),
    All(Vec<(FieldName, Bytes)>),
    View(View),
}

impl Fields {
    /// No fields: for [`Select::Nothing`].
    #[must_use]
    pub const fn nothing() -> Self {
        Self(Answer::Nothing)
    }

    /// For [`Select::Names`]: the values in the order of the names; `None` for an absent field.
    #[must_use]
    pub const fn named(values: Vec<Option<Bytes>>) -> Self {
        Self(Answer::Named(values))
    }

    /// Every stored field, in any order, each once: for [`Select::All`], and for [`Select::Names`] if reading all of
    /// them is as cheap.
    #[must_use]
    pub const fn all(fields: Vec<(FieldName, Bytes)>) -> Self {
        Self(Answer::All(fields))
    }

    /// Picks the fields that `select` requests from everything that is stored.
    #[must_use]
    pub fn pick<'s>(
        select: Select<'_>,
        stored: impl Fn(&str) -> Option<Bytes>,
        all: impl Iterator<Item = (FieldName, Bytes)> + 's,
    ) -> Self {
        match select {
            Select::Nothing => Self::nothing(),
            Select::Names(names) => Self::named(names.iter().map(|name| stored(name)).collect()),
            Select::All => Self::all(all.collect()),
        }
    }

    /// The values under these names, in their order, from the result of a [`Select::Names`] of the same names. `None`
    /// if these fields are not such a result.
    #[must_use]
    pub fn values(&self, names: &[&str]) -> Option<Vec<Option<Bytes>>> {
        match &self.0 {
            Answer::Named(values) if values.len() == names.len() => Some(values.clone()),
            Answer::View(view) => names.iter().map(|name| view.get(name)).collect(),
            Answer::All(all) => {
                let value = |name: &&str| all.iter().find(|(field, _)| **field == **name);
                Some(
                    names
                        .iter()
                        .map(|name| value(name).map(|(_, value)| value.clone()))
                        .collect(),
                )
            }
            Answer::Nothing | Answer::Named(_) => None,
        }
    }

    /// Every stored field, from the result of a [`Select::All`]. `None` if these fields are not such a result.
    #[must_use]
    pub fn into_all(self) -> Option<Vec<(FieldName, Bytes)>> {
        match self.0 {
            Answer::All(all) => Some(all),
            _ => None,
        }
    }

    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub fn into_answer(self) -> Answer {
        self.0
    }
}

/// For a store that has the session in memory: the requested fields, and the others.
impl From<View> for Fields {
    fn from(view: View) -> Self {
        Self(Answer::View(view))
    }
}

/// Two results are equal if they have the same form and the same fields; a view is compared as it is now.
impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Answer::Nothing, Answer::Nothing) => true,
            (Answer::Named(one), Answer::Named(two)) => one == two,
            (Answer::All(one), Answer::All(two)) => {
                let sorted = |all: &[(FieldName, Bytes)]| {
                    let mut all = all.to_vec();
                    all.sort();
                    all
                };
                one.len() == two.len() && sorted(one) == sorted(two)
            }
            (Answer::View(one), Answer::View(two)) => one == two,
            _ => false,
        }
    }
}
impl Eq for Fields {}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Answer::Nothing => f.write_str("Nothing"),
            Answer::Named(values) => f.debug_tuple("Named").field(values).finish(),
            Answer::View(view) => f.debug_tuple("View").field(view).finish(),
            Answer::All(fields) => {
                let all = fields.iter().map(|(name, value)| (name, value));
                f.debug_map().entries(all).finish()
            }
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields(self.clone()).fmt(f)
    }
}

/// A part of a listing, and the position after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items of the page, possibly none although more pages follow.
    pub items: Vec<T>,
    /// The start of the next page; `None` if this is the last one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A page, and the start of the next one.
    #[must_use]
    pub const fn new(items: Vec<T>, next: Option<Cursor>) -> Self {
        Self { items, next }
    }
}

/// A position in a listing. Only the store that made it can interpret its bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor(Box<[u8]>);

impl Cursor {
    /// A cursor of these bytes: a few hundred at most.
    #[must_use]
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({} bytes)", self.0.len())
    }
}

/// A session found by a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Its current digest.
    pub id: Digest,
    /// Its times.
    pub meta: Meta,
}

impl Found {
    /// A session with this digest and these times.
    #[must_use]
    pub const fn new(id: Digest, meta: Meta) -> Self {
        Self { id, meta }
    }
}

/// An entry of a store that contradicts the record of its session: found by the store's own `flaws`, for an inspector.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flaw {
    /// The session, or the known part of the id of a session that has ended.
    pub id: Digest,
    /// The field that the flaw concerns, if it concerns one.
    pub field: Option<FieldName>,
    /// The flaw and its remedy: the end of a sentence that begins with the session or the field.
    pub what: &'static str,
}

impl Flaw {
    /// A flaw of a session as a whole.
    #[must_use]
    pub const fn new(id: Digest, what: &'static str) -> Self {
        Self {
            id,
            field: None,
            what,
        }
    }

    /// A flaw of a field.
    #[must_use]
    pub fn on(mut self, field: FieldName) -> Self {
        self.field = Some(field);
        self
    }

    /// The session has this field, but `find` does not find the session by it.
    #[must_use]
    pub fn not_indexed(id: Digest, field: FieldName) -> Self {
        Self::new(id, "has no entry in the index: `reindex` creates it").on(field)
    }
}

/// The outcome of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// The number of expired sessions that were removed.
    pub sessions: usize,
    /// Whether the limit was reached, so that it is worth sweeping again.
    pub more: bool,
}

impl Swept {
    /// This many sessions were removed, and there may be more.
    #[must_use]
    pub const fn new(sessions: usize, more: bool) -> Self {
        Self { sessions, more }
    }
}
