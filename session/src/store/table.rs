//! The fields of a session that a store of this process has in memory, and the views of them that it hands out.
//!
//! A request that has read one field will often read more. A store that has them all at hand gives it a view of them,
//! which costs a reference count, and is not asked again. The view knows whether it still shows what is stored: what
//! is asked for later is then read from the store as if there had been no view, so a field is always read as of the
//! moment when it is asked for.

use super::{Bytes, FieldName};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// A field that is present.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) struct Field {
    pub(super) name: FieldName,
    pub(super) index: Option<Bytes>,
    /// Its bytes, once they were read or written: a store need not have them in memory.
    value: OnceLock<Bytes>,
}

/// The fields of one session, by name. There is one owner, who changes it under the session's lock. Every change
/// outdates the views of it, and so does dropping it.
#[derive(Default)]
pub(super) struct Table(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// By name.
    fields: Vec<Field>,
    outdated: AtomicBool,
}

/// The fields of a session as they are in the memory of a store of this process: see [`Fields::View`](super::Fields::View).
#[derive(Clone)]
pub struct TableView(Arc<Inner>);

impl Field {
    pub(super) fn new(name: FieldName, index: Option<Bytes>, value: Option<Bytes>) -> Self {
        Self {
            name,
            index,
            value: value.map_or_else(OnceLock::new, OnceLock::from),
        }
    }

    pub(super) fn value(&self) -> Option<&Bytes> {
        self.value.get()
    }

    /// The field's bytes; `read` reads them if they are not in memory yet.
    #[cfg(any(test, feature = "fjall"))]
    pub(super) fn value_or<E>(&self, read: impl FnOnce() -> Result<Bytes, E>) -> Result<&Bytes, E> {
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
    pub(super) fn of(iter: impl Iterator<Item = Field>) -> Self {
        let mut fields = Vec::with_capacity(iter.size_hint().1.unwrap_or_default());
        iter.for_each(|field| fields.push(field));
        fields.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Self(Arc::new(Inner {
            fields,
            outdated: AtomicBool::new(false),
        }))
    }

    pub(super) fn fields(&self) -> &[Field] {
        &self.0.fields
    }

    pub(super) fn get(&self, name: &str) -> Option<&Field> {
        self.0.get(name)
    }

    pub(super) fn view(&self) -> TableView {
        TableView(Arc::clone(&self.0))
    }

    /// Puts a value into a field; whether the field was not there before.
    pub(super) fn set(&mut self, name: &FieldName, index: Option<Bytes>, value: Bytes) -> bool {
        let fields = self.fields_mut();
        match place(fields, name) {
            Ok(at) => {
                fields[at].index = index;
                fields[at].value = OnceLock::from(value);
                false
            }
            Err(at) => {
                fields.insert(at, Field::new(name.clone(), index, Some(value)));
                true
            }
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Field> {
        let at = place(self.fields(), name).ok()?;
        Some(self.fields_mut().remove(at))
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&mut Field) -> bool) {
        self.fields_mut().retain_mut(keep);
    }

    /// Puts a field behind all others; gives it back if that is not its place.
    #[cfg(feature = "fjall")]
    pub(super) fn push(&mut self, field: Field) -> Result<(), Field> {
        match self.fields().last() {
            Some(last) if *last.name >= *field.name => Err(field),
            _ => {
                self.fields_mut().push(field);
                Ok(())
            }
        }
    }

    /// From now on no view shows what is stored, though no field has changed: the session is another's, or by another
    /// id.
    pub(super) fn outdate_views(&mut self) {
        self.fields_mut();
    }

    /// The fields, to be changed: views that are out keep what they show, and know that it is of the past.
    fn fields_mut(&mut self) -> &mut Vec<Field> {
        if Arc::strong_count(&self.0) > 1 {
            self.0.outdated.store(true, Ordering::Release);
        }
        let inner = Arc::make_mut(&mut self.0);
        *inner.outdated.get_mut() = false;
        &mut inner.fields
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.0.outdated.store(true, Ordering::Release);
    }
}

impl Inner {
    fn get(&self, name: &str) -> Option<&Field> {
        self.place(name).ok().map(|at| &self.fields[at])
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        place(&self.fields, name)
    }
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self {
            fields: self.fields.clone(),
            outdated: AtomicBool::new(false),
        }
    }
}

#[cfg(test)]
impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.fields()).finish()
    }
}

#[cfg(test)]
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.fields() == other.fields()
    }
}

impl TableView {
    /// Whether it shows what is stored now: once it does not, it never will again.
    #[must_use]
    pub fn is_current(&self) -> bool {
        !self.0.outdated.load(Ordering::Acquire)
    }

    /// What is stored under a field; `None` if that is not in memory and must be loaded.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Option<Bytes>> {
        self.find(name).map(|(_, bytes)| bytes.cloned())
    }

    /// As [`get`](Self::get), with the field's place, or a place that no field has.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, Option<&Bytes>)> {
        match self.0.place(name) {
            Err(_) => Some((usize::MAX, None)),
            Ok(at) => Some((at, Some(self.0.fields[at].value()?))),
        }
    }

    /// The names of all fields that are stored.
    pub fn names(&self) -> impl Iterator<Item = &FieldName> {
        self.0.fields.iter().map(|field| &field.name)
    }
}

/// Where a field is, or would be. Names differ in their length or their last byte more often than not, so of a few
/// fields the one is found by looking at all of them.
fn place(fields: &[Field], name: &str) -> Result<usize, usize> {
    const FEW: usize = 16;
    let is_it = |field: &Field| {
        let (one, other) = (field.name.as_bytes(), name.as_bytes());
        one.len() == other.len() && one.last() == other.last() && one == other
    };
    if fields.len() <= FEW
        && let Some(at) = fields.iter().position(is_it)
    {
        return Ok(at);
    }
    fields.binary_search_by(|field| str::cmp(&field.name, name))
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
            assert!(table.set(&FieldName::Static(name), None, bytes(name)));
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

    #[test]
    fn what_is_not_in_memory_is_told_apart_from_what_is_not_there() {
        let mut table = table(&["b"]);
        table.0 = Arc::new(Inner {
            fields: vec![Field::new("b".into(), None, None)],
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
