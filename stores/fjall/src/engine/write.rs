//! Applies a commit: read, decide, write one batch.

use super::{Engine, Turn};
use crate::gate::Patience;
use crate::record::{Record, Session};
use level_session_store::{
    Bytes, Clear, Commit, Digest, Done, Lease, Limit, Outcome, Result, Step, Timestamp, Use,
    rules::{self, Life},
};
use std::collections::BTreeSet;

/// Why a commit does not apply, or its outcome.
type Judged<T> = Result<std::result::Result<T, Outcome>>;

/// Sessions that end so that a commit keeps its limits.
type Ending = Vec<(Digest, Session)>;

impl Engine {
    /// Applies a commit, which then survives the end of the process, but not yet a power cut. Also returns the current
    /// id of its session.
    ///
    /// Returns `None`, and has changed nothing, if it may take long and the caller cannot wait.
    pub(crate) fn write(
        &self,
        commit: &Commit<'_>,
        patience: Patience,
    ) -> Result<Option<(Outcome, Digest)>> {
        let turn = match commit.step {
            _ if patience == Patience::Leaves && self.disk.is_compacting() => None,
            // A limit examines the sessions with one entry, which may be any: such a commit is rare (a sign-in), and takes
            // the turns of all.
            _ if !commit.limits.is_empty() => self.stripes.all(patience),
            Step::Renew { to, .. } => self.stripes.pair(commit.id, to, patience),
            _ => self.stripes.turn(commit.id, patience),
        };
        match turn {
            Some(mut turn) => self.write_in_turn(&mut turn, commit).map(Some),
            None => Ok(None),
        }
    }

    fn write_in_turn(&self, turn: &mut Turn<'_>, commit: &Commit<'_>) -> Result<(Outcome, Digest)> {
        match commit.step {
            Step::Create { created, lease, .. } => {
                let life = Life {
                    created,
                    lease,
                    former: None,
                };
                let outcome = self.create(turn, commit, life)?;
                Ok((outcome, commit.id))
            }
            Step::Keep { usage, .. } => self.keep(turn, commit, usage),
            Step::Destroy => self.destroy(turn, commit),
            Step::Renew {
                to,
                lease,
                former_works_until,
                ..
            } => {
                let outcome = self.renew(turn, commit, to, lease, former_works_until)?;
                Ok((outcome, commit.id))
            }
            _ => Err(rules::unknown("step")),
        }
    }

    fn create(&self, turn: &mut Turn<'_>, commit: &Commit<'_>, life: Life) -> Result<Outcome> {
        if self.is_known(turn, commit.id)? {
            return Ok(Outcome::Exists);
        }
        if let Some(found) = rules::conflict(commit, |_| Ok(None))? {
            return Ok(Outcome::Conflict(found));
        }
        let ending = match self.over_limits(turn, commit, commit.id)? {
            Err(full) => return Ok(full),
            Ok(ending) => ending,
        };
        if let Some(fields) = rules::too_many(commit, 0, 0, |_| false) {
            return Ok(Outcome::TooMany(fields));
        }
        let values = rules::values(commit, |_| Ok(None))?;
        let mut batch = self.disk.batch();
        let number = self.numbers.take(&self.disk.meta, &mut batch);
        let mut session = Session::new(*number, life);
        self.disk
            .stage_fields(&mut batch, &mut session, commit, values);
        self.disk
            .stage_index(&mut batch, &[], None, &session.index_entries(), commit.id);
        batch.insert(&self.disk.meta, *commit.id.as_bytes(), session.encode());
        self.disk
            .stage_due(&mut batch, life.lease.deadline(), commit.id);
        let ended = self.stage_ending(&mut batch, ending, commit.others_ended_at);
        self.disk.apply(batch)?;
        number.stored();
        turn.evict(&ended);
        turn.put(commit.id, session);
        Ok(Outcome::Done(
            Done::new(Some(life.meta(commit.now))).with_ended(ended),
        ))
    }

    fn keep(
        &self,
        turn: &mut Turn<'_>,
        commit: &Commit<'_>,
        usage: Option<Use>,
    ) -> Result<(Outcome, Digest)> {
        let (id, judged) = self.judge(turn, commit)?;
        let (mut session, mut values, ending) = match judged {
            Err(refused) => return Ok((refused, id)),
            Ok(judged) => judged,
        };
        let by_current_id = id == commit.id;
        let relists = commit.clear != Clear::Nothing || session.lists_others(commit, &values);
        if relists
            && session.is_part()
            && let Some(Record::Live(whole)) = self.disk.record(id)?
        {
            session = whole;
        }
        let mut batch = self.disk.batch();
        let life = session.life;
        session.life.keep(usage.as_ref(), commit.now, by_current_id);
        if relists {
            let before = session.index_entries_of(commit);
            let values = std::mem::take(&mut values);
            self.disk
                .stage_fields(&mut batch, &mut session, commit, values);
            let after = session.index_entries_of(commit);
            self.disk
                .stage_index(&mut batch, &before, Some(id), &after, id);
        } else {
            self.disk
                .stage_values(&mut batch, session.number, commit, &values);
        }
        if relists || session.life != life {
            batch.insert(&self.disk.meta, *id.as_bytes(), session.encode());
        }
        // The sweeper notices a later deadline once the earlier one has passed, but not an earlier one.
        let deadline = session.life.lease.deadline();
        if deadline < life.lease.deadline() {
            self.disk.stage_due(&mut batch, deadline, id);
        }
        let ended = self.stage_ending(&mut batch, ending, commit.others_ended_at);
        self.disk.apply(batch)?;
        let done = Done::new(Some(session.life.meta(commit.now)))
            .with_by_former_id(!by_current_id)
            .with_ended(ended);
        turn.evict(&done.ended);
        turn.put_with(id, session, |session| session.set_values(commit, values));
        Ok((Outcome::Done(done), id))
    }

    fn destroy(&self, turn: &mut Turn<'_>, commit: &Commit<'_>) -> Result<(Outcome, Digest)> {
        let (id, judged) = self.judge(turn, commit)?;
        let session = match judged {
            Err(refused) => return Ok((refused, id)),
            Ok((session, ..)) => session,
        };
        let mut batch = self.disk.batch();
        self.disk
            .stage_end(&mut batch, &session, id, commit.ended_at);
        self.disk.apply(batch)?;
        let done = Done::new(None).with_by_former_id(id != commit.id);
        Ok((Outcome::Done(done), id))
    }

    fn renew(
        &self,
        turn: &mut Turn<'_>,
        commit: &Commit<'_>,
        to: Digest,
        lease: Lease,
        former_works_until: Option<Timestamp>,
    ) -> Result<Outcome> {
        let (mut session, values, ending) = match self.judge(turn, commit)?.1 {
            Err(refused) => return Ok(refused),
            Ok(judged) => judged,
        };
        let mut batch = self.disk.batch();
        let entries = session.index_entries();
        session.fields.outdate_views();
        let until = session
            .life
            .renew(commit.id, lease, former_works_until, commit.now);
        let left = match until {
            None => Record::Ended(commit.ended_at),
            Some(until) => Record::Moved {
                to,
                at: commit.ended_at,
                until,
            },
        };
        self.disk
            .stage_fields(&mut batch, &mut session, commit, values);
        self.disk.stage_index(
            &mut batch,
            &entries,
            Some(commit.id),
            &session.index_entries(),
            to,
        );
        for (id, deadline, bytes) in [
            (commit.id, left.deadline(), left.encode()),
            (to, session.life.lease.deadline(), session.encode()),
        ] {
            batch.insert(&self.disk.meta, *id.as_bytes(), bytes);
            self.disk.stage_due(&mut batch, deadline, id);
        }
        let ended = self.stage_ending(&mut batch, ending, commit.others_ended_at);
        self.disk.apply(batch)?;
        let done = Done::new(Some(session.life.meta(commit.now))).with_ended(ended);
        turn.evict(&done.ended);
        turn.evict(&[commit.id]); // it has ended before the new id works
        turn.put(to, session);
        Ok(Outcome::Done(done))
    }

    /// The state of a digest, as far as a commit needs it.
    fn fetch_for(
        &self,
        turn: &mut Turn<'_>,
        id: Digest,
        commit: &Commit<'_>,
    ) -> Result<Option<Record>> {
        match (commit.step, commit.clear) {
            (Step::Keep { .. }, Clear::Nothing) => {
                let written = commit.writes.iter().map(|write| &*write.field);
                let guarded = commit.guards.iter().map(|guard| &*guard.field);
                self.fetch_part(turn, id, written.chain(guarded))
            }
            _ => self.fetch(turn, id),
        }
    }

    /// The session of a commit that changes one, with the resulting bytes of the writes and the sessions that have to end for
    /// it; or why the commit does not apply. Also returns the session's current id.
    #[expect(clippy::type_complexity, reason = "described above")]
    fn judge(
        &self,
        turn: &mut Turn<'_>,
        commit: &Commit<'_>,
    ) -> Result<(
        Digest,
        std::result::Result<(Session, Vec<Option<Bytes>>, Ending), Outcome>,
    )> {
        let mut id = commit.id;
        let mut record = self.fetch_for(turn, id, commit)?;
        if let Some(Record::Moved { to, .. }) = record
            && !matches!(commit.step, Step::Renew { .. })
        {
            // The record of a former id does not change until the sweeper removes it. So the session's own record
            // determines whether the former id works.
            id = to;
            turn.move_to(id);
            record = self.fetch_for(turn, id, commit)?;
        }
        let by_current_id = id == commit.id;
        let lives = |session: &Session| {
            let works = by_current_id || session.life.works_by(commit.id, commit.now);
            works && session.life.is_live_for(commit)
        };
        let session = match record {
            Some(Record::Live(session)) if lives(&session) => session,
            Some(Record::Live(session)) => {
                turn.put(id, session);
                return Ok((id, Err(Outcome::Gone)));
            }
            _ => return Ok((id, Err(Outcome::Gone))),
        };
        let refused = match commit.step {
            Step::Renew { to, .. } if self.is_known(turn, to)? => Some(Outcome::Exists),
            _ => None,
        };
        let refused = match refused {
            Some(refused) => refused,
            None => match rules::conflict(commit, |name| self.value(&session, name))? {
                Some(found) => Outcome::Conflict(found),
                None => match self.over_limits(turn, commit, id)? {
                    Ok(ending) => match session.too_many(commit) {
                        None => {
                            let values = rules::values(commit, |name| self.value(&session, name))?;
                            return Ok((id, Ok((session, values, ending))));
                        }
                        Some(fields) => Outcome::TooMany(fields),
                    },
                    Err(full) => full,
                },
            },
        };
        turn.put(id, session);
        Ok((id, Err(refused)))
    }

    /// The sessions that have to end for a commit to satisfy its limits; or the limit that refuses it.
    fn over_limits(
        &self,
        turn: &mut Turn<'_>,
        commit: &Commit<'_>,
        current: Digest,
    ) -> Judged<Ending> {
        let mut over = BTreeSet::new();
        for (at, limit) in commit.limits.iter().enumerate() {
            let mut with_entry = Vec::new();
            for id in self.indexed(&limit.field, &limit.entry)? {
                if id == current {
                    with_entry.push((Timestamp::default(), id)); // it is being changed, and always stays
                } else if let Some(started) = self.found_by(turn, id, limit, commit.now)? {
                    with_entry.push((started, id));
                }
            }
            match rules::over(limit, current, with_entry) {
                Some(ids) => over.extend(ids),
                None => return Ok(Err(Outcome::Full(at))),
            }
        }
        let mut ending = Vec::with_capacity(over.len());
        for id in over {
            if let Some(Record::Live(session)) = self.fetch(turn, id)? {
                ending.push((id, session));
            }
        }
        Ok(Ok(ending))
    }

    /// When a session with this entry signed in, if it is live.
    fn found_by(
        &self,
        turn: &mut Turn<'_>,
        id: Digest,
        limit: &Limit,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let Some(Record::Live(session)) = self.fetch(turn, id)? else {
            return Ok(None);
        };
        let entry = session
            .fields
            .get(&limit.field)
            .and_then(|field| field.index.as_ref());
        let started = (entry == Some(&limit.entry) && session.life.is_live(now))
            .then_some(session.life.lease.started);
        turn.put(id, session);
        Ok(started)
    }

    fn stage_ending<'d>(
        &'d self,
        batch: &mut crate::batch::Batch<'d>,
        ending: Ending,
        at: Timestamp,
    ) -> Vec<Digest> {
        let end = |(id, session): (Digest, Session)| {
            self.disk.stage_end(batch, &session, id, at);
            id
        };
        ending.into_iter().map(end).collect()
    }
}
