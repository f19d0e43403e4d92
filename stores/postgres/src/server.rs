//! Sends statements to the server and interprets the outcome.

use crate::{
    fault,
    load::Asides,
    param::{Param, Statement},
    schema::Schema,
};
use deadpool_postgres::{Client, Pool};
use level_session_store::{Result, rules};
use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
    time::Duration,
};
use tokio::{
    sync::{RwLock, RwLockReadGuard},
    time::timeout,
};
use tokio_postgres::{Error as Cause, Row, types::Type};

/// How often a statement that collided with another one is retried.
const COLLISIONS: u32 = 200;

/// The pool, and the settings for its use.
pub(crate) struct Server {
    pub(crate) pool: Pool,
    pub(crate) schema: Schema,
    pub(crate) asides: Asides,
    /// Whether statements are unnamed: for a pooler that may run each of them on another connection.
    pub(crate) unnamed: bool,
    /// `synchronous_commit`, if it cannot be set per connection.
    pub(crate) synchronous_commit: Option<&'static str>,
    /// How long to wait for a connection, and for a response.
    pub(crate) patience: Duration,
    pub(crate) closed: AtomicBool,
    /// Every call holds a read lock for as long as it runs.
    pub(crate) calls: RwLock<()>,
}

/// What a statement does: for error messages, and to tell whether an error leaves the outcome open.
#[derive(Clone, Copy)]
pub(crate) enum Doing {
    Reading(&'static str),
    Writing(&'static str),
}

impl Doing {
    fn text(self) -> &'static str {
        match self {
            Self::Reading(text) | Self::Writing(text) => text,
        }
    }

    fn writes(self) -> bool {
        matches!(self, Self::Writing(_))
    }
}

/// The outcome of a statement that may lose to another one.
pub(crate) enum Ran {
    Rows(Vec<Row>),
    /// A row with one of its keys exists already: nothing was changed.
    Taken,
}

impl Server {
    /// Admits a call, unless the store is closed.
    pub(crate) async fn enter(&self) -> Result<RwLockReadGuard<'_, ()>> {
        if self.is_closed() {
            return Err(rules::closed());
        }
        let call = self.calls.read().await;
        match self.is_closed() {
            true => Err(rules::closed()),
            false => Ok(call),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Admits no calls from now on, and waits for those in flight, but not for ever: a call that is no longer polled does
    /// not end. Returns whether it was open.
    pub(crate) async fn leave(&self) -> bool {
        let was_open = !self.closed.swap(true, Ordering::AcqRel);
        let _idle = timeout(self.patience, self.calls.write()).await;
        was_open
    }

    /// Runs one statement and returns its rows.
    pub(crate) async fn rows(&self, doing: Doing, statement: &Statement) -> Result<Vec<Row>> {
        match self.run(doing, &[], statement).await? {
            Ran::Rows(rows) => Ok(rows),
            Ran::Taken => Err(fault::damaged("a key occurs twice")),
        }
    }

    /// Runs a statement, in one transaction with the statements `before` it if there are any, and retries it if it
    /// collides with another one.
    ///
    /// A transaction is sent in one piece: dropping the future leaves none open.
    pub(crate) async fn run(
        &self,
        doing: Doing,
        before: &[Statement],
        statement: &Statement,
    ) -> Result<Ran> {
        // Each of the pool's connections may have closed while it was idle.
        let mut left = self.pool.status().max_size + 1;
        for collisions in 0.. {
            let client = self.client(doing).await?;
            let ran = timeout(self.patience, async {
                match before {
                    [] => self.one(&client, statement).await,
                    _ => transaction(&client, before, statement).await,
                }
            })
            .await;
            let cause = match ran {
                Ok(Ok(rows)) => return Ok(Ran::Rows(rows)),
                Ok(Err(cause)) => cause,
                Err(_) => {
                    // A late response would go to the next user of the connection.
                    drop(Client::take(client));
                    return Err(fault::stalled(doing.text(), doing.writes(), self.patience));
                }
            };
            if cause.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION) {
                return Ok(Ran::Taken);
            }
            let is_stale = self.forget_plans(&client, &cause);
            // A read is retried if its connection was lost; any statement is retried if it did not run because it has
            // to be prepared again.
            let again = is_stale || (!doing.writes() && fault::is_lost(&cause));
            if fault::is_lost(&cause) {
                drop(Client::take(client));
            }
            if again && left > 0 {
                left -= 1;
            } else if fault::is_collision(&cause) && collisions < COLLISIONS {
                pause(collisions).await;
            } else {
                return Err(fault::statement(doing.text(), doing.writes(), &cause));
            }
        }
        unreachable!("the loop returns")
    }

    async fn client(&self, doing: Doing) -> Result<Client> {
        self.pool
            .get()
            .await
            .map_err(|cause| fault::pool(doing.text(), cause, self.patience))
    }

    async fn one(&self, client: &Client, statement: &Statement) -> Result<Vec<Row>, Cause> {
        if self.unnamed {
            return unnamed(client, statement).await;
        }
        let types = statement.types();
        let prepared = client.prepare_typed_cached(&statement.sql, &types).await?;
        client
            .query(&prepared, &references(&statement.params))
            .await
    }

    /// Forgets prepared statements that are stale: the tables have changed, or another server has taken over.
    fn forget_plans(&self, client: &Client, cause: &Cause) -> bool {
        let stale = cause
            .code()
            .is_some_and(|code| ["0A000", "26000"].contains(&code.code()));
        if stale && !self.unnamed {
            client.statement_cache.clear();
        }
        stale && !self.unnamed
    }
}

async fn unnamed(client: &Client, statement: &Statement) -> Result<Vec<Row>, Cause> {
    let params: Vec<_> = references(&statement.params)
        .into_iter()
        .zip(statement.types())
        .collect::<Vec<(_, Type)>>();
    client.query_typed(&statement.sql, &params).await
}

fn references(params: &[Param]) -> Vec<&(dyn tokio_postgres::types::ToSql + Sync)> {
    params.iter().map(|param| param as _).collect()
}

/// All statements and the `COMMIT` are handed to the connection before the first response is awaited. Under READ
/// COMMITTED each statement sees what was committed before it began, whatever the server's default isolation level.
async fn transaction(
    client: &Client,
    before: &[Statement],
    last: &Statement,
) -> Result<Vec<Row>, Cause> {
    let mut begin = pin!(client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"));
    let mut steps: Vec<_> = before
        .iter()
        .chain([last])
        .map(|statement| Box::pin(unnamed(client, statement)))
        .collect();
    let mut commit = pin!(client.batch_execute("COMMIT"));
    // The first poll of each future hands its statement to the connection; none is ready then.
    let mut answers = (None, Vec::new(), None);
    poll_fn(|cx| {
        if let Poll::Ready(answer) = begin.as_mut().poll(cx) {
            answers.0 = Some(answer);
        }
        for step in &mut steps {
            answers.1.push(match step.as_mut().poll(cx) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            });
        }
        if let Poll::Ready(answer) = commit.as_mut().poll(cx) {
            answers.2 = Some(answer);
        }
        Poll::Ready(())
    })
    .await;
    let (begun, first, committed) = answers;
    match begun {
        Some(answer) => answer?,
        None => begin.await?,
    }
    let mut rows = Ok(Vec::new());
    for (step, first) in steps.into_iter().zip(first) {
        let answer = match first {
            Some(answer) => answer,
            None => step.await,
        };
        // The first error has the reason; the transaction is rolled back.
        if rows.is_ok() {
            rows = answer;
        }
    }
    let committed = match committed {
        Some(answer) => answer,
        None => commit.await,
    };
    let rows = rows?;
    committed?;
    Ok(rows)
}

/// Backs off: sleeps for a random time that grows with the number of retries.
async fn pause(times: u32) {
    let mut random = [0; 2];
    // Without random bytes there is no jitter.
    let _ = getrandom::fill(&mut random);
    let most = 200 * u64::from(times.min(50)) + 100;
    let micros = u64::from(u16::from_le_bytes(random)) % most;
    tokio::time::sleep(Duration::from_micros(micros)).await;
}
