//! The fields of a session that a store of this process has in memory, and the views of them that it hands out.
//!
//! A request that has read one field will often read more. A store that has them all at hand gives it a view of them,
//! which costs a reference count, and is not asked again. The view knows whether it still shows what is stored: what
//! is asked for later is then read from the store as if there had been no view, so a field is always read as of the
//! moment when it is asked for.

use crate::{bytes::Bytes, name::FieldName};
use smallvec::SmallVec;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// As many fields as most sessions have.
const FEW: usize = 8;

/// A field that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its key.
    pub name: FieldName,
    /// What the session is found by, if the field is indexed.
    pub index: Option<Bytes>,
    /// Its bytes, once they were read or written: a store need not have them in memory.
    value: OnceLock<Bytes>,
}

/// The fields of one session, by name. There is one owner, who changes it under the session's lock. Every change
/// outdates the views of it, and so does dropping it.
#[derive(Default)]
pub struct Table(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// By name. Those of most sessions lie here and not elsewhere: what is waited for when there are many sessions
    /// is memory that is not in the processor's cache, one piece after the other.
    fields: SmallVec<[Field; FEW]>,
    marks: Marks,
    outdated: AtomicBool,
}

/// A byte of each name, of the first ones: most of those that are not meant are told by it, without a look at them.
#[derive(Clone, Copy, Default)]
struct Marks([u8; Self::MANY]);

/// The fields of a session as they are in the memory of a store of this process: an answer as [`Fields`](crate::Fields).
#[derive(Clone)]
pub struct View(Arc<Inner>);

impl Field {
    /// A field, with its bytes if they are in memory.
    #[inline]
    pub fn new(name: FieldName, index: Option<Bytes>, value: Option<Bytes>) -> Self {
        Self {
            name,
            index,
            value: value.map_or_else(OnceLock::new, OnceLock::from),
        }
    }

    /// Its bytes, if they are in memory.
    #[inline]
    pub fn value(&self) -> Option<&Bytes> {
        self.value.get()
    }

    /// Its bytes; `read` reads them if they are not in memory yet.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn value_or<E>(&self, read: impl FnOnce() -> Result<Bytes, E>) -> Result<&Bytes, E> {
        match self.value.get() {
            Some(bytes) => Ok(bytes),
            None => {
                let bytes = read()?;
                Ok(self.value.get_or_init(|| bytes))
            }
        }
    }
}

impl Table {
    /// The table of a session that begins with these fields, in any order.
    pub fn of(fields: impl Iterator<Item = Field>) -> Self {
        let mut fields: SmallVec<[Field; FEW]> = fields.collect();
        fields.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Self(Arc::new(Inner {
            marks: Marks::of(&fields),
            fields,
            outdated: AtomicBool::new(false),
        }))
    }

    /// All fields, by name.
    #[inline]
    pub fn fields(&self) -> &[Field] {
        &self.0.fields
    }

    /// The field of this name, if it is present.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.0.get(name)
    }

    /// A view of the fields as they are now.
    #[inline]
    pub fn view(&self) -> View {
        View(Arc::clone(&self.0))
    }

    /// Puts a value into a field; whether the field was not there before.
    pub fn set(&mut self, name: &FieldName, index: Option<Bytes>, value: Bytes) -> bool {
        let inner = self.inner_mut();
        if let Some(at) = inner.find(name) {
            inner.fields[at].index = index;
            inner.fields[at].value = OnceLock::from(value);
            return false;
        }
        let at = inner.fields.partition_point(|field| *field.name < **name);
        inner.marks.insert(at, name);
        inner
            .fields
            .insert(at, Field::new(name.clone(), index, Some(value)));
        true
    }

    /// Removes a field.
    pub fn remove(&mut self, name: &str) -> Option<Field> {
        let at = self.0.find(name)?;
        let inner = self.inner_mut();
        let removed = inner.fields.remove(at);
        inner.marks = Marks::of(&inner.fields);
        Some(removed)
    }

    /// Removes all fields but those to keep.
    pub fn retain(&mut self, keep: impl FnMut(&mut Field) -> bool) {
        let inner = self.inner_mut();
        inner.fields.retain_mut(keep);
        inner.marks = Marks::of(&inner.fields);
    }

    /// Adds a field behind all others.
    ///
    /// # Errors
    /// Gives it back if that is not its place.
    pub fn push(&mut self, field: Field) -> Result<(), Field> {
        match self.fields().last() {
            Some(last) if *last.name >= *field.name => Err(field),
            _ => {
                let inner = self.inner_mut();
                inner.marks.insert(inner.fields.len(), &field.name);
                inner.fields.push(field);
                Ok(())
            }
        }
    }

    /// How many bytes of memory it takes, however many of its names are shared with others.
    pub fn size(&self) -> usize {
        let elsewhere = match self.0.fields.spilled() {
            true => self.0.fields.capacity() * size_of::<Field>(),
            false => 0,
        };
        let field = |field: &Field| {
            let index = field.index.as_ref().map_or(0, |entry| entry.len());
            field.name.len() + index + field.value().map_or(0, |bytes| bytes.len())
        };
        size_of::<Inner>() + elsewhere + self.fields().iter().map(field).sum::<usize>()
    }

    /// From now on no view shows what is stored, though no field has changed: the session is another's, or by another
    /// id.
    pub fn outdate_views(&mut self) {
        self.inner_mut();
    }

    /// The fields, to be changed: views that are out keep what they show, and know that it is of the past.
    fn inner_mut(&mut self) -> &mut Inner {
        if Arc::strong_count(&self.0) > 1 {
            self.0.outdated.store(true, Ordering::Release);
        }
        let inner = Arc::make_mut(&mut self.0);
        *inner.outdated.get_mut() = false;
        inner
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.0.outdated.store(true, Ordering::Release);
    }
}

impl Inner {
    fn get(&self, name: &str) -> Option<&Field> {
        self.find(name).map(|at| &self.fields[at])
    }

    /// Where a field is.
    #[inline]
    fn find(&self, name: &str) -> Option<usize> {
        let mark = Marks::mark(name);
        let is_it = |at: &usize| self.marks.0[*at] == mark && *self.fields[*at].name == *name;
        let marked = self.fields.len().min(Marks::MANY);
        (0..marked).find(is_it).or_else(|| {
            let rest = &self.fields[marked..];
            let at = rest.binary_search_by(|field| str::cmp(&field.name, name));
            at.ok().map(|at| marked + at)
        })
    }
}

impl Marks {
    const MANY: usize = 16;

    fn of(fields: &[Field]) -> Self {
        let mut marks = Self::default();
        for (mark, field) in marks.0.iter_mut().zip(fields) {
            *mark = Self::mark(&field.name);
        }
        marks
    }

    /// Makes room for a name.
    fn insert(&mut self, at: usize, name: &str) {
        if at < Self::MANY {
            self.0.copy_within(at..Self::MANY - 1, at + 1);
            self.0[at] = Self::mark(name);
        }
    }

    #[inline]
    fn mark(name: &str) -> u8 {
        let name = name.as_bytes();
        let first = name.first().copied().unwrap_or_default();
        let last = name.last().copied().unwrap_or_default();
        (name.len() as u8).rotate_left(4) ^ first.rotate_left(2) ^ last
    }
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self {
            fields: self.fields.clone(),
            marks: self.marks,
            outdated: AtomicBool::new(false),
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.fields()).finish()
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.fields() == other.fields()
    }
}
impl Eq for Table {}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = self.0.fields.iter();
        f.debug_map()
            .entries(fields.map(|field| (&field.name, field.value())))
            .finish()
    }
}

impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        self.0.fields == other.0.fields
    }
}
impl Eq for View {}

impl View {
    /// Whether it shows what is stored now: once it does not, it never will again.
    #[must_use]
    #[inline]
    pub fn is_current(&self) -> bool {
        !self.0.outdated.load(Ordering::Acquire)
    }

    /// What is stored under a field; `None` if that is not in memory and must be loaded.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<Option<Bytes>> {
        self.find(name).map(|(_, bytes)| bytes.cloned())
    }

    /// As [`get`](Self::get), with the field's place, or a place that no field has.
    #[inline]
    pub fn find(&self, name: &str) -> Option<(usize, Option<&Bytes>)> {
        match self.0.find(name) {
            None => Some((usize::MAX, None)),
            Some(at) => Some((at, Some(self.0.fields[at].value()?))),
        }
    }

    /// The names of all fields that are stored.
    pub fn names(&self) -> impl Iterator<Item = &FieldName> {
        self.0.fields.iter().map(|field| &field.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::from(text.as_bytes())
    }

    fn table(names: &[&'static str]) -> Table {
        let mut table = Table::default();
        for name in names {
            assert!(table.set(&FieldName::from_static(name), None, bytes(name)));
        }
        table
    }

    #[test]
    fn a_view_is_current_until_something_changes() {
        type Change = fn(&mut Table);
        let changes: [(&str, Change); 5] = [
            ("set", |table| {
                table.set(&"a".into(), None, bytes("x"));
            }),
            ("a new field", |table| {
                table.set(&"c".into(), None, bytes("x"));
            }),
            ("remove", |table| {
                table.remove("a");
            }),
            ("retain", |table| table.retain(|_| false)),
            ("another owner", Table::outdate_views),
        ];
        for (change, apply) in changes {
            let mut table = table(&["a", "b"]);
            let view = table.view();
            assert!(view.is_current());
            apply(&mut table);
            assert!(!view.is_current(), "{change}");
            assert_eq!(
                view.get("a"),
                Some(Some(bytes("a"))),
                "{change}: it shows what it did"
            );
            assert!(table.view().is_current(), "{change}");
        }
    }

    #[test]
    fn a_table_of_fields_in_any_order_is_by_name() {
        let names = ["c", "a", "d", "b"];
        let fields = names.map(|name| Field::new(name.into(), None, Some(bytes(name))));
        assert_eq!(Table::of(fields.into_iter()), table(&["a", "b", "c", "d"]));
    }

    #[test]
    fn a_view_of_a_session_that_is_dropped_is_outdated() {
        let table = table(&["a"]);
        let view = table.view();
        drop(table);
        assert!(!view.is_current());
        assert_eq!(view.get("a"), Some(Some(bytes("a"))));
    }

    #[test]
    fn a_change_without_views_copies_nothing() {
        let mut table = table(&["a", "b"]);
        drop(table.view());
        let before = Arc::as_ptr(&table.0);
        table.set(&"a".into(), None, bytes("x"));
        assert_eq!(before, Arc::as_ptr(&table.0));
    }

    /// More fields than there are marks, and names with the same mark, in any order.
    #[test]
    fn every_field_is_found_and_no_other() {
        let names: Vec<String> = (0..40).map(|n| format!("{}", n * 7 % 40)).collect();
        let alike = ["abc", "aXc", "aac"];
        assert_eq!(Marks::mark(alike[0]), Marks::mark(alike[1]));
        let names: Vec<&str> = names.iter().map(String::as_str).chain(alike).collect();
        let mut table = Table::default();
        for (n, name) in names.iter().enumerate() {
            assert!(table.set(&FieldName::from((*name).to_owned()), None, bytes(name)));
            for (m, other) in names.iter().enumerate() {
                let found = table.get(other).and_then(Field::value);
                assert_eq!(found.is_some(), m <= n, "{other} beside {} others", n + 1);
                assert!(found.is_none_or(|value| *value == bytes(other)));
            }
        }
        assert!(table.fields().is_sorted_by(|a, b| *a.name < *b.name));
        table.retain(|field| field.name.len() > 1);
        for (n, name) in names.iter().enumerate() {
            assert_eq!(table.get(name).is_some(), name.len() > 1, "{name}");
            assert_eq!(table.remove(name).is_some(), name.len() > 1, "{name}");
            for other in &names[n + 1..] {
                assert_eq!(table.get(other).is_some(), other.len() > 1, "{other}");
            }
        }
    }

    #[test]
    fn its_size_is_that_of_all_it_holds() {
        let mut table = Table::default();
        let empty = table.size();
        table.set(&"name".into(), Some(bytes("entry")), bytes("value"));
        assert_eq!(table.size(), empty + 4 + 5 + 5);
        for n in 10..30 {
            table.set(&FieldName::from(n.to_string()), None, bytes(""));
        }
        let spilled = table.size() - empty - 14 - 20 * 2;
        assert!(spilled >= 21 * size_of::<Field>(), "{spilled}");
    }

    #[test]
    fn what_is_not_in_memory_is_told_apart_from_what_is_not_there() {
        let mut table = table(&["b"]);
        let fields: SmallVec<_> = [Field::new("b".into(), None, None)].into_iter().collect();
        table.0 = Arc::new(Inner {
            marks: Marks::of(&fields),
            fields,
            outdated: AtomicBool::default(),
        });
        let view = table.view();
        assert_eq!(view.get("b"), None);
        assert_eq!(view.get("a"), Some(None));
        let read = table.fields()[0].value_or(|| Ok::<_, ()>(bytes("read")));
        assert_eq!(read, Ok(&bytes("read")));
        assert_eq!(
            view.get("b"),
            Some(Some(bytes("read"))),
            "and a view shows it"
        );
        assert!(view.is_current());
        assert_eq!(
            table.fields()[0].value_or(|| Err(())),
            Ok(&bytes("read")),
            "once"
        );
    }
}
