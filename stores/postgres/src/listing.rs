//! Sessions by an index entry, and all of them.

use crate::{
    codec,
    param::{Param, Place, Statement},
    row::{self, LIFE},
    server::{Doing, Server},
    statements,
};
use level_session_store::{Cursor, Digest, Flaw, Found, Page, Result, Timestamp, rules};
use tokio_postgres::Row;

const LIST: Doing = Doing::Reading("list sessions");

/// More than any caller asks for at once.
const MOST: usize = 10_000;

impl Server {
    pub(crate) async fn find(
        &self,
        field: &str,
        entry: &[u8],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Found>> {
        let _open = self.enter().await?;
        let mut find = Statement::default();
        let schema = &self.schema;
        let entry = find.bind(Param::Json(statements::entry_of(field, entry)));
        let at = find.bind(Param::Number(codec::time(now)));
        let has_entry = statements::has_entry(entry, at);
        let (from, limit, rows) = bounds(&mut find, after, limit)?;
        // Materialized: ordered by digest, the planner would scan all sessions to fill a page with a few.
        find.push(format_args!(
            "WITH found AS MATERIALIZED (\
                 SELECT {LIFE}, digest FROM {schema}.session WHERE {has_entry}{from}) \
             SELECT * FROM found ORDER BY digest LIMIT {rows}"
        ));
        let rows = self.rows(LIST, &find).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(life) = row::life(row)? {
                found.push(Found::new(id(row, 11)?, life.meta(now)));
            }
        }
        Ok(page(found, limit, |found| found.id))
    }

    pub(crate) async fn page(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Digest>> {
        let _open = self.enter().await?;
        let mut list = Statement::default();
        let schema = &self.schema;
        let at = list.bind(Param::Number(codec::time(now)));
        let is_live = statements::is_live(at);
        let (from, limit, rows) = bounds(&mut list, after, limit)?;
        list.push(format_args!(
            "SELECT digest FROM {schema}.session WHERE {is_live}{from} ORDER BY digest LIMIT {rows}"
        ));
        let rows = self.rows(LIST, &list).await?;
        let ids = rows.iter().map(|row| id(row, 0)).collect::<Result<_>>()?;
        Ok(page(ids, limit, |id| *id))
    }
}

impl Server {
    /// The contradictions within a page of sessions. A row is read as of one moment.
    pub(crate) async fn flaws(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<Flaw>> {
        const LATE: &str = "is examined by the sweep after its deadline, so it stays too long once it has expired: \
                            its next use mends it";
        const NOT_THERE: &str =
            "has an index entry and is not there: the next write to it removes the entry";
        let _open = self.enter().await?;
        let mut list = Statement::default();
        let schema = &self.schema;
        let (from, limit, rows) = bounds(&mut list, after, limit)?;
        list.push(format_args!(
            "SELECT digest, due > least(idle_at, absolute_at), \
             ARRAY(SELECT k FROM jsonb_object_keys(entries) k WHERE NOT fields ? k) \
             FROM {schema}.session WHERE idle_at IS NOT NULL{from} ORDER BY digest LIMIT {rows}"
        ));
        let rows = self.rows(LIST, &list).await?;
        let mut looked = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = id(row, 0)?;
            let mut flaws = Vec::new();
            if row::get(row, 1)? {
                flaws.push(Flaw::new(id, LATE));
            }
            for name in row::get::<Vec<String>>(row, 2)? {
                let name = codec::read_name(name.clone()).unwrap_or(name);
                flaws.push(Flaw::new(id, NOT_THERE).on(name.into()));
            }
            looked.push((id, flaws));
        }
        let looked = page(looked, limit, |(id, _)| *id);
        let flaws = looked.items.into_iter().flat_map(|(_, flaws)| flaws);
        Ok(Page::new(flaws.collect(), looked.next))
    }
}

fn id(row: &Row, column: usize) -> Result<Digest> {
    row::as_digest(row::get(row, column)?)
}

/// The condition for the start of a page, its length, and how many rows are requested. A cursor is the last digest of
/// the previous page.
fn bounds(
    statement: &mut Statement,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<(String, usize, Place)> {
    let limit = limit.clamp(1, MOST);
    let rows = statement.bind(Param::Number(limit as i64 + 1));
    let Some(after) = after else {
        return Ok((String::new(), limit, rows));
    };
    let last = after.as_bytes().try_into();
    let last = last.map_err(|_| rules::foreign_cursor())?;
    let last = statement.bind(Param::Digest(last));
    Ok((format!(" AND digest > {last}"), limit, rows))
}

/// One row more than the page holds was requested, to know whether another page follows.
fn page<T>(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> Digest) -> Page<T> {
    if items.len() <= limit {
        return Page::new(items, None);
    }
    items.truncate(limit);
    let next = items.last().map(|last| Cursor::new(*id(last).as_bytes()));
    Page::new(items, next)
}
