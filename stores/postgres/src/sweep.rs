//! Removes dead rows: any number of processes may do so at once, and each row is removed by one of them.

use crate::{
    Shared, codec,
    param::{Param, Statement},
    row,
    server::{Doing, Server},
};
use level_session_store::{Clock, Digest, Result, Timestamp};
use std::{sync::Weak, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

const SWEEP: Doing = Doing::Writing("remove expired sessions");

/// The number of rows per statement of the background sweep.
const ROUND: usize = 1_000;

impl Server {
    /// Examines up to `limit` rows that may be due; returns the sessions that were removed, and how many rows were
    /// examined.
    ///
    /// The earlier of the caller's clock and the server's is used: one machine whose clock is far ahead would sign out
    /// every user. Rows that another transaction has locked are left to the next sweep.
    pub(crate) async fn sweep(&self, now: Timestamp, limit: usize) -> Result<(Vec<Digest>, usize)> {
        let _open = self.enter().await?;
        if limit == 0 {
            return Ok((Vec::new(), 0));
        }
        let mut sweep = Statement::default();
        let schema = &self.schema;
        let now = sweep.bind(Param::Number(codec::time(now)));
        let limit = sweep.bind(Param::Number(i64::try_from(limit).unwrap_or(i64::MAX)));
        sweep.push(format_args!(
            "WITH clock AS MATERIALIZED (\
                 SELECT least({now}, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now), \
             due AS MATERIALIZED (\
                 SELECT digest, least(idle_at, absolute_at) AS dies, idle_at IS NULL AS is_mark FROM {schema}.session \
                 WHERE due <= (SELECT now FROM clock) ORDER BY due LIMIT {limit} FOR UPDATE SKIP LOCKED), \
             dead AS (\
                 DELETE FROM {schema}.session s USING due, clock \
                 WHERE s.digest = due.digest AND (due.is_mark OR due.dies <= clock.now) \
                 RETURNING s.digest, due.is_mark), \
             later AS (\
                 UPDATE {schema}.session s SET due = due.dies FROM due, clock \
                 WHERE s.digest = due.digest AND due.dies > clock.now) \
             SELECT (SELECT count(*) FROM due), ARRAY(SELECT digest FROM dead WHERE NOT is_mark)"
        ));
        let rows = self.rows(SWEEP, &sweep).await?;
        let Some(row) = rows.first() else {
            return Ok((Vec::new(), 0));
        };
        let looked = usize::try_from(row::get::<i64>(row, 0)?).unwrap_or_default();
        let removed = row::get::<Vec<&[u8]>>(row, 1)?;
        let removed = removed.into_iter().map(row::as_digest);
        Ok((removed.collect::<Result<_>>()?, looked))
    }
}

/// Sweeps at intervals for as long as the store exists and is open.
pub(crate) async fn in_background(store: Weak<Shared>, clock: Clock, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is immediate.
    ticks.tick().await;
    let mut failing = false;
    loop {
        ticks.tick().await;
        loop {
            let Some(store) = store.upgrade() else {
                return;
            };
            match store.sweep(clock.now(), ROUND).await {
                Ok(swept) => {
                    failing = false;
                    if !swept.more {
                        break;
                    }
                }
                Err(_) if store.server.is_closed() => return,
                Err(error) => {
                    if !failing {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "cannot remove expired sessions: retrying"
                        );
                    }
                    failing = true;
                    break;
                }
            }
        }
    }
}
