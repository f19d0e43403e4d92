//! Lists sessions page by page.

use super::Found;
use crate::{
    ending::{self, Sought},
    error::{Error, ErrorKind, Result},
    sessions::Sessions,
    store::{Bytes, Cursor, Digest, FieldName, Loaded, Select, schema::FieldKey},
};
use std::fmt;

/// The default page size.
const PAGE: usize = 50;

/// Live sessions, page by page: returned by [`Sessions::find`] and [`Sessions::all`].
///
/// Pages are read on demand and not kept, so the page size bounds memory use. The order of sessions is unspecified.
///
/// A session that is live and has the value from the first page to the last is listed. A session that begins, ends or is
/// [renewed](crate::UntypedSession::renew) in the meantime may or may not be listed, and a renewed session may be listed
/// under both handles. Each [`Found`] is a consistent snapshot of its session.
#[must_use = "nothing is read before `next_page` is awaited"]
pub struct Listing<'s> {
    sessions: &'s Sessions,
    of: Of,
    reading: Reading,
    page: usize,
    after: Option<Cursor>,
    is_over: bool,
}

enum Of {
    All,
    Sought(Sought),
    /// The arguments were invalid; the first read returns the error.
    Nothing(Option<Error>),
}

/// The fields that are read of each session.
pub(super) enum Reading {
    Names(Vec<FieldName>),
    All,
}

impl<'s> Listing<'s> {
    pub(super) fn of(sessions: &'s Sessions, sought: Result<Sought>) -> Self {
        let of = sought.map_or_else(|error| Of::Nothing(Some(error)), Of::Sought);
        Self::new(sessions, of)
    }

    pub(super) fn of_all(sessions: &'s Sessions) -> Self {
        Self::new(sessions, Of::All)
    }

    fn new(sessions: &'s Sessions, of: Of) -> Self {
        Self {
            sessions,
            of,
            reading: Reading::Names(Vec::new()),
            page: PAGE,
            after: None,
            is_over: false,
        }
    }

    /// Also reads this field, for [`Found::get`].
    pub fn with(mut self, key: impl FieldKey) -> Self {
        if let Reading::Names(names) = &mut self.reading {
            names.push(key.name());
        }
        self
    }

    /// Also reads all fields, for [`Found::get`] and [`Found::fields`].
    pub fn with_all_fields(mut self) -> Self {
        self.reading = Reading::All;
        self
    }

    /// The maximum number of sessions per page. Default: 50. Zero counts as 1.
    pub fn page_size(mut self, sessions: usize) -> Self {
        self.page = sessions.max(1);
        self
    }

    /// Continues after the last page of another listing of the same sessions: see [`cursor`](Self::cursor).
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// The position of the next page, for continuing in another request. `None` before the first page and after the last one.
    #[must_use]
    pub const fn cursor(&self) -> Option<&Cursor> {
        self.after.as_ref()
    }

    /// Returns the next page, which has at least one session, or `None` after the last page.
    ///
    /// # Errors
    /// [`ErrorKind::Store`]: call again to retry the same page. [`ErrorKind::Misuse`] for a field that is not declared
    /// `#[session(index)]`, and [`ErrorKind::Encode`] for a value that cannot be encoded: both are returned once, followed by
    /// `None`.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Found>>> {
        while let Some(ids) = self.next_ids().await? {
            let (ids, next) = ids;
            let looks = ids
                .into_iter()
                .map(|id| look(self.sessions, id, &self.reading, self.sought()));
            let found: Result<Vec<_>> = ending::all(looks.collect()).await.into_iter().collect();
            let found: Vec<_> = found?.into_iter().flatten().collect();
            self.goes_on(next);
            if !found.is_empty() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Counts the remaining sessions by reading all remaining pages.
    ///
    /// # Errors
    /// The errors of [`next_page`](Self::next_page).
    pub async fn count(mut self) -> Result<u64> {
        let mut count = 0;
        self.page = self.page.max(1_000);
        while let Some((ids, next)) = self.next_ids().await? {
            count += ids.len() as u64;
            self.goes_on(next);
        }
        Ok(count)
    }

    fn sought(&self) -> Option<&Sought> {
        match &self.of {
            Of::Sought(sought) => Some(sought),
            Of::All | Of::Nothing(_) => None,
        }
    }

    fn goes_on(&mut self, next: Option<Cursor>) {
        self.is_over = next.is_none();
        self.after = next;
    }

    async fn next_ids(&mut self) -> Result<Option<(Vec<Digest>, Option<Cursor>)>> {
        if self.is_over {
            return Ok(None);
        }
        let runtime = self.sessions.runtime();
        let now = runtime.clock.now();
        let after = self.after.as_ref();
        Ok(Some(match &mut self.of {
            Of::Nothing(error) => {
                self.is_over = true;
                return error.take().map_or(Ok(None), Err);
            }
            Of::All => {
                let page = runtime.store.page(after, self.page, now).await?;
                (page.items, page.next)
            }
            Of::Sought(Sought { field, entry, .. }) => {
                let found = runtime.store.find(field, entry, after, self.page, now);
                let page = found.await?;
                let lives = page
                    .items
                    .iter()
                    .filter(|found| now < runtime.lifetimes.deadline(&found.meta.lease));
                (lives.map(|found| found.id).collect(), page.next)
            }
        }))
    }
}

/// Reads one session, if it is live and matches `sought`.
pub(super) async fn look(
    sessions: &Sessions,
    id: Digest,
    reading: &Reading,
    sought: Option<&Sought>,
) -> Result<Option<Found>> {
    let runtime = sessions.runtime();
    let now = runtime.clock.now();
    let names: Vec<&str> = match reading {
        Reading::All => Vec::new(),
        Reading::Names(names) => {
            let sought = sought.map(|sought| &*sought.field);
            names.iter().map(|name| &**name).chain(sought).collect()
        }
    };
    let select = match reading {
        Reading::All => Select::All,
        Reading::Names(_) if names.is_empty() => Select::Nothing,
        Reading::Names(_) => Select::Names(&names),
    };
    let Loaded::Live(snapshot) = runtime.store.load(id, select, now).await? else {
        return Ok(None);
    };
    let (mut meta, by_former_id) = (snapshot.meta, snapshot.by_former_id);
    let deadline = runtime.lifetimes.deadline(&meta.lease);
    meta.lease.absolute_deadline = runtime.lifetimes.absolute_deadline(&meta.lease);
    if deadline <= now || by_former_id {
        return Ok(None); // a renewed session is listed under its new id
    }
    let fields: Vec<(FieldName, Option<Bytes>)> = match reading {
        Reading::All => {
            let all = snapshot.fields.into_all().ok_or_else(no_answer)?;
            let all = all.into_iter();
            all.map(|(name, bytes)| (name, Some(bytes))).collect()
        }
        Reading::Names(_) if names.is_empty() => Vec::new(),
        Reading::Names(_) => {
            let values = snapshot.fields.values(&names).ok_or_else(no_answer)?;
            let names = names.iter().map(|name| FieldName::from((*name).to_owned()));
            names.zip(values).collect()
        }
    };
    let value_of = |field: &str| {
        let mut fields = fields.iter();
        fields.find_map(|(name, bytes)| bytes.as_ref().filter(|_| **name == *field))
    };
    if sought.is_some_and(|sought| !sought.is(value_of(&sought.field))) {
        return Ok(None);
    }
    let is_all = matches!(reading, Reading::All);
    Ok(Some(Found::new(id, meta, deadline, now, fields, is_all)))
}

fn no_answer() -> Error {
    Error::new(
        ErrorKind::Store,
        "the store returned other fields than those requested; this is a bug in the store",
    )
}

impl fmt::Debug for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Listing");
        if let Of::Sought(sought) = &self.of {
            out.field("field", &sought.field);
        }
        out.field("page", &self.page).finish_non_exhaustive()
    }
}
