//! Commits: each attempt is one conditional statement. If it did not apply, the reason is looked up afterwards, and the
//! next attempt uses the result.

mod explain;
mod statement;

use crate::{
    codec,
    server::{Doing, Ran, Server},
};
use explain::Explained;
use level_session_store::{
    Bytes, Commit, Digest, Done, Error, ErrorKind, Meta, Op, Outcome, Result, Step, Turns, rules,
};
use std::collections::BTreeMap;

const WRITE: Doing = Doing::Writing("write a session");

/// The maximum number of attempts of one commit, each of which lost to another commit.
const ATTEMPTS: u32 = 1_000;

/// What an attempt assumes: the session's current id, and the counters that it adds to.
pub(crate) struct Known {
    current: Digest,
    counters: BTreeMap<String, Option<Bytes>>,
}

/// A commit that was applied, and the session's id until then.
pub(crate) struct Applied {
    pub(crate) done: Done,
    pub(crate) current: Digest,
}

impl Server {
    /// Applies a commit, or returns why it was not applied.
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
                drop(turn);
                let current = known.current;
                return Ok(Ok(Applied { done, current }));
            }
            if attempt == 1 {
                turn = turns.of(commit.id).await;
            }
            known = match self.explain(commit).await? {
                Explained::Refused(outcome) => return Ok(Err(outcome)),
                Explained::MayApply(known) => Some(known),
            };
        }
        Err(Error::new(
            ErrorKind::Store,
            format!("cannot write a session: other commits changed it during {ATTEMPTS} attempts"),
        ))
    }

    /// `None` if it did not apply.
    async fn attempt(&self, commit: &Commit<'_>, known: &Known) -> Result<Option<Done>> {
        let counters = |name: &str| Ok(known.counters.get(name).cloned().flatten());
        // The error of an addition is returned only if there is no other reason.
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
            // A failure only leaves values that use space, and the next commit tries again.
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

    /// Removes the values of a session that no field refers to. The row is locked first, so the values removed are
    /// those that its latest version does not refer to.
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
    /// What is known without a lookup: `None` if the commit adds to a counter that its caller has not read.
    fn seen(commit: &Commit<'_>) -> Option<Self> {
        let mut counters = BTreeMap::new();
        let is_new = matches!(commit.step, Step::Create { .. });
        for write in commit.writes {
            let Op::Add { seen, .. } = &write.op else {
                continue;
            };
            if is_new || commit.clear.removes(&write.field) {
                continue; // it starts from its base
            }
            counters.insert(write.field.to_string(), seen.clone()?);
        }
        Some(Self {
            current: commit.id,
            counters,
        })
    }
}

/// A lease of one moment, to round a time as the store does.
fn lease_of(at: level_session_store::Timestamp) -> level_session_store::Lease {
    level_session_store::Lease::new(at, at, at, None)
}
