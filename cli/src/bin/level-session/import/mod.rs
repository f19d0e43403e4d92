//! The sessions of a Node site, into a store of ours.

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

/// How long a session lives unused that the site has set no end for: as here by default.
const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 3600);
/// As in an application: every record lists its session's keys.
const MAX_KEY_BYTES: usize = 1024;

/// Where the sessions are. An address may have a password: there is no `Debug`, and no message shows it.
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
            return Err(Failure::of("`--remove` is for records of connect-redis"));
        }
        match is_redis {
            #[cfg(feature = "redis")]
            true => Ok(Self::Redis(redis::Address::new(text, redis_prefix, remove))),
            #[cfg(not(feature = "redis"))]
            true => {
                let _ = redis_prefix;
                Err(Failure::of(
                    "this build reads no Redis: it was made without the feature `redis`",
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
    /// `None` if the site has set no end.
    expires: Option<Timestamp>,
}

/// What became of a record.
enum Came {
    Stored,
    /// The store knows its session, which lives there or has ended there.
    Known,
    Expired,
    /// It is no session that can be stored.
    Refused(String),
}

/// How many records came to what.
#[derive(Default)]
struct Counts {
    read: u64,
    imported: u64,
    known: u64,
    expired: u64,
    failed: u64,
}

/// What takes the records, one after another.
struct Target<'a> {
    store: &'a Inspected,
    indexes: &'a [String],
    out: &'a mut Out,
    counts: Counts,
}

/// Sessions keep their data and the time of their end. One that the store knows is left alone, and a record that is none
/// is told.
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
    /// Takes a record, or why there is none. Says whether its session is in the store by now, or was.
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
            let what = "its id has not 22 to 128 visible ASCII characters";
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
            _ => Err(Failure::of("the store has refused a session")),
        }
    }

    /// What stores a field. The message of a failure has no value in it.
    fn write(&self, name: String, value: &Json) -> std::result::Result<Write, String> {
        let name = FieldName::from(name);
        if name.is_empty() || name.is_reserved() || name.len() > MAX_KEY_BYTES {
            return Err(format!(
                "the key `{}` cannot be stored: a key has 1 to {MAX_KEY_BYTES} bytes and does not begin with \
                 `level-session:`",
                name.chars().take(64).collect::<String>()
            ));
        }
        let stored = Value::of(value).and_then(|value| value.to_stored(None));
        let stored =
            stored.map_err(|cause| format!("the value of `{name}` cannot be stored: {cause}"))?;
        let is_index = self.indexes.iter().any(|index| **index == *name);
        let entry = index_entry(&stored).ok().filter(|_| is_index);
        Ok(Write::set(name, stored).with_index(entry))
    }
}

/// Where the text of a record is no JSON: the text itself is a visitor's.
fn no_json(cause: &serde_json::Error) -> String {
    let (line, column) = (cause.line(), cause.column());
    match cause.classify() {
        serde_json::error::Category::Data => {
            format!("it is not what a session is, at line {line}, column {column}")
        }
        _ => format!("it is no JSON at line {line}, column {column}"),
    }
}
