//! The store contract: what a place that keeps sessions must do, and nothing that it need not know.
//!
//! A store keeps bytes. It knows no types, no cookies and no closures: it reads fields, and it applies a [`Commit`]
//! atomically, having compared what the commit tells it to compare. Everything above (merging, retrying an `update`,
//! deciding what a missing session means) is the core's, and the same for every store. The one thing it has to
//! calculate, an addition to a counter, is [`Add::apply`].
//!
//! Whoever writes a store runs `conformance` over it (feature `conformance`): it holds every promise made here.
//!
//! # The promises
//! 1. **Atomic.** A commit is applied whole or not at all, in view of concurrent readers and of crashes.
//! 2. **Checked in the same step.** [`Create`](Step::Create) applies only if nothing is stored under the digest, not
//!    even the mark of an ended session; every other step only if the session lives at [`Commit::now`]; and all
//!    [`guards`](Commit::guards) are compared then. Otherwise nothing is changed.
//! 3. **The dead stay dead.** A destroyed or renewed digest answers [`Loaded::Ended`] for at least
//!    [`ENDED_IS_REMEMBERED`] and is never live again; a former id that still worked ends with its session. An expired one is [`Loaded::Missing`] or [`Loaded::Ended`].
//! 4. **Errors are errors.** What cannot be read is an error, never a missing session, and is never overwritten.
//! 5. **Isolated by field.** A commit changes the fields that it names, the deadlines if it brings new ones, and
//!    nothing else.
//! 6. **Cancellation is safe.** A future that is dropped has applied its commit whole or not at all.

mod by_digest;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod debug;
#[cfg(feature = "fjall")]
mod fjall;
mod future;
mod memory;
mod rules;
mod table;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
#[cfg(test)]
mod tests;
mod watch;

#[cfg(all(feature = "fjall", any(test, fuzzing)))]
pub(crate) use self::fjall::records;
#[cfg(feature = "fjall")]
pub use self::fjall::{Durability, FjallStore, FjallStoreBuilder};
pub use future::StoreFuture;
pub use memory::MemoryStore;
pub use table::TableView;
pub use watch::ExpiredWatch;

pub use crate::value::Add;
pub use crate::{
    expiry::Lease,
    field::{FieldName, Range},
    id::Digest,
};

use crate::clock::Timestamp;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// A stored value, in the format of [`value`](crate::value). Cloning is cheap.
pub type Bytes = Arc<[u8]>;

/// How long a store remembers at least that a session was ended on purpose (destroyed, or renewed to another id), so
/// that a request that was in flight then gets [`Gone`](crate::ErrorKind::Gone) instead of a new session. What is kept
/// is the digest and the time.
pub const ENDED_IS_REMEMBERED: Duration = Duration::from_secs(3600);

/// A place that keeps sessions.
///
/// All methods take `&self` and may be called from any task at any time. A method whose work is short and in memory
/// does it inline and answers [`StoreFuture::ready`]; anything that waits (a network, an fsync) answers a boxed future.
pub trait Store: Send + Sync + 'static {
    /// Reads a session: whether it lives at `now`, and the fields that were asked for, all of one moment.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store cannot be read.
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded>;

    /// Applies a commit, or says why not.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store cannot be read or written, and what [`Add::apply`]
    /// answers. Nothing was applied then, or, where a store cannot know (a lost connection), it was applied whole.
    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome>;

    /// The sessions that live at `now` and have an index entry of this `field` and value, oldest first by creation.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store).
    fn find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        now: Timestamp,
    ) -> StoreFuture<'a, Vec<(Digest, Meta)>>;

    /// One page of the digests of sessions that live at `now`, in ascending order, after `after`, at most `limit`:
    /// for [`copy`], and for those who inspect a store.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store).
    fn page(
        &self,
        after: Option<Digest>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<Digest>>;

    /// Looks at up to `limit` sessions and marks of ended ones that may be due, and removes those that are dead at
    /// `now` or need no longer be remembered. A store that expires by itself has nothing to do.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store); what was removed before stays removed.
    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept>;

    /// Waits for commits in flight, makes everything durable and stops what runs in the background. A store that was
    /// closed answers every call with an error; closing it again is no error.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the last writes cannot be made durable.
    fn close(&self) -> StoreFuture<'_, ()>;

    /// From now on, and for as long as `watch` is there, calls it with every session that this store removes because
    /// it had expired: once each, after it was removed (requirement L13). A store that does not remove them itself,
    /// since its server does, tells nobody: that is the default.
    fn watch_expired(&self, watch: Weak<ExpiredWatch>) {
        let _ = watch;
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        (**self).load(id, select, now)
    }
    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        (**self).commit(commit)
    }
    fn find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        now: Timestamp,
    ) -> StoreFuture<'a, Vec<(Digest, Meta)>> {
        (**self).find(field, entry, now)
    }
    fn page(
        &self,
        after: Option<Digest>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<Digest>> {
        (**self).page(after, limit, now)
    }
    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        (**self).sweep(now, limit)
    }
    fn close(&self) -> StoreFuture<'_, ()> {
        (**self).close()
    }
    fn watch_expired(&self, watch: Weak<ExpiredWatch>) {
        (**self).watch_expired(watch);
    }
}

/// Which fields to read.
#[derive(Clone, Copy, Debug)]
pub enum Select<'a> {
    /// Only whether the session lives.
    Nothing,
    /// These.
    Names(&'a [&'a str]),
    /// Every one.
    All,
}

/// What a store knows of a digest.
#[derive(Clone, Debug)]
pub enum Loaded {
    /// Nothing, or a session that has expired.
    Missing,
    /// A session that was destroyed, or renewed to another id, at this time.
    Ended(Timestamp),
    /// A session that lives.
    Live(Snapshot),
}

/// A session as it stands at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its times.
    pub meta: Meta,
    /// Whether the digest asked for is the former one of a session that was renewed and still works, for its grace.
    pub by_former_id: bool,
    /// What was asked for.
    pub fields: Fields,
}

/// The fields of a [`Snapshot`]. Values whose TTL has passed are among them: the core looks at that.
#[derive(Clone)]
pub enum Fields {
    /// For [`Select::Nothing`].
    Nothing,
    /// For [`Select::Names`]: in the same order.
    Named(Vec<Option<Bytes>>),
    /// For [`Select::Names`], by a store that has the session in memory: all that was asked for, and more. The
    /// stores of this crate answer it, so that the core need not ask them again for the next field.
    View(TableView),
    /// For [`Select::All`]: every field that is stored, in any order.
    All(Vec<(FieldName, Bytes)>),
}

/// The times of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// When it was made; kept when the id is renewed.
    pub created: Timestamp,
    /// Its last recorded use, and its deadlines.
    pub lease: Lease,
    /// Whether a former id of it still works: the next use by the current id should end that.
    pub former_id_works: bool,
}

/// What is to be stored, all at once.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    /// The session.
    pub id: Digest,
    /// The time.
    pub now: Timestamp,
    /// For [`Step::Destroy`] and [`Step::Renew`]: the time of the end that [`Loaded::Ended`] tells later. It may lie a
    /// little after [`now`](Self::now): the core sees to it that what began before an end can be told from what began
    /// after it, also within one millisecond.
    pub ended_at: Timestamp,
    /// What happens to the session itself.
    pub step: Step,
    /// Remove every stored field, before [`writes`](Self::writes) are applied.
    pub clear: bool,
    /// New deadlines, if they change. Ignored if they are of an earlier use than the stored ones or count from an
    /// earlier sign-in, unless the step is [`Step::Renew`]. Where it is given and [`id`](Self::id) is the current id, a former id stops working.
    pub lease: Option<Lease>,
    /// What must still be stored for the commit to apply: compared byte by byte with what is stored before it
    /// ([`clear`](Self::clear) included), also if its TTL has passed.
    pub guards: &'a [Guard],
    /// What changes. No field occurs twice.
    pub writes: &'a [Write],
}

/// What a commit does to the session itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes it; `lease` is given.
    Create {
        /// When it was made: [`Commit::now`], except for a session that is copied from another store.
        created: Timestamp,
    },
    /// Changes fields, or refreshes it.
    Keep,
    /// Gives it another id, with all its fields; `lease` is given. The old one is dead in the same step, or works on
    /// until `former_works_until`: for reading, [`Keep`](Self::Keep) and [`Destroy`](Self::Destroy), not for another
    /// renewal. There is one former id at most: the next renewal ends it.
    Renew {
        /// The new id: never one that is known to the store already ([`Outcome::Exists`]).
        to: Digest,
        /// How long the old id works on, if at all.
        former_works_until: Option<Timestamp>,
    },
    /// Ends it and removes every field; `writes` is empty.
    Destroy,
}

/// What must still be stored.
#[derive(Clone)]
pub struct Guard {
    /// The field.
    pub field: FieldName,
    /// Its bytes; `None` for not there.
    pub expected: Option<Bytes>,
}

/// A change of one field.
#[derive(Clone)]
pub struct Write {
    /// The field.
    pub field: FieldName,
    /// What happens to it.
    pub op: Op,
    /// For [`Op::Set`] of an indexed field, what the session is found by: it replaces the field's former entry.
    /// Without it a field that is set or removed has no entry. [`Op::Add`] leaves the entry as it is.
    pub index: Option<Bytes>,
}

/// What happens to a field.
#[derive(Clone)]
pub enum Op {
    /// It holds these bytes from now on.
    Set(Bytes),
    /// It is no longer there; no error if it was not.
    Remove,
    /// A number is added to what is there *then*.
    Add(Add),
}

/// What became of a commit. Where several are true, the first of `Gone`, `Exists` and `Conflict` is answered; an error
/// of [`Add::apply`] comes after all of them.
#[derive(Clone)]
pub enum Outcome {
    /// It is stored.
    Done,
    /// The session does not live. Nothing is changed.
    Gone,
    /// [`Step::Create`] or [`Step::Renew`]: the new digest is known already, be it of a session that has expired and
    /// was not removed yet. Nothing is changed.
    Exists,
    /// A guard does not hold. Nothing is changed. What is stored under each guard's field, in the guards' order.
    Conflict(Vec<Option<Bytes>>),
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many sessions had expired and were removed.
    pub sessions: usize,
    /// Whether the limit was reached, so that another sweep is worth while now.
    pub more: bool,
}

impl Fields {
    /// Takes the fields that `select` asks for from everything that is stored.
    #[must_use]
    pub fn pick<'s>(
        select: Select<'_>,
        stored: impl Fn(&str) -> Option<Bytes>,
        all: impl Iterator<Item = (FieldName, Bytes)> + 's,
    ) -> Self {
        match select {
            Select::Nothing => Self::Nothing,
            Select::Names(names) => Self::Named(names.iter().map(|name| stored(name)).collect()),
            Select::All => Self::All(all.collect()),
        }
    }

    /// The values under these names, in their order: of the answer to a [`Select::Names`] of the same names. `None`
    /// if this is no such answer.
    #[must_use]
    pub fn named(&self, names: &[&str]) -> Option<Vec<Option<Bytes>>> {
        match self {
            Self::Named(values) if values.len() == names.len() => Some(values.clone()),
            Self::View(view) => names.iter().map(|name| view.get(name)).collect(),
            Self::Nothing | Self::Named(_) | Self::All(_) => None,
        }
    }
}

/// Copies every session that lives at `now` from one store to another, under the ids and deadlines that they have:
/// nobody is signed out. Sessions that the target knows already are left alone. Returns how many were copied.
///
/// Index entries need the schemas of the structs that declare them.
///
/// # Errors
/// [`ErrorKind::Store`](crate::ErrorKind::Store) of either store; what was copied before stays copied, and the call
/// can be repeated.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    schemas: &[&'static crate::Schema],
    now: Timestamp,
) -> crate::Result<usize> {
    const PAGE: usize = 256;
    let mut copied = 0;
    let mut after = None;
    loop {
        let page = from.page(after, PAGE, now).await?;
        for &id in &page {
            let Loaded::Live(Snapshot {
                meta,
                fields: Fields::All(fields),
                ..
            }) = from.load(id, Select::All, now).await?
            else {
                continue; // it ended meanwhile
            };
            let writes: Vec<_> = fields
                .into_iter()
                .map(|(field, bytes)| {
                    let def = schemas.iter().find_map(|schema| schema.find(&field));
                    let index = def
                        .filter(|def| def.index)
                        .map(|_| crate::value::index_entry(&bytes))
                        .transpose();
                    let index = index.map_err(|cause| cause.on_field(field.clone()))?;
                    Ok(Write {
                        field,
                        op: Op::Set(bytes),
                        index,
                    })
                })
                .collect::<crate::Result<_>>()?;
            let commit = Commit {
                id,
                now,
                ended_at: now,
                step: Step::Create {
                    created: meta.created,
                },
                clear: false,
                lease: Some(meta.lease),
                guards: &[],
                writes: &writes,
            };
            if let Outcome::Done = to.commit(commit).await? {
                copied += 1;
            }
        }
        match page.last() {
            Some(&last) if page.len() == PAGE => after = Some(last),
            _ => return Ok(copied),
        }
    }
}
