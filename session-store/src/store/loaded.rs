//! A store's knowledge of a session.

use super::{commit::Meta, local::View};
use crate::{bytes::Bytes, clock::Timestamp, digest::Digest, name::FieldName};
use std::fmt;

/// Which fields to read.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Select<'a> {
    /// Only whether the session lives.
    Nothing,
    /// These.
    Names(&'a [&'a str]),
    /// Every one, the library's own included.
    All,
}

/// A store's knowledge of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loaded {
    /// Nothing, or a session that has expired.
    Missing,
    /// A session was ended on purpose at this time, destroyed or renewed to another id, and that is still remembered
    /// ([`ENDED_IS_REMEMBERED`](crate::ENDED_IS_REMEMBERED)).
    Ended(Timestamp),
    /// It lives.
    Live(Snapshot),
}

/// A session as it stands at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its times.
    pub meta: Meta,
    /// Whether the digest asked for is the former one of a session that was renewed and still works, for its grace.
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

    /// Whether it was found by its former id.
    #[must_use]
    pub fn with_by_former_id(mut self, by_former_id: bool) -> Self {
        self.by_former_id = by_former_id;
        self
    }
}

/// The fields of a [`Snapshot`]. Values whose TTL has passed are among them: the core looks at that.
///
/// A store answers a [`Select::Names`] with [`named`](Self::named) or with [`all`](Self::all): where reading all
/// fields costs no more than reading some, all of them spare the core further questions.
#[derive(Clone)]
pub struct Fields(Answer);

/// The forms of [`Fields`], for the core. Not part of the contract.
#[doc(hidden)]
#[derive(Clone)]
#[expect(clippy::exhaustive_enums, reason = "for the core alone")]
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

    /// For [`Select::Names`]: the values in the order of the names; `None` for a field that is not there.
    #[must_use]
    pub const fn named(values: Vec<Option<Bytes>>) -> Self {
        Self(Answer::Named(values))
    }

    /// Every field that is stored, in any order, each once: for [`Select::All`], and for [`Select::Names`] if that is
    /// as cheap.
    #[must_use]
    pub const fn all(fields: Vec<(FieldName, Bytes)>) -> Self {
        Self(Answer::All(fields))
    }

    /// Takes the fields that `select` asks for from everything that is stored.
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

    /// The values under these names, in their order, out of the answer to a [`Select::Names`] of the same names.
    /// `None` if this is no such answer.
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

    /// Every field that is stored, out of the answer to a [`Select::All`]. `None` if this is no such answer.
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

/// For a store that has the session in memory: the requested fields, and more.
impl From<View> for Fields {
    fn from(view: View) -> Self {
        Self(Answer::View(view))
    }
}

/// Two answers are equal if they say the same of the same fields in the same form; of a view, what it shows now.
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

/// Part of a listing, and where it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items of the page: it may be empty although there are more.
    pub items: Vec<T>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A page, and where the next one begins.
    #[must_use]
    pub const fn new(items: Vec<T>, next: Option<Cursor>) -> Self {
        Self { items, next }
    }
}

/// A place in a listing. Its bytes mean something to the store alone that made it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor(Box<[u8]>);

impl Cursor {
    /// A cursor of these bytes: at most some hundred.
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

/// A session that a look-up has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Its present digest.
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

    /// The session has this field, but `find` does not find the session by the field.
    #[must_use]
    pub fn not_indexed(id: Digest, field: FieldName) -> Self {
        Self::new(id, "has no entry in the index: `reindex` makes it").on(field)
    }
}

/// The outcome of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// How many sessions had expired and were removed.
    pub sessions: usize,
    /// Whether the limit was reached, so that another sweep is worth while now.
    pub more: bool,
}

impl Swept {
    /// So many sessions were removed, and there may be more.
    #[must_use]
    pub const fn new(sessions: usize, more: bool) -> Self {
        Self { sessions, more }
    }
}
