//! Statements to the server, and what came of them.

use crate::{
    fault,
    load::Asides,
    param::{Param, Statement},
    schema::Schema,
};
use deadpool_postgres::{Client, Pool};
use level_session_store::{Result, rules};
use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};
use tokio::{
    sync::{RwLock, RwLockReadGuard},
    time::timeout,
};
use tokio_postgres::{Error as Cause, Row, types::Type};

/// How often a statement that collided with another one is sent again.
const COLLISIONS: u32 = 200;

/// The pool, and how it is used.
pub(crate) struct Server {
    pub(crate) pool: Pool,
    pub(crate) schema: Schema,
    pub(crate) asides: Asides,
    /// Statements without a name: for a pooler that gives each of them another connection.
    pub(crate) unnamed: bool,
    /// `synchronous_commit`, where it cannot be set for the connection.
    pub(crate) synchronous_commit: Option<&'static str>,
    /// How long to wait for a connection, and for an answer.
    pub(crate) patience: Duration,
    /// Whether it was closed. Every call reads it as long as it lasts.
    pub(crate) closed: RwLock<bool>,
}

/// What a statement does, for messages and for what an error leaves open.
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

/// What became of a statement that may lose to another one.
pub(crate) enum Ran {
    Rows(Vec<Row>),
    /// A row with one of its keys is there already: nothing was changed.
    Taken,
}

impl Server {
    /// Lets a call in, unless the store is closed.
    pub(crate) async fn enter(&self) -> Result<RwLockReadGuard<'_, bool>> {
        let closed = self.closed.read().await;
        match *closed {
            true => Err(rules::closed()),
            false => Ok(closed),
        }
    }

    /// Runs one statement, and gives its rows.
    pub(crate) async fn rows(&self, doing: Doing, statement: &Statement) -> Result<Vec<Row>> {
        match self.run(doing, &[], statement).await? {
            Ran::Rows(rows) => Ok(rows),
            Ran::Taken => Err(fault::damaged("a key is there twice")),
        }
    }

    /// Runs a statement, in one transaction with those before it if there are any; again, if it collides with another one.
    ///
    /// A transaction goes out in one piece: whoever drops the future meanwhile leaves none open.
    pub(crate) async fn run(
        &self,
        doing: Doing,
        before: &[Statement],
        statement: &Statement,
    ) -> Result<Ran> {
        // Each of the pool's connections may have ended while nobody used it.
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
                    // It may answer later, to whoever had the connection then.
                    drop(Client::take(client));
                    return Err(fault::stalled(doing.text(), doing.writes(), self.patience));
                }
            };
            if cause.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION) {
                return Ok(Ran::Taken);
            }
            let is_stale = self.forget_plans(&client, &cause);
            // A read that was lost is asked again; and so is a statement that was not carried out since it has to be
            // prepared anew.
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
        unreachable!("the loop has no end of its own")
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

    /// Forgets prepared statements that no longer fit: the tables have changed, or another server has taken over.
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

/// All statements and the `COMMIT` are handed to the connection before the first answer is awaited. Under READ COMMITTED
/// each sees what was committed before it began, whatever the server's default is.
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
    // The first poll of each hands it to the connection; none is ready then.
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
        // The first error is the one that has a reason; the transaction is rolled back.
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

/// Waits a moment that is longer the more often it had to, and another one for everybody.
async fn pause(times: u32) {
    let mut random = [0; 2];
    // Without random bytes all wait as long.
    let _ = getrandom::fill(&mut random);
    let most = 200 * u64::from(times.min(50)) + 100;
    let micros = u64::from(u16::from_le_bytes(random)) % most;
    tokio::time::sleep(Duration::from_micros(micros)).await;
}
