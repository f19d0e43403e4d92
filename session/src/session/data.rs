//! Whole structs: read together, and stored as a difference.

use super::{
    Of, Session, SessionData, handles, order::is_same_but_for_order, untyped::UntypedSession,
};
use crate::{
    changes::Change,
    error::{Error, ErrorKind, Result},
    store::Timestamp,
    store::{
        Bytes, FieldName,
        schema::{FieldDef, Key, Schema},
    },
    value::{self, Body, Buffer},
};
use std::{
    collections::BTreeMap,
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The fields of a struct, read at one moment, as the request sees them.
#[doc(hidden)]
pub struct View<'a> {
    fields: &'a BTreeMap<FieldName, Bytes>,
    now: Timestamp,
}

impl View<'_> {
    /// A field that is an `Option`: `None` if nothing is stored.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the stored value is not a `T`.
    pub fn optional<T>(&self, key: Key<T>) -> Result<Option<T>> {
        handles::decode(key.typed_def(), self.fields.get(key.name()), self.now)
    }

    /// Any other field: the stored value, or its default.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the stored value is not a `T`; [`ErrorKind::Missing`] if nothing is stored and there is
    /// no default.
    pub fn required<T>(&self, key: Key<T>) -> Result<T> {
        match (self.optional(key)?, key.typed_def().default) {
            (Some(value), _) => Ok(value),
            (None, Some(default)) => Ok(default()),
            (None, None) => Err(Error::new(
                ErrorKind::Missing,
                "nothing is stored and the field has no default, so the whole struct cannot be read: \
                 add `#[session(default)]`, make it an `Option`, or read the fields one by one",
            )
            .on(key.name())),
        }
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fields.keys()).finish()
    }
}

/// The difference between a struct and the session as the request sees it.
#[doc(hidden)]
pub struct Diff<'a> {
    view: View<'a>,
    changes: Vec<(FieldName, Difference)>,
}

enum Difference {
    Change(Change),
    Add {
        delta: i128,
        def: &'static FieldDef,
        base: i128,
    },
}

impl Diff<'_> {
    /// A field that is an `Option`: `None` removes the value.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] if the value cannot be stored.
    pub fn optional<T>(&mut self, key: Key<T>, value: Option<&T>) -> Result<()> {
        let name = FieldName::from_static(key.name());
        let seen = self.body(key)?;
        match value {
            None if seen.is_some() => self
                .changes
                .push((name, Difference::Change(Change::Remove))),
            None => {}
            Some(value) => {
                let setting = handles::setting(key.typed_def(), value, || self.view.now)?;
                let body = value::open(&setting.bytes)
                    .map_err(|cause| cause.on_field(key.name()))?
                    .body();
                let is_same = |seen: &[u8]| {
                    seen == body.as_bytes() || is_same_but_for_order(key, seen, body.as_bytes())
                };
                if !seen.is_some_and(is_same) {
                    self.changes
                        .push((name, Difference::Change(Change::Set(setting))));
                }
            }
        }
        Ok(())
    }

    /// Any other field. A field that has its default and is not stored is left unstored. A counter changes by the
    /// difference.
    ///
    /// # Errors
    /// Those of [`optional`](Self::optional), and [`ErrorKind::Decode`] if a counter's stored value is not a number.
    pub fn required<T>(&mut self, key: Key<T>, value: &T) -> Result<()> {
        let seen = self.body(key)?.map(<[u8]>::to_vec);
        let mut held = Buffer::new();
        let mut default = Buffer::new();
        let fail = |cause: value::ValueError| Error::of_value(cause, key.name());
        (key.typed_def().encode)(value, &mut held).map_err(fail)?;
        if let Some(make) = key.typed_def().default {
            (key.typed_def().encode)(&make(), &mut default).map_err(fail)?;
        }
        if key.typed_def().erased.is_counter() {
            let base = Body::of(&default).integer().unwrap_or(0);
            let before = match &seen {
                Some(body) => Body::of(body).integer().ok_or_else(|| {
                    Error::new(
                        ErrorKind::Decode,
                        "is declared as a counter, but the stored value is not a number",
                    )
                    .on(key.name())
                })?,
                None => base,
            };
            let delta = Body::of(&held).integer().unwrap_or(base) - before;
            if delta != 0 {
                let difference = Difference::Add {
                    delta,
                    def: &key.typed_def().erased,
                    base,
                };
                self.changes
                    .push((FieldName::from_static(key.name()), difference));
            }
            return Ok(());
        }
        let is_default = || *held == *default || is_same_but_for_order(key, &default, &held);
        if seen.is_none() && !default.is_empty() && is_default() {
            return Ok(());
        }
        self.optional(key, Some(value))
    }

    /// The body of the value that the request sees.
    fn body<T>(&self, key: Key<T>) -> Result<Option<&[u8]>> {
        let Some(bytes) = self.view.fields.get(key.name()) else {
            return Ok(None);
        };
        let stored = value::open(bytes).map_err(|cause| cause.on_field(key.name()))?;
        Ok(stored.live(self.view.now).map(|body| body.as_bytes()))
    }
}

impl fmt::Debug for Diff<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.changes.iter().map(|(name, _)| name))
            .finish()
    }
}

// These two are named types written by hand, since an `async fn` is the most expensive item to compile, and each struct
// with the derive would have two of them.

/// The future of `session.load()`, which reads a whole struct.
#[must_use = "nothing is read before it is awaited"]
pub struct Loading<'a, T> {
    session: &'a UntypedSession,
    fields: Reading<'a>,
    data: Of<T>,
}

/// The future of `session.store(&data)`, which writes a whole struct.
#[must_use = "nothing is written before it is awaited"]
pub struct Storing<'a, T> {
    session: &'a UntypedSession,
    fields: Reading<'a>,
    data: &'a T,
}

/// The parts that do not depend on the struct, and so are compiled once, in this crate.
type Reading<'a> = Pin<Box<dyn Future<Output = Result<BTreeMap<FieldName, Bytes>>> + Send + 'a>>;

/// The session with a unit of work of its own, keeping its type.
///
/// # Errors
/// Those of [`UntypedSession::detach`].
pub fn detach<T: SessionData>(session: &UntypedSession) -> Result<Session<T>> {
    session.detach()?.typed()
}

/// Reads the whole struct: fields that the request has not read yet are read together, at one moment. A flash value is
/// peeked at, not taken.
///
/// # Errors
/// Those of [`View`], and [`ErrorKind::Store`].
pub fn load<T: SessionData>(session: &UntypedSession) -> Loading<'_, T> {
    Loading {
        session,
        fields: fields(session, T::SCHEMA),
        data: PhantomData,
    }
}

/// Writes the fields of a struct that differ from what the request sees; counters by the difference, so that no
/// concurrent addition is lost. If one of them cannot be encoded, none is written.
///
/// # Errors
/// Those of [`Diff`], and those of reading.
pub fn store<'a, T: SessionData>(session: &'a UntypedSession, data: &'a T) -> Storing<'a, T> {
    Storing {
        session,
        fields: fields(session, T::SCHEMA),
        data,
    }
}

impl<T: SessionData> Future for Loading<'_, T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let fields = ready!(self.fields.as_mut().poll(cx))?;
        Poll::Ready(T::read(&View {
            fields: &fields,
            now: self.session.unit().now(),
        }))
    }
}

impl<T: SessionData> Future for Storing<'_, T> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let fields = ready!(self.fields.as_mut().poll(cx))?;
        let now = self.session.unit().now();
        let mut diff = Diff {
            view: View {
                fields: &fields,
                now,
            },
            changes: Vec::new(),
        };
        self.data.write(&mut diff)?;
        Poll::Ready(apply(self.session, diff.changes, now))
    }
}

impl<T> fmt::Debug for Loading<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loading")
    }
}

impl<T> fmt::Debug for Storing<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Storing")
    }
}

fn apply(
    session: &UntypedSession,
    changes: Vec<(FieldName, Difference)>,
    now: Timestamp,
) -> Result<()> {
    let mut state = session.unit().lock();
    for (name, difference) in changes {
        match difference {
            Difference::Change(change) => state.change(&name, change)?,
            Difference::Add { delta, def, base } => {
                if let Some(add) = super::unit::UnitOfWork::adding(def, delta, base, now) {
                    state.add(&name, add, now)?;
                }
            }
        }
    }
    Ok(())
}

fn fields<'a>(session: &'a UntypedSession, schema: &'static Schema) -> Reading<'a> {
    Box::pin(async move {
        let mut names = Vec::new();
        schema.for_each(&mut |_, field| names.push(FieldName::from_static(field.key())));
        let values = session.unit().read_many(&names).await?;
        Ok(names
            .into_iter()
            .zip(values)
            .filter_map(|(name, bytes)| Some((name, bytes?)))
            .collect())
    })
}
