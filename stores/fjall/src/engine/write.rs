//! Applying a commit: read, judge, one batch.

use super::Engine;
use crate::{
    clock::Timestamp,
    error::Result,
    store::{
        Commit, Digest, Outcome, Step,
        fjall::record::{Record, Session},
        rules::{self, Life, Verdict},
    },
};

impl Engine {
    /// Applies a commit. It then survives the end of the process, but not yet that of the machine.
    pub(in super::super) fn write(&self, commit: &Commit<'_>) -> Result<Outcome> {
        match commit.step {
            Step::Create { created } => self.create(commit, created),
            Step::Renew {
                to,
                former_works_until,
            } => self.renew(commit, to, former_works_until),
            Step::Keep | Step::Destroy => self.change(commit),
        }
    }

    fn create(&self, commit: &Commit<'_>, created: Timestamp) -> Result<Outcome> {
        let lease = rules::required_lease(commit)?;
        let mut cache = self.stripe(commit.id);
        if self.is_known(&mut cache, commit.id)? {
            return Ok(Outcome::Exists);
        }
        let values = match rules::judge(commit, |_| Ok(None))? {
            Verdict::Conflict(found) => return Ok(Outcome::Conflict(found)),
            Verdict::Apply(values) => values,
        };
        let mut batch = self.disk.batch();
        let number = self.numbers.take(&self.disk.meta, &mut batch);
        let mut session = Session::new(
            *number,
            Life {
                created,
                lease,
                former: None,
            },
        );
        self.disk
            .stage_fields(&mut batch, &mut session, commit, values);
        self.disk
            .stage_index(&mut batch, &[], None, &session, commit.id);
        batch.insert(&self.disk.meta, *commit.id.as_bytes(), session.encode());
        self.disk.stage_due(&mut batch, lease.deadline(), commit.id);
        self.disk.apply(batch)?;
        number.stored();
        cache.put(commit.id, session);
        Ok(Outcome::Done)
    }

    fn change(&self, commit: &Commit<'_>) -> Result<Outcome> {
        let mut id = commit.id;
        let mut cache = self.stripe(id);
        let mut record = self.fetch(&mut cache, id)?;
        if let Some(Record::Moved { to, .. }) = record {
            drop(cache);
            id = to;
            cache = self.stripe(id);
            record = self.fetch(&mut cache, id)?;
        }
        let by_current_id = id == commit.id;
        let mut session = match record {
            Some(Record::Live(session)) if by_current_id && session.life.is_live(commit.now) => {
                session
            }
            Some(Record::Live(session)) if session.life.works_by(commit.id, commit.now) => session,
            _ => return Ok(Outcome::Gone),
        };
        let values = match rules::judge(commit, |name| self.value(&session, name))? {
            Verdict::Conflict(found) => {
                cache.put(id, session);
                return Ok(Outcome::Conflict(found));
            }
            Verdict::Apply(values) => values,
        };
        let mut batch = self.disk.batch();
        if commit.step == Step::Destroy {
            self.disk
                .stage_end(&mut batch, &session, id, commit.ended_at);
            self.disk.apply(batch)?;
            return Ok(Outcome::Done);
        }
        let (life, entries) = (session.life, session.index_entries());
        session.life.keep(commit, by_current_id);
        let mut changed = self
            .disk
            .stage_fields(&mut batch, &mut session, commit, values);
        if !entries.is_empty() || commit.writes.iter().any(|write| write.index.is_some()) {
            changed |= self
                .disk
                .stage_index(&mut batch, &entries, Some(id), &session, id);
        }
        if changed || session.life != life {
            batch.insert(&self.disk.meta, *id.as_bytes(), session.encode());
        }
        // A later deadline is found out by the sweeper when the earlier one has passed; an earlier one is not.
        let deadline = session.life.lease.deadline();
        if deadline < life.lease.deadline() {
            self.disk.stage_due(&mut batch, deadline, id);
        }
        self.disk.apply(batch)?;
        cache.put(id, session);
        Ok(Outcome::Done)
    }

    fn renew(
        &self,
        commit: &Commit<'_>,
        to: Digest,
        former_works_until: Option<Timestamp>,
    ) -> Result<Outcome> {
        rules::required_lease(commit)?;
        let mut pair = self.pair(commit.id, to);
        let mut session = match self.fetch(pair.first(), commit.id)? {
            Some(Record::Live(session)) if session.life.is_live(commit.now) => session,
            _ => return Ok(Outcome::Gone),
        };
        if self.is_known(pair.second(), to)? {
            pair.first().put(commit.id, session);
            return Ok(Outcome::Exists);
        }
        let values = match rules::judge(commit, |name| self.value(&session, name))? {
            Verdict::Conflict(found) => {
                pair.first().put(commit.id, session);
                return Ok(Outcome::Conflict(found));
            }
            Verdict::Apply(values) => values,
        };
        let mut batch = self.disk.batch();
        let entries = session.index_entries();
        session.fields.outdate_views();
        let left = match session.life.renew(commit, former_works_until) {
            None => Record::Ended(commit.ended_at),
            Some(until) => Record::Moved {
                to,
                at: commit.ended_at,
                until,
            },
        };
        self.disk
            .stage_fields(&mut batch, &mut session, commit, values);
        self.disk
            .stage_index(&mut batch, &entries, Some(commit.id), &session, to);
        for (id, deadline, bytes) in [
            (commit.id, left.deadline(), left.encode()),
            (to, session.life.lease.deadline(), session.encode()),
        ] {
            batch.insert(&self.disk.meta, *id.as_bytes(), bytes);
            self.disk.stage_due(&mut batch, deadline, id);
        }
        self.disk.apply(batch)?;
        pair.second().put(to, session);
        Ok(Outcome::Done)
    }
}
