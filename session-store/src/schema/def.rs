//! The declaration of one field.

use super::{CounterValue, Key};
use crate::value::{self, Body, Buffer, CounterRange, ValueError};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, time::Duration};

/// The effect of a sign-in when the [limit](FieldDef::limit) of sessions is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// Fails, and stores nothing.
    Refuse,
    /// Ends the sessions that signed in first, in the same atomic step.
    EndOldest,
}

/// The declaration of one field, without its type.
///
/// ```
/// # use level_session_store::schema::{Def, FieldDef, Key};
/// # struct Shop;
/// # static DEF: Def<u64> = Def::new("user_id", "u64").index();
/// # impl Shop { const USER_ID: Key<u64> = Key::new(&DEF); }
/// let def: FieldDef = Shop::USER_ID.def(); // of the field `#[session(index)] user_id: u64`
/// assert_eq!((def.key(), def.type_name()), ("user_id", "u64"));
/// assert!(def.is_index() && !def.is_flash() && !def.is_counter());
/// assert_eq!(def.ttl(), None); // a value lives as long as its session
/// ```
#[derive(Clone, Copy)]
pub struct FieldDef {
    pub(crate) key: &'static str,
    pub(crate) type_name: &'static str,
    pub(crate) ttl: Option<Duration>,
    pub(crate) flash: bool,
    pub(crate) index: bool,
    pub(crate) limit: Option<(usize, WhenFull)>,
    pub(crate) counter: Option<CounterRange>,
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
    /// How many sessions may have one value of the field, and the effect of a sign-in beyond that; `None` for any
    /// number.
    #[must_use]
    pub const fn limit(&self) -> Option<(usize, WhenFull)> {
        self.limit
    }
    /// The range of the field's type, if it is a counter.
    #[must_use]
    pub const fn range(&self) -> Option<CounterRange> {
        self.counter
    }
    /// Returns an error for a body that cannot be read as the field's type.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode).
    pub fn check(&self, body: &Body<'_>) -> Result<(), ValueError> {
        (self.check)(body)
    }
    /// Whether the field is a counter, so that concurrent additions are all counted.
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
            .field("limit", &self.limit)
            .field("counter", &self.counter.is_some())
            .finish()
    }
}

/// The declaration of one field with its type. The derive creates it; only here are there bounds on `T`.
#[doc(hidden)]
pub struct Def<T> {
    pub erased: FieldDef,
    pub default: Option<fn() -> T>,
    pub encode: fn(&T, &mut Buffer) -> Result<(), ValueError>,
    pub decode: fn(&Body<'_>) -> Result<T, ValueError>,
}

impl<T> Def<T> {
    /// A field without any attribute. The bound belongs to the method, not to the block, so that the compiler reports
    /// it.
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
                limit: None,
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
    /// A field without any attribute, with the same type as another field. The bounds were checked there, so that a
    /// type that cannot be stored gives one error, even if many fields have it.
    #[must_use]
    pub const fn like(other: Key<T>, key: &'static str, type_name: &'static str) -> Self {
        let other = other.typed_def();
        Self {
            erased: FieldDef {
                key,
                type_name,
                ttl: None,
                flash: false,
                index: false,
                limit: None,
                counter: None,
                check: other.erased.check,
            },
            default: None,
            encode: other.encode,
            decode: other.decode,
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
    /// `#[session(limit = ..)]`, with `when_full`.
    #[must_use]
    pub const fn limit(mut self, most: usize, when_full: WhenFull) -> Self {
        self.erased.limit = Some((most, when_full));
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

/// The types that a session can store. The trait exists for its compiler message: one error for a type, instead of one
/// for each trait that the type lacks.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a session",
    label = "not `Serialize + DeserializeOwned + Send + Sync + 'static`",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on the type",
    note = "session values must be `Send + Sync`; `Rc` and `Cell` are not",
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
