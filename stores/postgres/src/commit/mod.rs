//! Commits: each attempt is one conditional statement. Why one did not apply is looked up afterwards, and what was found
//! there is what the next attempt goes by.

mod explain;
mod statement;

use crate::{
    codec,
    server::{Doing, Ran, Server},
};
use explain::Explained;
use level_session_store::{
    Bytes, Commit, Digest, Done, Error, ErrorKind, Meta, Op, Outcome, Result, Step, rules,
};
use std::collections::BTreeMap;
use tokio::sync::{Mutex, MutexGuard};

const WRITE: Doing = Doing::Writing("write a session");

/// Attempts of one commit, each of which lost to another commit.
const ATTEMPTS: u32 = 1_000;

/// What an attempt goes by: the session's present id, and the counters that it adds to.
pub(crate) struct Known {
    current: Digest,
    counters: BTreeMap<String, Option<Bytes>>,
}

/// A commit that applied, and the id under which the session was until then.
pub(crate) struct Applied {
    pub(crate) done: Done,
    pub(crate) current: Digest,
}

/// Turns of commits that have lost to another one of this process, so that they do not go on losing to each other.
pub(crate) struct Turns(Vec<Mutex<()>>);

impl Turns {
    pub(crate) fn new() -> Self {
        Self((0..64).map(|_| Mutex::default()).collect())
    }

    async fn of(&self, id: Digest) -> MutexGuard<'_, ()> {
        let [first, ..] = *id.as_bytes();
        self.0[usize::from(first) % self.0.len()].lock().await
    }
}

impl Server {
    /// Applies a commit, or says why not.
    pub(crate) async fn commit(
        &self,
        turns: &Turns,
        commit: &Commit<'_>,
    ) -> Result<Result<Applied, Outcome>> {
        let _open = self.enter().await?;
        let mut known = Known::seen(commit);
        let mut turn = None;
        for attempt in 0..ATTEMPTS {
            if let Some(known) = &known
                && let Some(done) = self.attempt(commit, known).await?
            {
                let current = known.current;
                return Ok(Ok(Applied { done, current }));
            }
            if attempt > 0 && turn.is_none() {
                turn = Some(turns.of(commit.id).await);
            }
            known = match self.explain(commit).await? {
                Explained::Refused(outcome) => return Ok(Err(outcome)),
                Explained::MayApply(known) => Some(known),
            };
        }
        Err(Error::new(
            ErrorKind::Store,
            format!("cannot write a session: others have changed it {ATTEMPTS} times meanwhile"),
        ))
    }

    /// `None` if it did not apply.
    async fn attempt(&self, commit: &Commit<'_>, known: &Known) -> Result<Option<Done>> {
        let counters = |name: &str| Ok(known.counters.get(name).cloned().flatten());
        // An addition that fails is told if nothing else is to be told before.
        let Ok(values) = rules::values(commit, counters) else {
            return Ok(None);
        };
        let Some(attempt) = statement::attempt(self, commit, known, &values)? else {
            return Ok(None);
        };
        let rows = match self.run(WRITE, &attempt.before, &attempt.statement).await? {
            Ran::Rows(rows) => rows,
            Ran::Taken => return Ok(None),
        };
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let answer = attempt.read(row)?;
        let by_former_id = known.current != commit.id;
        let meta = match commit.step {
            Step::Create { created, lease, .. } => {
                let created = codec::as_stored(lease_of(created)).started;
                Some(Meta::new(created, codec::as_stored(lease)))
            }
            Step::Destroy => None,
            _ => answer.life.map(|life| life.meta(commit.now)),
        };
        if answer.is_stale {
            // Room alone depends on it, and the next commit tries again.
            let id = match commit.step {
                Step::Renew { to, .. } => to,
                _ => known.current,
            };
            self.asides.note(id);
            drop(self.tidy(id).await);
        }
        Ok(Some(
            Done::new(meta)
                .with_by_former_id(by_former_id)
                .with_ended(answer.ended),
        ))
    }

    /// Removes the values of a session that no field refers to. The row is locked first: what is removed are those that
    /// its latest version does not have.
    async fn tidy(&self, id: Digest) -> Result<()> {
        let mut tidy = crate::param::Statement::default();
        let schema = &self.schema;
        let id = tidy.bind(crate::param::Param::Digest(*id.as_bytes()));
        tidy.push(format_args!(
            "WITH s AS (UPDATE {schema}.session SET stale = false, aside = EXISTS (\
                 SELECT FROM jsonb_each_text(fields) f WHERE f.value LIKE '#%') \
                 WHERE digest = {id} AND stale RETURNING digest, fields) \
             DELETE FROM {schema}.value v USING s WHERE v.digest = s.digest AND NOT EXISTS (\
                 SELECT FROM jsonb_each_text(s.fields) f WHERE f.value = '#' || encode(v.hash, 'base64'))"
        ));
        self.rows(WRITE, &tidy).await.map(drop)
    }
}

impl Known {
    /// What can be known without a look: `None` if the commit adds to a counter that its caller has not seen.
    fn seen(commit: &Commit<'_>) -> Option<Self> {
        let mut counters = BTreeMap::new();
        let is_new = matches!(commit.step, Step::Create { .. });
        for write in commit.writes {
            let Op::Add { seen, .. } = &write.op else {
                continue;
            };
            if is_new || commit.clear.removes(&write.field) {
                continue; // it begins at its base
            }
            counters.insert(write.field.to_string(), seen.clone()?);
        }
        Some(Self {
            current: commit.id,
            counters,
        })
    }
}

/// A lease of one moment, to store that as a time is stored.
fn lease_of(at: level_session_store::Timestamp) -> level_session_store::Lease {
    level_session_store::Lease::new(at, at, at, None)
}
