//! The fields of a session in the memory of a process, and views of them.
//!
//! A request that has read one field will often read more. A store that has all of them in memory returns a view of
//! them, at the cost of a reference count, and is not called again. A view knows whether it is current: if it is stale,
//! later reads go to the store as if there had been no view, so a field is always read as of the moment of the read.

use crate::{bytes::Bytes, name::FieldName};
use smallvec::SmallVec;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// The number of fields that most sessions have at most.
const FEW: usize = 8;
/// More fields than this are stored in chunks of up to this many.
const CHUNK: usize = 64;
/// A chunk with fewer fields is merged with the next one if both fit into one.
const SPARSE: usize = 16;

/// A field that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its key.
    pub name: FieldName,
    /// The index entry, if the field is indexed.
    pub index: Option<Bytes>,
    /// Its bytes, once they were read or written: a store need not keep them in memory.
    value: OnceLock<Bytes>,
}

/// The fields of one session, by name. It has one owner, which changes it under the session's lock. Every change makes
/// the views of it stale, and so does dropping it.
///
/// Finding a field is logarithmic in their number. A change while a view or a [draft](Self::draft) exists copies one chunk
/// of the fields and a pointer to each of the others.
#[derive(Default)]
pub struct Table {
    inner: Arc<Inner>,
    is_draft: bool,
}

#[derive(Default)]
struct Inner {
    /// Sorted by name, if there are no more than [`CHUNK`]. The fields of most sessions are stored inline: each
    /// separate allocation could be a cache miss for a request.
    few: SmallVec<[Field; FEW]>,
    /// Sorted by name, if there are more. No chunk is empty, and none is changed while a view shares it.
    many: Vec<Arc<Vec<Field>>>,
    marks: Marks,
    outdated: AtomicBool,
    len: usize,
    indexed: usize,
    /// The total size of all names, index entries and values that are in memory.
    bytes: AtomicUsize,
}

/// One byte of each of the first names: most mismatches are detected by it, without reading the name.
#[derive(Clone, Copy, Default)]
struct Marks([u8; Self::MANY]);

/// A session's fields as they are in the memory of the process, for use as [`Fields`](crate::Fields).
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

    fn size(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |entry| entry.len());
        self.name.len() + index + self.value().map_or(0, |bytes| bytes.len())
    }
}

impl Table {
    /// The table of a new session with these fields, in any order.
    pub fn of(fields: impl Iterator<Item = Field>) -> Self {
        let mut fields: SmallVec<[Field; FEW]> = fields.collect();
        fields.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Self {
            inner: Arc::new(Inner::of(fields)),
            is_draft: false,
        }
    }

    /// A copy for a change that may fail: this table and its views stay current until it [adopts](Self::adopt) the draft.
    #[must_use]
    pub fn draft(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            is_draft: true,
        }
    }

    /// Takes over the fields of a draft. If they have changed, existing views become stale.
    pub fn adopt(&mut self, draft: Self) {
        if !Arc::ptr_eq(&self.inner, &draft.inner) {
            *self = draft.settled();
        }
    }

    /// A draft becomes a table of its own: its original no longer exists.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.is_draft = false;
        if self.inner.outdated.load(Ordering::Acquire) {
            self.outdate_views();
        }
        self
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.len
    }

    /// Whether it has no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of indexed fields.
    #[must_use]
    pub fn indexed(&self) -> usize {
        self.inner.indexed
    }

    /// All fields, sorted by name.
    #[inline]
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.inner.iter()
    }

    /// The field with this name, if it is present.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.inner.get(name)
    }

    /// The bytes of a field of this table; `read` reads them if they are not in memory yet.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn value_or<'f, E>(
        &self,
        field: &'f Field,
        read: impl FnOnce() -> Result<Bytes, E>,
    ) -> Result<&'f Bytes, E> {
        if let Some(bytes) = field.value.get() {
            return Ok(bytes);
        }
        let bytes = read()?;
        self.inner.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(field.value.get_or_init(|| bytes))
    }

    /// A view of the current fields.
    #[inline]
    pub fn view(&self) -> View {
        View(Arc::clone(&self.inner))
    }

    /// Sets a field; returns whether it was absent before.
    pub fn set(&mut self, name: &FieldName, index: Option<Bytes>, value: Bytes) -> bool {
        let inner = self.inner_mut();
        let Some(at) = inner.find(name) else {
            inner.insert(Field::new(name.clone(), index, Some(value)));
            return true;
        };
        let field = inner.field_mut(at);
        let (before, was_indexed) = (field.size(), field.index.is_some());
        field.index = index;
        field.value = OnceLock::from(value);
        let (after, is_indexed) = (field.size(), field.index.is_some());
        inner.indexed = inner.indexed + usize::from(is_indexed) - usize::from(was_indexed);
        *inner.bytes.get_mut() = *inner.bytes.get_mut() + after - before;
        false
    }

    /// Removes a field.
    pub fn remove(&mut self, name: &str) -> Option<Field> {
        let at = self.inner.find(name)?;
        Some(self.inner_mut().remove(at))
    }

    /// Removes all fields for which `keep` returns `false`.
    pub fn retain(&mut self, keep: impl FnMut(&mut Field) -> bool) {
        let inner = self.inner_mut();
        let many = std::mem::take(&mut inner.many);
        let mut fields = std::mem::take(&mut inner.few);
        fields.extend(many.into_iter().flat_map(Arc::unwrap_or_clone));
        fields.retain_mut(keep);
        *inner = Inner::of(fields);
    }

    /// Appends a field.
    ///
    /// # Errors
    /// Returns the field if it does not sort after all others.
    pub fn push(&mut self, field: Field) -> Result<(), Field> {
        match self.inner.last() {
            Some(last) if *last.name >= *field.name => Err(field),
            _ => {
                self.inner_mut().insert(field);
                Ok(())
            }
        }
    }

    /// The memory it uses at most, in bytes, however many of its names are shared with other tables.
    #[must_use]
    pub fn size(&self) -> usize {
        let elsewhere = match self.inner.few.spilled() {
            true => self.inner.few.capacity() * size_of::<Field>(),
            false => 0,
        };
        let chunk = CHUNK * size_of::<Field>() + size_of::<Vec<Field>>() + 4 * size_of::<usize>();
        let elsewhere = elsewhere + self.inner.many.len() * chunk;
        size_of::<Inner>() + elsewhere + self.inner.bytes.load(Ordering::Relaxed)
    }

    /// Makes all views stale although no field has changed: the session has another owner, or another id.
    pub fn outdate_views(&mut self) {
        self.inner_mut();
    }

    /// The fields, for a change: existing views keep their content, and become stale unless they are of a draft's
    /// original.
    fn inner_mut(&mut self) -> &mut Inner {
        if !self.is_draft && Arc::strong_count(&self.inner) > 1 {
            self.inner.outdated.store(true, Ordering::Release);
        }
        let inner = Arc::make_mut(&mut self.inner);
        *inner.outdated.get_mut() = false;
        inner
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if !self.is_draft {
            self.inner.outdated.store(true, Ordering::Release);
        }
    }
}

impl Inner {
    /// Fields that are sorted.
    fn of(fields: SmallVec<[Field; FEW]>) -> Self {
        let mut inner = Self {
            len: fields.len(),
            indexed: fields.iter().filter(|field| field.index.is_some()).count(),
            bytes: AtomicUsize::new(fields.iter().map(Field::size).sum()),
            ..Self::default()
        };
        if fields.len() <= CHUNK {
            inner.marks = Marks::of(&fields);
            inner.few = fields;
        } else {
            inner.spread(fields);
        }
        inner
    }

    /// Distributes into chunks fields that are too many to be stored inline.
    fn spread(&mut self, fields: SmallVec<[Field; FEW]>) {
        let mut fields = fields.into_iter().peekable();
        while fields.peek().is_some() {
            self.many
                .push(Arc::new(fields.by_ref().take(CHUNK).collect()));
        }
        self.marks = Marks::default();
    }

    fn is_like(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }

    fn iter(&self) -> impl Iterator<Item = &Field> {
        let many = self.many.iter().flat_map(|chunk| chunk.iter());
        self.few.iter().chain(many)
    }

    fn last(&self) -> Option<&Field> {
        self.many
            .last()
            .map_or(self.few.last(), |chunk| chunk.last())
    }

    fn get(&self, name: &str) -> Option<&Field> {
        self.find(name).map(|at| self.field(at))
    }

    /// The position of a field. Positions are in the order of the fields, with gaps once there is more than one chunk.
    fn find(&self, name: &str) -> Option<usize> {
        if !self.many.is_empty() {
            let chunk = self.chunk_of(name);
            let at = self.many[chunk].binary_search_by(|field| str::cmp(&field.name, name));
            return at.ok().map(|at| chunk * CHUNK + at);
        }
        let mark = Marks::mark(name);
        let is_it = |at: &usize| self.marks.0[*at] == mark && *self.few[*at].name == *name;
        let marked = self.few.len().min(Marks::MANY);
        (0..marked).find(is_it).or_else(|| {
            let rest = &self.few[marked..];
            let at = rest.binary_search_by(|field| str::cmp(&field.name, name));
            at.ok().map(|at| marked + at)
        })
    }

    /// The chunk that contains a field, or would contain it.
    fn chunk_of(&self, name: &str) -> usize {
        let begins_before = |chunk: &Arc<Vec<Field>>| *chunk[0].name <= *name;
        self.many.partition_point(begins_before).saturating_sub(1)
    }

    fn field(&self, at: usize) -> &Field {
        match self.many.get(at / CHUNK) {
            Some(chunk) => &chunk[at % CHUNK],
            None => &self.few[at],
        }
    }

    fn field_mut(&mut self, at: usize) -> &mut Field {
        match self.many.get_mut(at / CHUNK) {
            Some(chunk) => &mut Arc::make_mut(chunk)[at % CHUNK],
            None => &mut self.few[at],
        }
    }

    /// Inserts a field that is absent.
    fn insert(&mut self, field: Field) {
        self.len += 1;
        self.indexed += usize::from(field.index.is_some());
        *self.bytes.get_mut() += field.size();
        if self.many.is_empty() {
            let at = self.few.partition_point(|other| *other.name < *field.name);
            self.marks.insert(at, &field.name);
            self.few.insert(at, field);
            if self.few.len() > CHUNK {
                let fields = std::mem::take(&mut self.few);
                self.spread(fields);
            }
            return;
        }
        let mut place = self.chunk_of(&field.name);
        let chunk = &self.many[place];
        let mut at = chunk.partition_point(|other| *other.name < *field.name);
        if chunk.len() == CHUNK {
            // Fields that are inserted in order fill their chunks.
            let is_last = at == CHUNK && place + 1 == self.many.len();
            let from = if is_last { CHUNK } else { CHUNK / 2 };
            let rest = Arc::make_mut(&mut self.many[place]).split_off(from);
            if is_last {
                self.many.push(Arc::new(vec![field]));
                return;
            }
            self.many.insert(place + 1, Arc::new(rest));
            if at > from {
                (place, at) = (place + 1, at - from);
            }
        }
        Arc::make_mut(&mut self.many[place]).insert(at, field);
    }

    fn remove(&mut self, at: usize) -> Field {
        let place = at / CHUNK;
        let removed = match self.many.get_mut(place) {
            None => {
                let removed = self.few.remove(at);
                self.marks = Marks::of(&self.few);
                removed
            }
            Some(chunk) => Arc::make_mut(chunk).remove(at % CHUNK),
        };
        self.len -= 1;
        self.indexed -= usize::from(removed.index.is_some());
        *self.bytes.get_mut() -= removed.size();
        let left = self.many.get(place).map(|chunk| chunk.len());
        let next = self.many.get(place + 1).map_or(CHUNK, |next| next.len());
        match left {
            Some(0) => drop(self.many.remove(place)),
            Some(left) if left < SPARSE && left + next <= CHUNK => {
                let next = Arc::unwrap_or_clone(self.many.remove(place + 1));
                Arc::make_mut(&mut self.many[place]).extend(next);
            }
            _ => {}
        }
        removed
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
            few: self.few.clone(),
            many: self.many.clone(),
            marks: self.marks,
            outdated: AtomicBool::new(false),
            len: self.len,
            indexed: self.indexed,
            bytes: AtomicUsize::new(self.bytes.load(Ordering::Relaxed)),
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
        self.inner.is_like(&other.inner)
    }
}
impl Eq for Table {}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = self.0.iter();
        f.debug_map()
            .entries(fields.map(|field| (&field.name, field.value())))
            .finish()
    }
}

impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_like(&other.0)
    }
}
impl Eq for View {}

impl View {
    /// Whether it is current: once it is stale, it stays stale.
    #[must_use]
    #[inline]
    pub fn is_current(&self) -> bool {
        !self.0.outdated.load(Ordering::Acquire)
    }

    /// The stored value of a field; `None` if the value is not in memory and must be loaded.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<Option<Bytes>> {
        self.find(name).map(|(_, bytes)| bytes.cloned())
    }

    /// Like [`get`](Self::get), with the field's position, or an unused position if the field is absent. The first 64
    /// positions are those of the first [`names`](Self::names); no other field has one of them.
    #[inline]
    pub fn find(&self, name: &str) -> Option<(usize, Option<&Bytes>)> {
        match self.0.find(name) {
            None => Some((usize::MAX, None)),
            Some(at) => Some((at, Some(self.0.field(at).value()?))),
        }
    }

    /// The names of all stored fields.
    pub fn names(&self) -> impl Iterator<Item = &FieldName> {
        self.0.iter().map(|field| &field.name)
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
                "{change}: the view keeps its content"
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

    /// Requests read a session while its change is being written.
    #[test]
    fn a_draft_changes_nothing_until_it_is_adopted() {
        let mut original = table(&["a", "b"]);
        let view = original.view();
        let mut draft = original.draft();
        draft.set(&"a".into(), None, bytes("x"));
        draft.set(&"c".into(), None, bytes("y"));
        assert!(view.is_current() && original.view().is_current());
        assert_eq!(original, table(&["a", "b"]));
        original.adopt(draft);
        assert!(!view.is_current());
        assert_eq!(view.get("a"), Some(Some(bytes("a"))));
        let now = original.view();
        assert!(now.is_current());
        assert_eq!(now.get("a"), Some(Some(bytes("x"))));
        original.set(&"a".into(), None, bytes("z"));
        assert!(!now.is_current(), "it is no draft any more");
    }

    #[test]
    fn a_draft_that_is_dropped_or_unchanged_leaves_views_current() {
        let mut original = table(&["a", "b"]);
        let view = original.view();
        let mut draft = original.draft();
        draft.remove("a");
        drop(draft);
        drop(original.draft());
        let unchanged = original.draft();
        original.adopt(unchanged);
        assert!(view.is_current());
        assert_eq!(original, table(&["a", "b"]));
        original.remove("a");
        assert!(!view.is_current());
    }

    /// A cache may evict a session while its change is being written.
    #[test]
    fn a_draft_outlives_its_original() {
        for changes in [false, true] {
            let original = table(&["a"]);
            let view = original.view();
            let mut draft = original.draft();
            drop(original);
            assert!(!view.is_current());
            if changes {
                draft.set(&"b".into(), None, bytes("b"));
            }
            let mut settled = draft.settled();
            let view = settled.view();
            assert!(view.is_current());
            settled.set(&"a".into(), None, bytes("x"));
            assert!(!view.is_current());
        }
    }

    #[test]
    fn a_change_without_views_copies_nothing() {
        let mut table = table(&["a", "b"]);
        drop(table.view());
        let before = Arc::as_ptr(&table.inner);
        table.set(&"a".into(), None, bytes("x"));
        assert_eq!(before, Arc::as_ptr(&table.inner));
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
        table.inner = Arc::new(Inner::of(fields));
        let view = table.view();
        assert_eq!(view.get("b"), None);
        assert_eq!(view.get("a"), Some(None));
        let field = table.get("b").unwrap();
        let read = table.value_or(field, || Ok::<_, ()>(bytes("read")));
        assert_eq!(read, Ok(&bytes("read")));
        assert_eq!(table.size(), Table::default().size() + 1 + 4);
        assert_eq!(
            view.get("b"),
            Some(Some(bytes("read"))),
            "and a view shows it"
        );
        assert!(view.is_current());
        assert_eq!(
            table.value_or(field, || Err(())),
            Ok(&bytes("read")),
            "once"
        );
    }

    /// A position, a count or a byte lost when a chunk is split, merged or copied would be a field that is not found,
    /// or a cache that grows beyond its budget.
    #[test]
    fn fields_by_the_hundred_are_those_of_a_map() {
        let mut table = Table::default();
        let mut map = std::collections::BTreeMap::new();
        let mut views = Vec::new();
        let mut state = 1_u64;
        for step in 0..6_000 {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let name = format!("{:03}", (state >> 33) % 900);
            // It grows for a while, and shrinks for a while.
            if (state >> 20) % 10 < if step % 3_000 < 1_500 { 8 } else { 2 } {
                let value = bytes(&"v".repeat(step % 7));
                let index = (step % 5 == 0).then(|| bytes("entry"));
                let is_new = table.set(&name.clone().into(), index.clone(), value.clone());
                assert_eq!(is_new, map.insert(name, (index, value)).is_none());
            } else {
                let removed = table.remove(&name).map(|field| field.name.to_string());
                assert_eq!(removed.is_some(), map.remove(&name).is_some());
            }
            if step % 100 == 0 {
                let shown: Vec<_> = map
                    .keys()
                    .map(|name| FieldName::from(name.clone()))
                    .collect();
                views.push((table.view(), shown));
            }
            let sparse = |chunks: &[Arc<Vec<Field>>]| chunks.iter().any(|chunk| chunk.is_empty());
            assert!(
                !sparse(&table.inner.many)
                    && (table.inner.few.is_empty() || table.inner.many.is_empty())
            );
        }
        assert!(table.len() > 64 && map.len() == table.len());
        for (field, (name, (index, value))) in table.fields().zip(&map) {
            assert_eq!((&*field.name, &field.index), (&**name, index));
            assert_eq!(field.value(), Some(value));
            assert_eq!(table.get(name), Some(field));
        }
        for (view, shown) in views {
            assert!(view.names().eq(&shown));
            for (at, name) in shown.iter().enumerate() {
                let (place, value) = view.find(name).unwrap();
                assert!(
                    value.is_some()
                        && if at < 64 {
                            place == at || place >= 64
                        } else {
                            place >= 64
                        }
                );
            }
        }
        assert_eq!(
            table.inner.bytes.load(Ordering::Relaxed),
            table.fields().map(Field::size).sum::<usize>()
        );
        assert_eq!(
            table.indexed(),
            map.values().filter(|(index, _)| index.is_some()).count()
        );
        table.retain(|field| field.index.is_some());
        map.retain(|_, (index, _)| index.is_some());
        assert!(
            table
                .fields()
                .map(|field| &*field.name)
                .eq(map.keys().map(|name| &**name))
        );
        assert_eq!((table.len(), table.indexed()), (map.len(), map.len()));
    }

    /// A write while another request holds a view used to copy every field of the session.
    #[test]
    fn a_change_under_a_view_copies_one_chunk() {
        let fields =
            (0..5_000).map(|n| Field::new(format!("{n:04}").into(), None, Some(bytes("v"))));
        let mut table = Table::of(fields);
        let view = table.view();
        table.set(&"2500".into(), None, bytes("x"));
        table.set(&"2500x".into(), None, bytes("x"));
        let theirs: Vec<_> = view.0.many.iter().map(Arc::as_ptr).collect();
        let ours = table.inner.many.iter().map(Arc::as_ptr);
        assert!(ours.filter(|chunk| !theirs.contains(chunk)).count() <= 2);
        assert_eq!(view.get("2500"), Some(Some(bytes("v"))));
    }

    /// A session with few fields uses the same memory as before chunks existed, except for their pointer and counts.
    #[test]
    fn few_fields_lie_in_one_piece() {
        let mut table = Table::default();
        for n in 0..FEW {
            table.set(&FieldName::from(n.to_string()), None, bytes(""));
        }
        assert!(!table.inner.few.spilled() && table.inner.many.capacity() == 0);
        assert!(size_of::<Inner>() <= FEW * size_of::<Field>() + 128);
    }
}
