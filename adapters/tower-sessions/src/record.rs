//! Records of tower-sessions as fields, and their changes.

use crate::{
    id::SessionId,
    index::{Index, encode, entry},
};
use level_session_store::{
    Bytes, Error, ErrorKind, FieldName, RESERVED_PREFIX, Result, Timestamp, Write, value::Stored,
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher as _, RandomState},
};
use time::OffsetDateTime;

/// The keys of a record.
pub(crate) type Data = HashMap<String, Value>;

/// The key under which a record contains its state at the time of loading.
pub(crate) const LOADED: &str = "level-session:loaded";
/// The field with the expiry of the record, which every save writes.
pub(crate) const EXPIRY: FieldName = FieldName::from_static("level-session:tower-sessions");

/// The maximum length of a key, as for every session.
const MAX_KEY_BYTES: usize = 1024;

/// The change of one key of a record.
pub(crate) enum Change {
    Set(Bytes),
    Removed,
}

/// The state of a record at the time of loading, which the record itself contains as an extra entry.
pub(crate) struct Loaded<'a> {
    /// The session.
    pub(crate) id: SessionId,
    /// The last stored use of the session.
    pub(crate) seen: Timestamp,
    /// When the session expires.
    pub(crate) expires: Timestamp,
    /// Whether the current request created the session.
    pub(crate) made: bool,
    /// A hash of each field.
    fields: &'a Map<String, Value>,
}

/// Adds the entry to a record that contains the stored state.
pub(crate) fn note_loaded(
    data: &mut Data,
    id: SessionId,
    seen: Timestamp,
    expiry: OffsetDateTime,
    made: bool,
    hashing: &RandomState,
) {
    let own = data.iter().filter(|(key, _)| *key != LOADED);
    let fields: Map<_, _> = own
        .map(|(key, value)| (key.clone(), hashing.hash_one(value).into()))
        .collect();
    let [high, low] = [id.0 >> 64, id.0].map(|half| half as u64);
    let entry: Vec<Value> = vec![
        high.into(),
        low.into(),
        seen.as_millis().into(),
        millis(expiry).as_millis().into(),
        made.into(),
        fields.into(),
    ];
    data.insert(LOADED.to_owned(), entry.into());
}

impl<'a> Loaded<'a> {
    /// Returns the entry of a record, or `None` if the record is new or was cleared.
    pub(crate) fn of(data: &'a Data) -> Result<Option<Self>> {
        let Some(entry) = data.get(LOADED) else {
            return Ok(None);
        };
        let read = || {
            let [high, low, seen, expires, made, fields] = &entry.as_array()?[..] else {
                return None;
            };
            Some(Self {
                id: SessionId(i128::from(high.as_u64()?) << 64 | i128::from(low.as_u64()?)),
                seen: Timestamp::from_millis(seen.as_u64()?),
                expires: Timestamp::from_millis(expires.as_u64()?),
                made: made.as_bool()?,
                fields: fields.as_object()?,
            })
        };
        read().map(Some).ok_or_else(|| {
            Error::new(
                ErrorKind::Encode,
                format!(
                    "the record's key `{LOADED}` is reserved for the store; choose another key"
                ),
            )
        })
    }

    fn had(&self, key: &str, value: &Value, hashing: &RandomState) -> bool {
        let hash = self.fields.get(key).and_then(Value::as_u64);
        hash == Some(hashing.hash_one(value))
    }
}

/// The changes of a record since it was loaded, or all keys if it was not loaded.
pub(crate) fn changes(
    data: &Data,
    loaded: Option<&Loaded<'_>>,
    hashing: &RandomState,
) -> Result<BTreeMap<FieldName, Change>> {
    let mut changes = BTreeMap::new();
    for (key, value) in data.iter().filter(|(key, _)| *key != LOADED) {
        if !loaded.is_some_and(|loaded| loaded.had(key, value, hashing)) {
            let name = name(key)?;
            let bytes = encode(value).map_err(|cause| cause.on_field(name.clone()))?;
            changes.insert(name, Change::Set(bytes));
        }
    }
    let known = loaded.into_iter().flat_map(|loaded| loaded.fields.keys());
    for key in known.filter(|key| !data.contains_key(*key)) {
        changes.insert(name(key)?, Change::Removed);
    }
    Ok(changes)
}

/// The changes as writes for a store, with their index entries.
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

/// Builds a record from fields, without the library's own. A field that cannot be read is an error, since the session would not
/// be the same without it.
pub(crate) fn data(fields: &[(FieldName, Bytes)]) -> Result<Data> {
    let own = fields.iter().filter(|(name, _)| !name.is_reserved());
    own.map(|(name, bytes)| Ok((name.to_string(), decode(name, bytes)?)))
        .collect()
}

pub(crate) fn decode(name: &FieldName, bytes: &[u8]) -> Result<Value> {
    let read = || Stored::open(bytes)?.body().decode();
    read().map_err(|cause| cause.on_field(name.clone()))
}

/// The write of the field with the expiry of a record.
pub(crate) fn expiry_field(expiry: OffsetDateTime) -> Result<Write> {
    let bytes = encode(&(expiry.unix_timestamp(), expiry.nanosecond()))
        .map_err(|cause| cause.on_field(EXPIRY))?;
    Ok(Write::set(EXPIRY, bytes))
}

/// Returns when a session expires, if it is live at `now`. A session that tower-sessions did not create counts as not live.
pub(crate) fn live_until(bytes: Option<&Bytes>, now: Timestamp) -> Result<Option<OffsetDateTime>> {
    let Some(bytes) = bytes else { return Ok(None) };
    let read = || Stored::open(bytes)?.body().decode::<(i64, u32)>();
    let (seconds, nanoseconds) = read().map_err(|cause| cause.on_field(EXPIRY))?;
    let expiry = OffsetDateTime::from_unix_timestamp(seconds)
        .and_then(|expiry| expiry.replace_nanosecond(nanoseconds))
        .map_err(|cause| {
            Error::new(ErrorKind::Decode, "is not a valid time")
                .because(cause)
                .on(EXPIRY)
        })?;
    let now = i128::from(now.as_millis()) * 1_000_000;
    Ok((now < expiry.unix_timestamp_nanos()).then_some(expiry))
}

/// Rounds up to a whole millisecond.
pub(crate) fn millis(time: OffsetDateTime) -> Timestamp {
    let millis = (time.unix_timestamp_nanos().max(0) + 999_999) / 1_000_000;
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

fn name(key: &str) -> Result<FieldName> {
    let refused = if key.is_empty() {
        "is empty; choose a name".to_owned()
    } else if key.starts_with(RESERVED_PREFIX) {
        "begins with `level-session:`, which is reserved for the library; choose another key"
            .to_owned()
    } else if key.len() > MAX_KEY_BYTES {
        format!(
            "has {} bytes, but at most {MAX_KEY_BYTES} are allowed; store long data in the value",
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
