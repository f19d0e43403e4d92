//! Reads the records of connect-redis: one string per session, under a prefix followed by the id.

use super::{Record, Target, no_json};
use crate::out::{Failure, Result};
use level_session::Timestamp;
use redis::{RedisError, aio::MultiplexedConnection};
use serde_json::{Map, Value as Json};
use std::time::Duration;

/// How many keys are requested at a time.
const PAGE: usize = 128;
/// The reply of `PTTL` for a key without an expiry.
const NO_END: i64 = -1;

pub(crate) struct Address {
    url: String,
    prefix: String,
    remove: bool,
}

impl Address {
    pub(super) fn new(url: &str, prefix: &str, remove: bool) -> Self {
        Self {
            url: url.to_owned(),
            prefix: prefix.to_owned(),
            remove,
        }
    }

    pub(super) async fn read(self, target: &mut Target<'_>) -> Result<()> {
        let mut redis = self.connect().await?;
        let pattern = format!("{}*", literal(&self.prefix));
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern);
            scan.arg("COUNT").arg(PAGE);
            let (next, keys): (u64, Vec<Vec<u8>>) =
                scan.query_async(&mut redis).await.map_err(failed)?;
            for keys in keys.chunks(PAGE) {
                self.page(&mut redis, keys, target).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection> {
        let client = redis::Client::open(&*self.url).map_err(failed)?;
        let mut redis = client
            .get_multiplexed_async_connection()
            .await
            .map_err(failed)?;
        let mut info = redis::cmd("INFO");
        let info: String = info
            .arg("cluster")
            .query_async(&mut redis)
            .await
            .map_err(failed)?;
        if info.contains("cluster_enabled:1") {
            return Err(Failure::of(
                "importing from a Redis Cluster is not supported, since each node has only a part of the sessions; \
                 export them to a file of JSON lines",
            ));
        }
        Ok(redis)
    }

    async fn page(
        &self,
        redis: &mut MultiplexedConnection,
        keys: &[Vec<u8>],
        target: &mut Target<'_>,
    ) -> Result<()> {
        // `MGET` returns nil for keys that are not strings.
        let mut ask = redis::pipe();
        ask.cmd("MGET").arg(keys);
        for key in keys {
            ask.cmd("PTTL").arg(key);
        }
        let mut answers: Vec<redis::Value> = ask.query_async(redis).await.map_err(failed)?;
        let ends = answers.split_off(1);
        let records: Vec<Option<Vec<u8>>> = match answers.pop() {
            Some(records) => {
                redis::from_redis_value(records).map_err(|cause| failed(cause.into()))?
            }
            None => Vec::new(),
        };
        for ((key, record), end) in keys.iter().zip(records).zip(ends) {
            let end: i64 = redis::from_redis_value(end).map_err(|cause| failed(cause.into()))?;
            let Some(record) = record else {
                continue; // the record has expired in the meantime, or the key is not a record
            };
            let now = target.store.now();
            let id = key.strip_prefix(self.prefix.as_bytes()).unwrap_or_default();
            let is_stored = target.take(self::record(id, &record, end, now)).await?;
            if is_stored && self.remove {
                let mut remove = redis::cmd("DEL");
                remove.arg(key);
                remove.query_async::<()>(redis).await.map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// Escapes a prefix for use in a `MATCH` pattern.
fn literal(prefix: &str) -> String {
    let mut literal = String::with_capacity(prefix.len());
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal
}

/// Parses a record. Its fields are the fields of the session, and `cookie`, which contains the settings of the cookie.
fn record(
    id: &[u8],
    record: &[u8],
    end: i64,
    now: Timestamp,
) -> std::result::Result<Record, String> {
    let mut data: Map<String, Json> =
        serde_json::from_slice(record).map_err(|cause| no_json(&cause))?;
    let Some(Json::Object(cookie)) = data.remove("cookie") else {
        return Err("no key `cookie`, so this is not a session of express-session".to_owned());
    };
    // A use always restarts the record's time to live, but does not always update `cookie.expires`.
    let expires = match u64::try_from(end) {
        Ok(millis) => Some(now.after(Duration::from_millis(millis))),
        Err(_) if end == NO_END => match cookie.get("expires") {
            None | Some(Json::Null | Json::Bool(false)) => None,
            Some(at) => Some(at.as_str().and_then(moment).ok_or(
                "`cookie.expires` is not a date as written by JavaScript's `toISOString`",
            )?),
        },
        Err(_) => Some(now), // the record has expired in the meantime
    };
    let id = String::from_utf8_lossy(id).into_owned();
    Ok(Record { id, data, expires })
}

/// Parses a date as written by JavaScript's `toISOString`: `2026-11-27T01:02:03.004Z`. Dates before 1970 become 1970.
fn moment(text: &str) -> Option<Timestamp> {
    let shape = b"dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(shape, byte): (&u8, u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        _ => *shape == byte,
    };
    if text.len() != shape.len() || !shape.iter().zip(text.bytes()).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Howard Hinnant's `days_from_civil`: years begin in March.
    let year = year - u64::from(month < 3).min(year);
    let (era, year) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = year * 365 + year / 4 - year / 100 + of_year;
    let days = (era * 146_097 + of_era).saturating_sub(719_468);
    let seconds = (number(11, 13)? * 60 + number(14, 16)?) * 60 + number(17, 19)?;
    let millis = (days * 86_400 + seconds) * 1_000 + number(20, 23)?;
    Some(Timestamp::from_millis(millis))
}

/// Converts an error of the client. Only its kind is shown, or the I/O error, since the client's text may contain data.
fn failed(error: RedisError) -> Failure {
    let why = match error.is_io_error() {
        true => error.to_string(),
        false => match error.code() {
            Some(code) => format!("{:?}: {code}", error.kind()),
            None => format!("{:?}", error.kind()),
        },
    };
    Failure::of(format!("cannot read the sessions from Redis: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use level_session_cli::rfc3339;

    #[test]
    fn a_moment_is_what_it_is_shown_as() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2000-02-28T23:59:59.999Z",
            "2000-02-29T00:00:00.000Z",
            "2000-03-01T00:00:00.000Z",
            "2024-12-31T23:59:59.000Z",
            "2026-01-31T12:34:56.789Z",
            "2100-03-01T00:00:00.000Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            assert_eq!(moment(text).and_then(rfc3339).as_deref(), Some(text));
        }
        for text in [
            "",
            "2026-11-27",
            "2026-13-01T00:00:00.000Z",
            "2026-11-27T01:02:03.004+",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(literal("a*[b]?\\:"), "a\\*\\[b\\]\\?\\\\:");
    }
}
