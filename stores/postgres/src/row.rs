//! A row of `session`.

use crate::{
    codec::{self, Hash, Members, Read},
    fault::damaged,
    param::JsonText,
};
use level_session_store::{
    Bytes, Digest, Error, FieldName, Fields, Lease, Lifetime, Result, Select, Timeouts, Timestamp,
    rules::Life,
};
use std::collections::HashMap;
use tokio_postgres::Row;

/// The columns of a session's times, in the order that [`life`] reads.
pub(crate) const LIFE: &str = "created, started, seen, told, idle_at, absolute_at, own_idle, own_absolute, transient, \
                               former, former_until";

/// The times of a session from a row that begins with [`LIFE`]; `None` if the row is a mark.
pub(crate) fn life(row: &Row) -> Result<Option<Life>> {
    let Some(idle) = time(row, 4)? else {
        return Ok(None);
    };
    let must = |column| time(row, column)?.ok_or_else(|| damaged("a time is missing"));
    let mut lease = Lease::new(must(1)?, must(2)?, idle, time(row, 5)?);
    lease.told = must(3)?;
    let length = |column| match number(row, column)? {
        None => Ok(None),
        Some(stored) => match codec::read_duration(stored) {
            None => Err(damaged("a time is negative")),
            length => Ok(length),
        },
    };
    if let Some(own_idle) = length(6)? {
        let timeouts = Timeouts::new(own_idle).with_absolute(length(7)?);
        let transient = get::<Option<bool>>(row, 8)?.unwrap_or_default();
        lease.lifetime = Some(Lifetime::new(timeouts).with_transient(transient));
    }
    let former = match (digest(row, 9)?, time(row, 10)?) {
        (Some(former), Some(until)) => Some((former, until)),
        _ => None,
    };
    Ok(Some(Life {
        created: must(0)?,
        lease,
        former,
    }))
}

pub(crate) fn get<'r, T: tokio_postgres::types::FromSql<'r>>(
    row: &'r Row,
    column: usize,
) -> Result<T> {
    row.try_get(column)
        .map_err(|_| damaged("a column has the wrong type"))
}

fn number(row: &Row, column: usize) -> Result<Option<i64>> {
    get(row, column)
}

pub(crate) fn time(row: &Row, column: usize) -> Result<Option<Timestamp>> {
    match number(row, column)? {
        None => Ok(None),
        Some(stored) => match codec::read_time(stored) {
            None => Err(damaged("a time is negative")),
            time => Ok(time),
        },
    }
}

pub(crate) fn digest(row: &Row, column: usize) -> Result<Option<Digest>> {
    match get::<Option<&[u8]>>(row, column)? {
        None => Ok(None),
        Some(bytes) => as_digest(bytes).map(Some),
    }
}

pub(crate) fn as_digest(bytes: &[u8]) -> Result<Digest> {
    let bytes = bytes
        .try_into()
        .map_err(|_| damaged("a digest has the wrong length"))?;
    Ok(Digest::from_bytes(bytes))
}

/// The fields of a row, as far as they were requested.
#[derive(Default)]
pub(crate) struct Stored {
    /// Names and cells, as stored.
    members: Vec<(String, String)>,
    aside: HashMap<Hash, Bytes>,
}

impl Stored {
    pub(crate) fn of(row: &Row, fields: usize, aside: usize) -> Result<Self> {
        let members = match get::<Option<JsonText<'_>>>(row, fields)? {
            None => Vec::new(),
            Some(JsonText(text)) => {
                let members: Members = serde_json::from_slice(text)
                    .map_err(|_| damaged("its fields are not a JSON object of strings"))?;
                members.0
            }
        };
        let mut stored = Self {
            members,
            aside: HashMap::new(),
        };
        for bytes in get::<Option<Vec<&[u8]>>>(row, aside)?.unwrap_or_default() {
            let (hash, bytes) = bytes
                .split_first_chunk()
                .ok_or_else(|| damaged("a hash has the wrong length"))?;
            stored.aside.insert(*hash, bytes.into());
        }
        Ok(stored)
    }

    /// Whether a requested value is in the separate table and was not read.
    pub(crate) fn lacks(&self, select: Select<'_>) -> bool {
        let lacks = |cell: &str| matches!(codec::read(cell), Some(Read::Aside(hash)) if !self.aside.contains_key(&hash));
        match select {
            Select::Names(names) => {
                let mut cells = names.iter().filter_map(|name| self.cell(name));
                cells.any(lacks)
            }
            _ => self.members.iter().any(|(_, cell)| lacks(cell)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The names of all fields.
    pub(crate) fn names(&self) -> Result<Vec<FieldName>> {
        self.members.iter().map(|(name, _)| field(name)).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.cell(name).is_some()
    }

    fn cell(&self, name: &str) -> Option<&str> {
        let name = codec::name(name);
        let member = self.members.iter().find(|(other, _)| *other == name);
        member.map(|(_, cell)| &**cell)
    }

    fn bytes(&self, cell: &str) -> Option<Bytes> {
        match codec::read(cell)? {
            Read::Here(bytes) => Some(bytes),
            Read::Aside(hash) => self.aside.get(&hash).cloned(),
        }
    }

    /// The stored value of a field, if it was requested.
    pub(crate) fn value(&self, name: &str) -> Result<Option<Bytes>> {
        self.cell(name)
            .map(|cell| {
                self.bytes(cell)
                    .ok_or_else(|| unreadable().on(name.to_owned()))
            })
            .transpose()
    }

    /// The result of a load: all fields if that costs nothing extra, unless one of them is damaged. A damaged field
    /// does not affect the others.
    pub(crate) fn select(self, select: Select<'_>) -> Result<Fields> {
        match select {
            Select::Nothing => Ok(Fields::nothing()),
            Select::Names(names) => {
                let all_here = !self.members.iter().any(|(_, cell)| codec::is_aside(cell));
                match all_here.then(|| self.all()) {
                    Some(Ok(all)) => Ok(Fields::all(all)),
                    _ => {
                        let values = names.iter().map(|name| self.value(name));
                        Ok(Fields::named(values.collect::<Result<_>>()?))
                    }
                }
            }
            Select::All => Ok(Fields::all(self.all()?)),
            _ => Err(level_session_store::rules::unknown("selection")),
        }
    }

    fn all(&self) -> Result<Vec<(FieldName, Bytes)>> {
        let member = |(name, cell): &(String, String)| {
            let name = field(name)?;
            match self.bytes(cell) {
                Some(bytes) => Ok((name, bytes)),
                None => Err(unreadable().on(name)),
            }
        };
        self.members.iter().map(member).collect()
    }
}

fn field(written: &str) -> Result<FieldName> {
    match codec::read_name(written.to_owned()) {
        Some(name) => Ok(name.into()),
        None => Err(damaged(
            "the name of a field is not in the form that the store writes",
        )),
    }
}

fn unreadable() -> Error {
    damaged("its value cannot be read")
}
