//! A record of tower-sessions as fields, and what has changed of it.

use crate::index::{Index, encode, entry};
use level_session_store::{
    Bytes, Digest, Error, ErrorKind, FieldName, RESERVED_PREFIX, Result, Timestamp, Write,
    value::Stored,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use time::OffsetDateTime;

/// The keys of a record.
pub(crate) type Data = HashMap<String, Value>;

/// The key under which a record carries what it was loaded from.
pub(crate) const LOADED: &str = "level-session:loaded";
/// The field with the time at which the record expires, and a mark of the last save.
pub(crate) const EXPIRY: FieldName = FieldName::from_static("level-session:tower-sessions");

/// The most bytes of a key, as for every session.
const MAX_KEY_BYTES: usize = 1024;

/// What a record was loaded from. It travels in the record.
#[derive(Serialize, Deserialize)]
pub(crate) struct Loaded {
    /// The session, as the digest of its id in hexadecimal.
    of: String,
    /// Its last use that was written down before: milliseconds.
    pub(crate) seen: u64,
    /// When it expires: milliseconds.
    pub(crate) expires: u64,
    /// Whether the request has made the session.
    pub(crate) made: bool,
    /// A hash of each field.
    fields: BTreeMap<String, u64>,
}

/// What became of one key of a record.
pub(crate) enum Change {
    Set(Bytes),
    Removed,
}

impl Loaded {
    /// Puts the entry into a record that holds what is stored.
    pub(crate) fn put(
        data: &mut Data,
        id: Digest,
        seen: Timestamp,
        expiry: OffsetDateTime,
        made: bool,
    ) -> Result<()> {
        let mut fields = BTreeMap::new();
        for (key, value) in data.iter().filter(|(key, _)| *key != LOADED) {
            // Not of the bytes that are stored: those may be in another order.
            let bytes = encode(value).map_err(|cause| cause.on_field(key.clone()))?;
            fields.insert(key.clone(), hash(&bytes));
        }
        let loaded = Self {
            of: hex(id),
            seen: seen.as_millis(),
            expires: millis(expiry).as_millis(),
            made,
            fields,
        };
        let loaded = serde_json::to_value(loaded).map_err(|cause| {
            Error::new(ErrorKind::Encode, "a record's own entry").because(cause)
        })?;
        data.insert(LOADED.to_owned(), loaded);
        Ok(())
    }

    /// The entry of a record; `None` if it was made anew or cleared.
    pub(crate) fn of(data: &Data) -> Result<Option<Self>> {
        let read = |value| Self::deserialize(value);
        data.get(LOADED).map(read).transpose().map_err(|_| {
            Error::new(
                ErrorKind::Encode,
                format!("the record's key `{LOADED}` belongs to its store: choose another key"),
            )
        })
    }

    /// Whether the record was loaded under this id.
    pub(crate) fn is_of(&self, id: Digest) -> bool {
        self.of == hex(id)
    }

    /// The digest that it was loaded under.
    pub(crate) fn id(&self) -> Option<Digest> {
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(self.of.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Digest::from_bytes(bytes))
    }

    fn had(&self, key: &str, bytes: &[u8]) -> bool {
        self.fields.get(key) == Some(&hash(bytes))
    }
}

/// What has changed of a record since it was loaded; all of it, if it was not.
pub(crate) fn changes(data: &Data, loaded: Option<&Loaded>) -> Result<BTreeMap<FieldName, Change>> {
    let mut changes = BTreeMap::new();
    for (key, value) in data.iter().filter(|(key, _)| *key != LOADED) {
        let name = name(key)?;
        let bytes = encode(value).map_err(|cause| cause.on_field(name.clone()))?;
        if !loaded.is_some_and(|loaded| loaded.had(key, &bytes)) {
            changes.insert(name, Change::Set(bytes));
        }
    }
    let known = loaded.into_iter().flat_map(|loaded| loaded.fields.keys());
    for key in known.filter(|key| !data.contains_key(*key)) {
        changes.insert(name(key)?, Change::Removed);
    }
    Ok(changes)
}

/// The changes as a store takes them, with what the sessions are found by.
pub(crate) fn writes(
    changes: BTreeMap<FieldName, Change>,
    data: &Data,
    indexes: &[Index],
) -> Result<Vec<Write>> {
    let write = |(name, change)| match change {
        Change::Removed => Ok(Write::remove(name)),
        Change::Set(bytes) => {
            let entry = data
                .get(&*name)
                .map(|value| entry(indexes, &name, value))
                .transpose()?;
            Ok(Write::set(name, bytes).with_index(entry.flatten()))
        }
    };
    changes.into_iter().map(write).collect()
}

/// The record that these fields are, without the library's own. A field that cannot be read is an error, as a session
/// without it would be another one.
pub(crate) fn data(fields: &[(FieldName, Bytes)]) -> Result<Data> {
    let own = fields.iter().filter(|(name, _)| !name.is_reserved());
    own.map(|(name, bytes)| Ok((name.to_string(), decode(name, bytes)?)))
        .collect()
}

pub(crate) fn decode(name: &FieldName, bytes: &[u8]) -> Result<Value> {
    let read = || Stored::open(bytes)?.body().decode();
    read().map_err(|cause| cause.on_field(name.clone()))
}

/// The field with the time at which a record expires.
pub(crate) fn expiry_field(expiry: OffsetDateTime) -> Result<Write> {
    let bytes = encode(&(expiry.unix_timestamp(), expiry.nanosecond()))
        .map_err(|cause| cause.on_field(EXPIRY))?;
    Ok(Write::set(EXPIRY, bytes))
}

/// When a session expires, if tower-sessions has made it and this is before `now`; what is no session of
/// tower-sessions never lives.
pub(crate) fn live_until(bytes: Option<&Bytes>, now: Timestamp) -> Result<Option<OffsetDateTime>> {
    let Some(bytes) = bytes else { return Ok(None) };
    let read = || Stored::open(bytes)?.body().decode::<(i64, u32)>();
    let (seconds, nanoseconds) = read().map_err(|cause| cause.on_field(EXPIRY))?;
    let expiry = OffsetDateTime::from_unix_timestamp(seconds)
        .and_then(|expiry| expiry.replace_nanosecond(nanoseconds))
        .map_err(|cause| {
            Error::new(ErrorKind::Decode, "is no time")
                .because(cause)
                .on(EXPIRY)
        })?;
    let now = i128::from(now.as_millis()) * 1_000_000;
    Ok((now < expiry.unix_timestamp_nanos()).then_some(expiry))
}

/// The first whole millisecond that is not before this time.
pub(crate) fn millis(time: OffsetDateTime) -> Timestamp {
    let millis = (time.unix_timestamp_nanos().max(0) + 999_999) / 1_000_000;
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

fn name(key: &str) -> Result<FieldName> {
    let refused = if key.is_empty() {
        "is empty: give it a name".to_owned()
    } else if key.starts_with(RESERVED_PREFIX) {
        "begins with `level-session:` and belongs to the library: choose another key".to_owned()
    } else if key.len() > MAX_KEY_BYTES {
        format!(
            "has {} bytes, and {MAX_KEY_BYTES} at most are allowed: keep what is long in the value",
            key.len()
        )
    } else {
        return Ok(FieldName::from(key.to_owned()));
    };
    Err(Error::new(
        ErrorKind::Encode,
        format!("a key of the record {refused}"),
    ))
}

/// 64 bits: two values of one key that are taken for one another would have to be looked for.
fn hash(bytes: &[u8]) -> u64 {
    let digest = Digest::of("level-session/tower-sessions/loaded/1", bytes);
    let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn hex(id: Digest) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in id.as_bytes() {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
