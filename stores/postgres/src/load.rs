//! Reading a session: one statement for any number of fields.

use crate::{
    codec,
    param::{Param, Statement},
    row::{self, LIFE, Stored},
    server::{Doing, Server},
};
use level_session_store::{
    Digest, Loaded, Meta, Result, Select, Snapshot, Timestamp,
    rules::{self, Life},
};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_postgres::Row;

const READ: Doing = Doing::Reading("read a session");

/// The record of a digest.
pub(crate) enum Record {
    Live(Life, Stored),
    Mark { at: Timestamp, to: Option<Digest> },
}

impl Server {
    pub(crate) async fn load(
        &self,
        id: Digest,
        select: Select<'_>,
        now: Timestamp,
    ) -> Result<Loaded> {
        let _open = self.enter().await?;
        let (to, at) = match self.record(id, select).await? {
            None => return Ok(Loaded::Missing),
            Some(Record::Mark { at, to: None }) => return Ok(Loaded::Ended(at)),
            Some(Record::Mark { at, to: Some(to) }) => (to, at),
            Some(Record::Live(life, _)) if !life.is_live(now) => return Ok(Loaded::Missing),
            Some(Record::Live(life, stored)) => return live(life.meta(now), stored, select, false),
        };
        // A mark never changes: only the other row determines whether its id works.
        match self.record(to, select).await? {
            Some(Record::Live(life, stored)) if life.works_by(id, now) => {
                live(life.meta(now), stored, select, true)
            }
            Some(Record::Mark { at: end, .. }) => Ok(Loaded::Ended(at.max(end))),
            _ => Ok(Loaded::Ended(at)),
        }
    }

    /// The row of a digest. The names of all fields come with the requested ones.
    ///
    /// The statement reads the table of large values only if the session is known to have some: opening another table
    /// and its index takes a third of the time of a load. If the row turns out to refer to such values, it is read
    /// again with them.
    pub(crate) async fn record(&self, id: Digest, select: Select<'_>) -> Result<Option<Record>> {
        let known = self.asides.has(id);
        let Some(row) = self.row(id, select, known).await? else {
            return Ok(None);
        };
        let Some(life) = row::life(&row)? else {
            return Ok(Some(Record::Mark {
                at: row::time(&row, 11)?
                    .ok_or_else(|| crate::fault::damaged("the time of its end is missing"))?,
                to: row::digest(&row, 12)?,
            }));
        };
        let stored = Stored::of(&row, 13, 14)?;
        if known || !stored.lacks(select) {
            return Ok(Some(Record::Live(life, stored)));
        }
        self.asides.note(id);
        Box::pin(self.record(id, select)).await
    }

    async fn row(&self, id: Digest, select: Select<'_>, aside: bool) -> Result<Option<Row>> {
        let mut statement = Statement::default();
        let schema = &self.schema;
        let digest = statement.bind(Param::Digest(*id.as_bytes()));
        statement.push(format_args!("SELECT {LIFE}, ended, moved, "));
        let values = |which: &str| {
            format!(
                "fields, CASE WHEN aside THEN ARRAY(SELECT v.hash || v.bytes FROM {schema}.value v \
                 WHERE v.digest = s.digest{which}) END"
            )
        };
        match select {
            Select::Nothing => statement.push(format_args!("NULL::jsonb, NULL::bytea[]")),
            _ if !aside => statement.push(format_args!("fields, NULL::bytea[]")),
            Select::All => statement.push(format_args!("{}", values(""))),
            Select::Names(names) => {
                let names = names.iter().map(|name| codec::name(name).into_owned());
                let names = statement.bind(Param::Texts(names.collect()));
                let which = format!(
                    " AND v.hash IN (SELECT decode(substr(s.fields ->> n, 2), 'base64') \
                     FROM unnest({names}) n WHERE s.fields ->> n LIKE '#%')"
                );
                statement.push(format_args!("{}", values(&which)));
            }
            _ => return Err(rules::unknown("selection")),
        }
        statement.push(format_args!(
            " FROM {schema}.session s WHERE digest = {digest}"
        ));
        let rows = self.rows(READ, &statement).await?;
        Ok(rows.into_iter().next())
    }
}

/// Which sessions may have large values in the separate table, by a few bits of their digests. It is a guess, and only
/// the form of a statement depends on it.
pub(crate) struct Asides(Vec<AtomicU64>);

impl Asides {
    pub(crate) fn new() -> Self {
        Self((0..1_024).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn has(&self, id: Digest) -> bool {
        let (word, bit) = Self::place(id);
        self.0[word].load(Ordering::Relaxed) & bit != 0
    }

    pub(crate) fn note(&self, id: Digest) {
        let (word, bit) = Self::place(id);
        self.0[word].fetch_or(bit, Ordering::Relaxed);
    }

    fn place(id: Digest) -> (usize, u64) {
        let [_, a, b, ..] = *id.as_bytes();
        let place = usize::from(u16::from_le_bytes([a, b]));
        (place / 64, 1 << (place % 64))
    }
}

fn live(meta: Meta, stored: Stored, select: Select<'_>, by_former_id: bool) -> Result<Loaded> {
    let fields = stored.select(select)?;
    Ok(Loaded::Live(
        Snapshot::new(meta, fields).with_by_former_id(by_former_id),
    ))
}
