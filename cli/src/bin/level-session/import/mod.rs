//! Imports the sessions of a Node site.

mod lines;
#[cfg(feature = "redis")]
mod redis;

use crate::{
    out::{Failure, Out, Result},
    place::named,
    store::Inspected,
};
use level_session::{
    FieldName, FormerCookie, Timestamp, Value,
    store::{Commit, Outcome, Step, Timeouts, Write},
    value::index_entry,
};
use lines::Lines;
use serde_json::{Map, Value as Json};
use std::time::Duration;

/// The idle timeout of sessions without an expiry: the default of level-session.
const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 3600);
/// The same limit as in an application, since every record lists the keys of its session.
const MAX_KEY_BYTES: usize = 1024;

/// The source of the sessions. A URL may contain a password, so there is no `Debug`, and no message shows the URL.
pub(crate) enum Source {
    Lines(Lines),
    #[cfg(feature = "redis")]
    Redis(redis::Address),
}

impl Source {
    pub(crate) fn of(text: &str, redis_prefix: &str, remove: bool) -> Result<Self> {
        let text = &*named(text)?;
        let is_redis = text.starts_with("redis://") || text.starts_with("rediss://");
        if remove && !is_redis {
            return Err(Failure::of("`--remove` is only valid for connect-redis"));
        }
        match is_redis {
            #[cfg(feature = "redis")]
            true => Ok(Self::Redis(redis::Address::new(text, redis_prefix, remove))),
            #[cfg(not(feature = "redis"))]
            true => {
                let _ = redis_prefix;
                Err(Failure::of(
                    "this build cannot read from Redis: it was compiled without the feature `redis`",
                ))
            }
            false => Lines::of(text).map(Self::Lines),
        }
    }
}

/// A session of a Node site.
struct Record {
    id: String,
    data: Map<String, Json>,
    /// `None` if the site set no expiry.
    expires: Option<Timestamp>,
}

/// The result of importing a record.
enum Came {
    Stored,
    /// The store already knows the session, live or ended.
    Known,
    Expired,
    /// The record is not a session, or cannot be stored.
    Refused(String),
}

/// The number of records by result.
#[derive(Default)]
struct Counts {
    read: u64,
    imported: u64,
    known: u64,
    expired: u64,
    failed: u64,
}

/// Stores the records, one after another.
struct Target<'a> {
    store: &'a Inspected,
    indexes: &'a [String],
    out: &'a mut Out,
    counts: Counts,
}

/// Sessions keep their data and expiry. Sessions that the store already knows are left alone, and records that are not
/// sessions are reported.
pub(crate) async fn import(
    from: Source,
    store: &Inspected,
    indexes: &[String],
    out: &mut Out,
) -> Result<bool> {
    let counts = Counts::default();
    let mut target = Target {
        store,
        indexes,
        out,
        counts,
    };
    match from {
        Source::Lines(lines) => lines.read(&mut target).await?,
        #[cfg(feature = "redis")]
        Source::Redis(address) => address.read(&mut target).await?,
    }
    let Target { out, counts, .. } = target;
    out.summary(&[
        ("imported", counts.imported),
        ("left alone", counts.known),
        ("expired", counts.expired),
        ("failed", counts.failed),
    ])?;
    Ok(counts.failed == 0)
}

impl Target<'_> {
    /// Stores a record, or reports why it is invalid. Returns whether the store knows its session, live or ended.
    async fn take(&mut self, record: std::result::Result<Record, String>) -> Result<bool> {
        self.counts.read += 1;
        let came = match record {
            Ok(record) => self.store(record).await?,
            Err(what) => Came::Refused(what),
        };
        let counts = &mut self.counts;
        match &came {
            Came::Stored => counts.imported += 1,
            Came::Known => counts.known += 1,
            Came::Expired => counts.expired += 1,
            Came::Refused(what) => {
                counts.failed += 1;
                self.out.refused(counts.read, what)?;
            }
        }
        Ok(matches!(came, Came::Stored | Came::Known))
    }

    async fn store(&self, record: Record) -> Result<Came> {
        let now = self.store.now();
        let Some(id) = FormerCookie::digest(&record.id) else {
            let what = "the id must have 22 to 128 visible ASCII characters";
            return Ok(Came::Refused(what.to_owned()));
        };
        let left = match record.expires {
            Some(expires) if expires <= now => return Ok(Came::Expired),
            Some(expires) => expires.since(now),
            None => TWO_WEEKS,
        };
        let write = |(name, value): (String, Json)| self.write(name, &value);
        let writes: std::result::Result<Vec<Write>, String> =
            record.data.into_iter().map(write).collect();
        let writes = match writes {
            Ok(writes) => writes,
            Err(what) => return Ok(Came::Refused(what)),
        };
        let step = Step::create(now, Timeouts::new(left).lease(now, now));
        let commit = Commit::new(id, now, step).with_writes(&writes);
        let outcome = self.store.store().commit(commit).await;
        match outcome.map_err(Failure::store)? {
            Outcome::Done(_) => Ok(Came::Stored),
            Outcome::Exists => Ok(Came::Known),
            _ => Err(Failure::of("the store rejected a session")),
        }
    }

    /// The write that stores a field. An error message never contains the value.
    fn write(&self, name: String, value: &Json) -> std::result::Result<Write, String> {
        let name = FieldName::from(name);
        if name.is_empty() || name.is_reserved() || name.len() > MAX_KEY_BYTES {
            return Err(format!(
                "cannot store the key `{}`: a key must have 1 to {MAX_KEY_BYTES} bytes and must not begin with \
                 `level-session:`",
                name.chars().take(64).collect::<String>()
            ));
        }
        let stored = Value::of(value).and_then(|value| value.to_stored(None));
        let stored =
            stored.map_err(|cause| format!("cannot store the value of `{name}`: {cause}"))?;
        let is_index = self.indexes.iter().any(|index| **index == *name);
        let entry = index_entry(&stored).ok().filter(|_| is_index);
        Ok(Write::set(name, stored).with_index(entry))
    }
}

/// Reports where a record is invalid, without its text, which contains a visitor's data.
fn no_json(cause: &serde_json::Error) -> String {
    let (line, column) = (cause.line(), cause.column());
    match cause.classify() {
        serde_json::error::Category::Data => {
            format!("not a valid session at line {line}, column {column}")
        }
        _ => format!("invalid JSON at line {line}, column {column}"),
    }
}
