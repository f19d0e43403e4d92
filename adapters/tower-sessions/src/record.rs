//! Records of tower-sessions as fields, and their changes.

use crate::{
    id::SessionId,
    index::{Index, encode, entry},
};
use level_session_store::{
    Bytes, Error, ErrorKind, FieldName, RESERVED_PREFIX, Result, Timestamp, Write, value::Stored,
};
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};
use time::OffsetDateTime;

/// The keys of a record.
pub(crate) type Data = HashMap<String, Value>;

/// The key under which a record contains its state at the time of loading.
pub(crate) const LOADED: &str = "level-session:loaded";
/// The field with the expiry of the record, which every save writes.
pub(crate) const EXPIRY: FieldName = FieldName::from_static("level-session:tower-sessions");

/// The number of values in the entry of a record without fields.
const ENTRY: usize = 6;
/// The maximum length of a key, as for every session.
const MAX_KEY_BYTES: usize = 1024;

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
    /// For each field, the length of its name and a hash of its value.
    fields: &'a [Value],
    /// The names of all fields, without separators.
    names: &'a str,
}

/// Adds the entry to a record that contains the stored state. Most records are never saved, so it is made with as many allocations
/// for a hundred fields as for one.
pub(crate) fn note_loaded(
    data: &mut Data,
    id: SessionId,
    seen: Timestamp,
    expiry: OffsetDateTime,
    made: bool,
    hashing: &RandomState,
) {
    data.remove(LOADED);
    let [high, low] = [id.0 >> 64, id.0].map(|half| half as u64);
    let mut entry: Vec<Value> = Vec::with_capacity(ENTRY + 2 * data.len());
    entry.extend([
        high.into(),
        low.into(),
        seen.as_millis().into(),
        millis(expiry).as_millis().into(),
        made.into(),
    ]);
    let mut names = String::with_capacity(data.keys().map(String::len).sum());
    for (key, value) in &*data {
        entry.extend([key.len().into(), hashing.hash_one(value).into()]);
        names.push_str(key);
    }
    entry.push(names.into());
    data.insert(LOADED.to_owned(), entry.into());
}

impl<'a> Loaded<'a> {
    /// Returns the entry of a record, or `None` if the record is new or was cleared.
    pub(crate) fn of(data: &'a Data) -> Result<Option<Self>> {
        let Some(entry) = data.get(LOADED) else {
            return Ok(None);
        };
        let read = || {
            let [high, low, seen, expires, made, fields @ .., names] = &entry.as_array()?[..]
            else {
                return None;
            };
            Some(Self {
                id: SessionId(i128::from(high.as_u64()?) << 64 | i128::from(low.as_u64()?)),
                seen: Timestamp::from_millis(seen.as_u64()?),
                expires: Timestamp::from_millis(expires.as_u64()?),
                made: made.as_bool()?,
                fields,
                names: names.as_str()?,
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

    /// The name of each field, and a hash of its value.
    fn fields(&self) -> impl Iterator<Item = (&'a str, u64)> + use<'a> {
        let mut rest = self.names;
        self.fields.chunks_exact(2).map_while(move |field| {
            let [len, hash] = [field[0].as_u64()?, field[1].as_u64()?];
            let (name, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
            rest = after;
            Some((name, hash))
        })
    }
}

/// The changes of a record since it was loaded, or all keys if it was not loaded, as writes for a store.
pub(crate) fn changes(
    data: &Data,
    loaded: Option<&Loaded<'_>>,
    hashing: &RandomState,
    indexes: &[Index],
) -> Result<Vec<Write>> {
    let set = |key: &str, value: &Value| -> Result<Write> {
        let name = name(key)?;
        let bytes = encode(value).map_err(|cause| cause.on_field(name.clone()))?;
        let entry = entry(indexes, &name, value)?;
        Ok(Write::set(name, bytes).with_index(entry))
    };
    let known = || loaded.into_iter().flat_map(Loaded::fields);
    let mut writes = Vec::new();
    let mut kept = 0;
    for (key, hash) in known() {
        let Some(value) = data.get(key) else {
            writes.push(Write::remove(name(key)?));
            continue;
        };
        kept += 1;
        if hashing.hash_one(value) != hash {
            writes.push(set(key, value)?);
        }
    }
    let own = data.len() - usize::from(loaded.is_some());
    if kept < own {
        let known: HashSet<&str> = known().map(|(key, _)| key).collect();
        let is_new = |key: &str| key != LOADED && !known.contains(key);
        // With room for the field with the expiry.
        writes.reserve(own - kept + 1);
        for (key, value) in data.iter().filter(|(key, _)| is_new(key)) {
            writes.push(set(key, value)?);
        }
    }
    Ok(writes)
}

/// Builds a record from fields, without the library's own. A field that cannot be read is an error, since the session would not
/// be the same without it.
pub(crate) fn data(fields: &[(FieldName, Bytes)]) -> Result<Data> {
    // The library's own field has the room of the entry that is added later.
    let mut data = Data::with_capacity(fields.len());
    for (name, bytes) in fields.iter().filter(|(name, _)| !name.is_reserved()) {
        data.insert((**name).to_owned(), decode(name, bytes)?);
    }
    Ok(data)
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
        return Ok(FieldName::from(Arc::<str>::from(key)));
    };
    Err(Error::new(
        ErrorKind::Encode,
        format!("a key of the record {refused}"),
    ))
}
