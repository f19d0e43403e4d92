//! The exchange of a commit with the script: one round trip, unless it has to declare keys or calculate first.

use crate::{
    fault,
    keys::entry_hash,
    record::Record,
    script::{Answer, Exact, Request, Talk, life_of},
    shared::Shared,
};
use level_session_store::{
    Commit, Digest, Done, Error, ErrorKind, Op, Outcome, Result, Step, Timestamp, WhenFull, rules,
};
use redis::Value;
use std::time::Duration;

const DOING: &str = "store a session's changes";

/// The maximum number of consecutive responses that request something else.
const ROUNDS: usize = 200;

impl Shared {
    pub(crate) async fn write(&self, commit: &Commit<'_>) -> Result<Outcome> {
        if let Step::Create { .. } | Step::Keep { .. } | Step::Renew { .. } | Step::Destroy =
            commit.step
        {
        } else {
            return Err(rules::unknown("step"));
        }
        if let Step::Renew { to, .. } = commit.step
            && self.keys.home(to) != self.keys.home(commit.id)
        {
            return Err(Error::new(
                ErrorKind::Store,
                "the new id of a session must have the home of its old one: see `Store::home`",
            ));
        }
        let outcome = match commit.limits.is_empty() || self.keys.homes() == 1 {
            true => self.talk(commit, true).await?,
            false => self.within_limits(commit).await?,
        };
        match &outcome {
            Outcome::Done(_) => self.servers.counters().committed(),
            Outcome::Conflict(_) => self.servers.counters().conflicted(),
            _ => {}
        }
        Ok(outcome)
    }

    /// Runs the script until it requests nothing more.
    async fn talk(&self, commit: &Commit<'_>, limited: bool) -> Result<Outcome> {
        let request = Request::new(commit, &self.keys, self.tells, limited);
        let mut talk = Talk::default();
        let _own = Forget(self, commit.id);
        let answer = self.rounds(&request, &mut talk).await;
        self.forget(commit.id);
        if let Some(current) = talk.current {
            self.forget(current);
        }
        match answer? {
            Answer::Done {
                record,
                by_former_id,
                ended,
                stale,
            } => {
                let current = talk.current.unwrap_or(commit.id);
                ended.iter().for_each(|id| self.forget(*id));
                self.tidy(current, stale);
                let ends = matches!(commit.step, Step::Destroy | Step::Renew { .. });
                self.replicated(&request, ends || !ended.is_empty()).await?;
                if ends {
                    self.ended.tell(current);
                }
                ended.iter().for_each(|id| self.ended.tell(*id));
                let meta = match commit.step {
                    Step::Destroy => None,
                    _ => {
                        // The commit is stored, so the error must say that it may be.
                        let life =
                            life_of(&record).ok_or_else(|| fault::unexpected(DOING, true))?;
                        Some(life.meta(commit.now))
                    }
                };
                let done = Done::new(meta).with_by_former_id(by_former_id);
                Ok(Outcome::Done(done.with_ended(ended)))
            }
            Answer::Gone => Ok(Outcome::Gone),
            Answer::Exists => Ok(Outcome::Exists),
            Answer::Conflict(found) => Ok(Outcome::Conflict(found)),
            Answer::Full(place) => Ok(Outcome::Full(place)),
            Answer::TooMany(fields) => Ok(Outcome::TooMany(fields)),
            Answer::Damaged => Err(fault::damaged()),
            _ => Err(fault::unexpected(DOING, false)),
        }
    }

    /// The first response that requests nothing else.
    async fn rounds(&self, request: &Request<'_>, talk: &mut Talk) -> Result<Answer> {
        let mut turn = None;
        for round in 0..ROUNDS {
            // Retries of one session's commits take turns, so that none of them retries for ever.
            if round == 1 {
                turn = self.turns.of(request.commit.id).await;
            }
            let make = |whole| request.command(&self.hashes, &self.keys, talk, whole);
            let linked = self.link_for(request);
            let answer = linked.call(DOING, request.home(), true, &make).await?;
            let answer = Answer::read(answer).ok_or_else(|| fault::unexpected(DOING, true))?;
            match answer {
                Answer::Moved(to) if talk.current == Some(to) => {
                    return Err(fault::unexpected(DOING, false));
                }
                Answer::Moved(to) => talk.current = Some(to),
                Answer::Needs(keys) => talk.declared.extend(keys),
                Answer::Sums(stored) => talk.sums = sums(request.commit, stored)?,
                Answer::TooLarge | Answer::Changed => {
                    if let Some(gone) = self.exact(request, talk).await? {
                        return Ok(gone);
                    }
                }
                answer => {
                    drop(turn);
                    return Ok(answer);
                }
            }
        }
        Err(Error::new(
            ErrorKind::Store,
            "other commits kept changing the session during this one: nothing was stored",
        ))
    }

    /// Calculates the record after the commit, if its numbers are too large for the script.
    async fn exact(&self, request: &Request<'_>, talk: &mut Talk) -> Result<Option<Answer>> {
        let commit = request.commit;
        let current = talk.current.unwrap_or(commit.id);
        let mut read = redis::cmd("HGET");
        read.arg(self.keys.session(current)).arg("h");
        let again = |_| read.clone();
        let before = match self
            .servers
            .call(DOING, request.home(), false, &again)
            .await?
        {
            Value::BulkString(before) => before,
            Value::Nil => return Ok(Some(Answer::Gone)),
            _ => return Err(fault::unexpected(DOING, false)),
        };
        let mut life = match Record::parse(&before).ok_or_else(fault::damaged)? {
            Record::Live(life) => life,
            _ => return Ok(Some(Answer::Gone)),
        };
        let by_current_id = current == commit.id;
        if !life.is_live_for(commit) || !(by_current_id || life.works_by(commit.id, commit.now)) {
            return Ok(Some(Answer::Gone));
        }
        match &commit.step {
            Step::Keep { usage, .. } => life.keep(usage.as_ref(), commit.now, by_current_id),
            Step::Renew {
                lease,
                former_works_until,
                ..
            } => {
                life.renew(commit.id, *lease, *former_works_until, commit.now);
            }
            _ => {}
        }
        talk.exact = Some(Exact {
            before,
            after: (commit.step != Step::Destroy).then_some(life),
        });
        Ok(None)
    }

    /// Enforces limits if sessions are at several homes: commits that share a limit take turns, by a lock in the store.
    /// A commit that takes longer than the lock lasts may exceed a limit by one; the next commit corrects that.
    async fn within_limits(&self, commit: &Commit<'_>) -> Result<Outcome> {
        let mut hashes: Vec<_> = commit
            .limits
            .iter()
            .map(|limit| entry_hash(&limit.field, &limit.entry))
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        let token = token()?;
        let mut held = Vec::new();
        let result = async {
            for hash in &hashes {
                self.take_turn(hash, &token).await?;
                held.push(*hash);
            }
            self.limited(commit).await
        }
        .await;
        for hash in held {
            self.end_turn(&hash, &token).await;
        }
        result
    }

    async fn limited(&self, commit: &Commit<'_>) -> Result<Outcome> {
        let request = Request::new(commit, &self.keys, self.tells, false);
        let mut talk = Talk {
            dry: true,
            ..Talk::default()
        };
        match self.rounds(&request, &mut talk).await? {
            Answer::Applies => {}
            Answer::Gone => return Ok(Outcome::Gone),
            Answer::Exists => return Ok(Outcome::Exists),
            Answer::Conflict(found) => return Ok(Outcome::Conflict(found)),
            Answer::Damaged => return Err(fault::damaged()),
            _ => return Err(fault::unexpected(DOING, false)),
        }
        let current = talk.current.unwrap_or(commit.id);
        let mut over: Vec<(Timestamp, Digest)> = Vec::new();
        for (at, limit) in commit.limits.iter().enumerate() {
            let mut with_entry = Vec::new();
            let mut after = None;
            loop {
                let page = self
                    .find(
                        &limit.field,
                        &limit.entry,
                        after.as_ref(),
                        1_000,
                        commit.now,
                    )
                    .await?;
                let times =
                    |found: &level_session_store::Found| (found.meta.lease.started, found.id);
                with_entry.extend(page.items.iter().map(times));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            with_entry.sort_unstable();
            with_entry.dedup();
            match rules::over(limit, current, with_entry.iter().copied()) {
                None => return Ok(Outcome::Full(at)),
                Some(_) if limit.when_full == WhenFull::Refuse => {}
                Some(ids) => over.extend(with_entry.into_iter().filter(|(_, id)| ids.contains(id))),
            }
        }
        over.sort_unstable();
        over.dedup();
        let mut outcome = self.talk(commit, false).await?;
        if let Outcome::Done(done) = &mut outcome {
            for (_, id) in over {
                let end = Commit::new(id, commit.now, Step::Destroy)
                    .with_ended_at(commit.others_ended_at);
                // The commit is stored: if this fails, the limit is exceeded, and the next commit corrects that.
                let ended = self.talk(&end, false).await;
                if ended.map_err(|error| error.uncertain_if(true))?.is_done() {
                    done.ended.push(id);
                }
            }
        }
        Ok(outcome)
    }

    async fn take_turn(&self, hash: &[u8; 16], token: &[u8; 16]) -> Result<()> {
        const LASTS: Duration = Duration::from_secs(5);
        // `SET .. NX PX`, in a form that a full server accepts too, since the script has written before: the commit
        // decides by itself whether the server has room for it.
        const TEXT: &str = "if redis.call('EXISTS', KEYS[1]) == 1 then return false end \
            redis.call('HDEL', KEYS[1], '') return redis.call('SET', KEYS[1], ARGV[1], 'PX', 5000)";
        let (home, key) = self.keys.turn(hash);
        let give_up = tokio::time::Instant::now() + 2 * LASTS;
        loop {
            let make = |_| {
                let mut lock = redis::cmd("EVAL");
                lock.arg(TEXT).arg(1).arg(&key[..]).arg(&token[..]);
                lock
            };
            // If the response was lost, the lock may be taken: it expires by itself, and nothing of the commit is
            // stored.
            let taken = self.servers.call(DOING, home, true, &make).await;
            match taken.map_err(|error| error.uncertain_if(false))? {
                Value::Nil => {}
                _ => return Ok(()),
            }
            if tokio::time::Instant::now() >= give_up {
                return Err(Error::new(
                    ErrorKind::Store,
                    "too many sign-ins of one user at the same time: nothing was stored",
                ));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn end_turn(&self, hash: &[u8; 16], token: &[u8; 16]) {
        const TEXT: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
        let (home, key) = self.keys.turn(hash);
        let make = |_| {
            let mut unlock = redis::cmd("EVAL");
            unlock.arg(TEXT).arg(1).arg(&key[..]).arg(&token[..]);
            unlock
        };
        if self.servers.call(DOING, home, true, &make).await.is_err() {
            tracing::debug!("the lock of a limit was not released: it expires by itself");
        }
    }
}

/// Runs when a commit is over, even if it was dropped before it returned.
struct Forget<'s>(&'s Shared, Digest);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}

/// The results of the additions, given the stored values.
fn sums(
    commit: &Commit<'_>,
    stored: Vec<Option<level_session_store::Bytes>>,
) -> Result<
    Vec<(
        Option<level_session_store::Bytes>,
        level_session_store::Bytes,
    )>,
> {
    let additions = commit.writes.iter().filter_map(|write| match &write.op {
        Op::Add { add, .. } => Some((write, add)),
        _ => None,
    });
    additions
        .zip(stored)
        .map(|((write, add), stored)| {
            let sum = add
                .apply(stored.as_deref(), commit.now)
                .map_err(|cause| cause.on_field(write.field.clone()))?;
            Ok((stored, sum))
        })
        .collect()
}

fn token() -> Result<[u8; 16]> {
    let mut token = [0; 16];
    getrandom::fill(&mut token)
        .map_err(|cause| Error::store("the random generator failed", cause))?;
    Ok(token)
}
