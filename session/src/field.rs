//! The vocabulary of fields: names, typed keys, and what a struct declares.

use crate::value::{self, Body, ValueError};
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc, time::Duration};

/// The key of a field: static where it was declared, shared where it was not. Cloning is cheap.
#[derive(Clone)]
pub enum FieldName {
    /// A key known at compile time.
    Static(&'static str),
    /// A key that came at run time.
    Shared(Arc<str>),
}

impl Deref for FieldName {
    type Target = str;
    fn deref(&self) -> &str {
        match self {
            Self::Static(name) => name,
            Self::Shared(name) => name,
        }
    }
}

impl From<&'static str> for FieldName {
    fn from(name: &'static str) -> Self {
        Self::Static(name)
    }
}

impl From<Arc<str>> for FieldName {
    fn from(name: Arc<str>) -> Self {
        Self::Shared(name)
    }
}

impl Borrow<str> for FieldName {
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq for FieldName {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
impl Eq for FieldName {}
impl PartialOrd for FieldName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for FieldName {
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

/// What a struct declares of one field, without its type.
#[derive(Clone, Copy)]
pub struct FieldDef {
    pub(crate) key: &'static str,
    pub(crate) type_name: &'static str,
    pub(crate) ttl: Option<Duration>,
    pub(crate) flash: bool,
    pub(crate) index: bool,
    pub(crate) counter: Option<Range>,
    pub(crate) check: fn(&Body<'_>) -> Result<(), ValueError>,
}

impl FieldDef {
    /// The key that the field is stored under, its struct's namespace included.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        self.key
    }
    /// The field's type, as it was written.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        self.type_name
    }
    /// How long a value of the field lives after it was set, if not as long as the session.
    #[must_use]
    pub const fn ttl(&self) -> Option<Duration> {
        self.ttl
    }
    /// Whether reading the field takes it.
    #[must_use]
    pub const fn is_flash(&self) -> bool {
        self.flash
    }
    /// Whether sessions can be found by the field's value.
    #[must_use]
    pub const fn is_index(&self) -> bool {
        self.index
    }
    /// Whether changes of the field add up.
    #[must_use]
    pub const fn is_counter(&self) -> bool {
        self.counter.is_some()
    }
}

impl fmt::Debug for FieldDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldDef")
            .field("key", &self.key)
            .field("type_name", &self.type_name)
            .field("ttl", &self.ttl)
            .field("flash", &self.flash)
            .field("index", &self.index)
            .field("counter", &self.counter.is_some())
            .finish()
    }
}

/// The values that a counter's type can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The smallest.
    pub min: i128,
    /// The largest.
    pub max: i128,
}

/// What a struct declares: its own fields, and the structs it nests.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    pub(crate) type_name: &'static str,
    pub(crate) fields: &'static [FieldDef],
    pub(crate) nested: &'static [&'static Schema],
}

/// The schema of a struct; refuses at compile time what [`Schema::checked`] refuses.
#[doc(hidden)]
#[must_use]
pub const fn schema(
    type_name: &'static str,
    fields: &'static [FieldDef],
    nested: &'static [&'static Schema],
) -> Schema {
    Schema {
        type_name,
        fields,
        nested,
    }
    .checked()
}

impl Schema {
    /// The name of the struct.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        self.type_name
    }
    /// The struct's own fields.
    #[must_use]
    pub const fn fields(&self) -> &'static [FieldDef] {
        self.fields
    }
    /// The structs it nests.
    #[must_use]
    pub const fn nested(&self) -> &'static [&'static Schema] {
        self.nested
    }

    /// The definition of a key, here or in a nested struct.
    pub(crate) fn find(&self, key: &str) -> Option<&'static FieldDef> {
        let own = self.fields.iter().find(|field| field.key == key);
        own.or_else(|| self.nested.iter().find_map(|nested| nested.find(key)))
    }

    /// The struct that declares a key, here or nested, and what it declares.
    pub(crate) fn owner_of(&self, key: &str) -> Option<(&'static str, &'static FieldDef)> {
        let own = self
            .fields
            .iter()
            .find(|field| field.key == key)
            .map(|field| (self.type_name, field));
        own.or_else(|| self.nested.iter().find_map(|nested| nested.owner_of(key)))
    }

    /// Every field, the nested structs' included, with the struct it belongs to.
    pub(crate) fn for_each(&self, f: &mut dyn FnMut(&'static str, &'static FieldDef)) {
        for field in self.fields {
            f(self.type_name, field);
        }
        for nested in self.nested {
            nested.for_each(f);
        }
    }

    /// Refuses, at compile time, a struct in which two fields claim one key, nested structs included.
    ///
    /// That a struct's own fields have keys of their own is the derive's to see, and a nested struct was checked where
    /// it was declared: what is compared here is each with the others, and nothing where nothing is nested. The
    /// compiler's evaluation is slow, and all comparisons of 200 fields would cost more than the rest of the derive.
    #[doc(hidden)]
    #[must_use]
    pub const fn checked(self) -> Self {
        let mut i = 0;
        while i < self.nested.len() {
            let nested = self.nested[i];
            let mut clash = nested.claims_any_of(self.fields);
            let mut j = i + 1;
            while j < self.nested.len() {
                clash |= nested.clashes_with(self.nested[j]);
                j += 1;
            }
            if clash {
                CLASH.expect(
                    "two fields of this session struct, or of the structs it nests, are stored under one key: \
                     give one of them `#[session(rename = \"..\")]`, or its struct `#[session(namespace = \"..\")]`",
                );
            }
            i += 1;
        }
        self
    }

    /// Whether a key of `other`, or of what that nests, is one of this.
    const fn clashes_with(&self, other: &Self) -> bool {
        let mut clash = self.claims_any_of(other.fields);
        let mut i = 0;
        while i < other.nested.len() {
            clash |= self.clashes_with(other.nested[i]);
            i += 1;
        }
        clash
    }

    /// Whether one of these fields has a key of this, or of what this nests.
    const fn claims_any_of(&self, fields: &[FieldDef]) -> bool {
        let mut i = 0;
        while i < fields.len() {
            if self.claims(fields[i].key) {
                return true;
            }
            i += 1;
        }
        false
    }

    const fn claims(&self, key: &str) -> bool {
        let mut i = 0;
        while i < self.fields.len() {
            if same(self.fields[i].key, key) {
                return true;
            }
            i += 1;
        }
        let mut i = 0;
        while i < self.nested.len() {
            if self.nested[i].claims(key) {
                return true;
            }
            i += 1;
        }
        false
    }
}

/// Not a `panic!`: what the compiler shows of the place would be the inside of that macro, which it has on some machines
/// and not on others.
const CLASH: Option<()> = None;

/// From the end, since keys of one namespace begin alike.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = a.len();
    while i > 0 {
        i -= 1;
        if a[i] != b[i] {
            return false;
        }
    }
    true
}

/// What a struct declares of one field, with its type. Made by the derive; the one place that asks anything of `T`.
#[doc(hidden)]
pub struct Def<T> {
    pub(crate) erased: FieldDef,
    pub(crate) default: Option<fn() -> T>,
    pub(crate) encode: fn(&T, &mut Vec<u8>) -> Result<(), ValueError>,
    pub(crate) decode: fn(&Body<'_>) -> Result<T, ValueError>,
}

impl<T> Def<T> {
    /// A field without any attribute. The bound is the method's, not the block's: so it is the bound that is reported.
    #[must_use]
    pub const fn new(key: &'static str, type_name: &'static str) -> Self
    where
        T: Storable,
    {
        Self {
            erased: FieldDef {
                key,
                type_name,
                ttl: None,
                flash: false,
                index: false,
                counter: None,
                check: |body| body.decode::<T>().map(drop),
            },
            default: None,
            encode: |value, out| value::encode(value, out),
            decode: |body| body.decode(),
        }
    }
}

impl<T> Def<T> {
    /// `#[session(default)]`.
    #[must_use]
    pub const fn with_default(mut self, default: fn() -> T) -> Self {
        self.default = Some(default);
        self
    }
    /// `#[session(ttl = "..")]`, in milliseconds.
    #[must_use]
    pub const fn with_ttl(mut self, millis: u64) -> Self {
        self.erased.ttl = Some(Duration::from_millis(millis));
        self
    }
    /// `#[session(flash)]`.
    #[must_use]
    pub const fn flash(mut self) -> Self {
        self.erased.flash = true;
        self
    }
    /// `#[session(index)]`.
    #[must_use]
    pub const fn index(mut self) -> Self {
        self.erased.index = true;
        self
    }
}

impl<T> Def<T> {
    /// `#[session(counter)]`; 0 by default, if there is no default yet.
    #[must_use]
    pub const fn counter(mut self) -> Self
    where
        T: CounterValue,
    {
        self.erased.counter = Some(T::RANGE);
        if self.default.is_none() {
            self.default = Some(|| T::ZERO);
        }
        self
    }
}

/// What can be kept in a session. It exists for the sake of its message: one error for a type, instead of one for each
/// trait that the type lacks.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a session",
    label = "not `Serialize + DeserializeOwned + Send + Sync + 'static`",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on the type",
    note = "what stays on its thread, as an `Rc` or a `Cell`, cannot be in a session, which does not",
    note = "leave the field out of the session with `#[session(skip)]`"
)]
pub trait Storable: Serialize + DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Storable for T {}

impl<T> fmt::Debug for Def<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.erased.fmt(f)
    }
}

/// The integer types that a `#[session(counter)]` can have: `i8` to `i64`, `u8` to `u64`, `isize`, `usize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a session counter",
    label = "not an integer of at most 64 bits",
    note = "a counter is an `i8` to `i64`, `u8` to `u64`, `isize` or `usize`: changes of it are added up"
)]
pub trait CounterValue: Copy + private::Sealed {
    #[doc(hidden)]
    const RANGE: Range;
    #[doc(hidden)]
    const ZERO: Self;
    #[doc(hidden)]
    fn widen(self) -> i128;
    #[doc(hidden)]
    fn narrow(wide: i128) -> Option<Self>;
}

mod private {
    #[expect(unnameable_types, reason = "seals the trait")]
    pub trait Sealed {}
}

macro_rules! counters {
    ($($t:ty)*) => {$(
        impl private::Sealed for $t {}
        impl CounterValue for $t {
            const RANGE: Range = Range { min: <$t>::MIN as i128, max: <$t>::MAX as i128 };
            const ZERO: Self = 0;
            fn widen(self) -> i128 { self as i128 }
            fn narrow(wide: i128) -> Option<Self> { Self::try_from(wide).ok() }
        }
    )*};
}
counters!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

/// A typed key: a field's name and type as a constant, `Shop::USER_ID`, for everything without an accessor at hand.
///
/// The derive makes one for each field; it has the name of the field in capitals and the field's visibility.
pub struct Key<T: 'static> {
    pub(crate) def: &'static Def<T>,
}

impl<T> Key<T> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(def: &'static Def<T>) -> Self {
        Self { def }
    }

    /// The key that the field is stored under, its struct's namespace included.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.def.erased.key
    }

    /// The key as a slice of one, as a store is asked.
    pub(crate) fn name_slice(self) -> &'static [&'static str; 1] {
        std::array::from_ref(&self.def.erased.key)
    }

    /// What is declared of the field.
    #[must_use]
    pub const fn def(self) -> FieldDef {
        self.def.erased
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Key<T> {}
impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Key({:?}: {})",
            self.def.erased.key, self.def.erased.type_name
        )
    }
}

/// What can name a field in the untyped API: a string, or a typed key.
pub trait FieldKey {
    /// The key.
    fn name(&self) -> FieldName;
}

/// A [`FieldKey`] of a field that holds a `T`: a string names a field of any type, a typed key brings the type along.
///
/// ```
/// # use level_session::{Result, Session, SessionData};
/// #[derive(SessionData)]
/// struct Shop {
///     user_id: Option<u64>,
/// }
///
/// # async fn handler(session: Session) -> Result<()> {
/// let id = session.get::<u64>("user_id").await?;
/// let id = session.get(Shop::USER_ID).await?; // the same, and the type is known
/// # Ok(()) }
/// ```
pub trait AsKey<T>: FieldKey {}

impl<T> FieldKey for Key<T> {
    fn name(&self) -> FieldName {
        FieldName::Static(self.def.erased.key)
    }
}
impl<T> AsKey<T> for Key<T> {}

macro_rules! string_keys {
    ($($string:ty)*) => {$(
        impl FieldKey for $string {
            fn name(&self) -> FieldName {
                FieldName::Shared(Arc::from(&self[..]))
            }
        }
        impl<T> AsKey<T> for $string {}
    )*};
}
string_keys!(&str String &String std::borrow::Cow<'_, str>);

impl FieldKey for FieldName {
    fn name(&self) -> FieldName {
        self.clone()
    }
}
impl<T> AsKey<T> for FieldName {}
