//! The effect of a commit, applied to the model in the same step in which the store applies it.

use super::{
    data::Field,
    model::{End, Fields, Found, Live, Record, Stored},
    unit::{Answer, Cookie, Phase, Planned, Who},
    watch::{Due, Watch, stored},
};
use level_session::{
    EndReason, Timestamp,
    store::{Clear, Commit, Digest, ENDED_IS_REMEMBERED, Op, Outcome, Step, Use},
};

/// The information that a request gets from the result of its commit.
#[derive(Debug)]
pub(super) enum Learned {
    Nothing,
    /// A guarded field has changed: the current values of the guarded fields.
    Conflict(Vec<(Field, Option<Stored>)>),
    Gone(Answer),
    /// A limit refuses it.
    Full,
    Claimed(Field, Option<Stored>),
    Stored {
        who: Who,
        cookie: Option<Cookie>,
        /// The time until which the former id works, if the session was renewed.
        former_works_until: Option<Timestamp>,
        after: Fields,
        nothing_else: bool,
    },
}

impl Watch {
    /// The result arrives at the request.
    pub(super) fn learn(&mut self, learned: Learned) {
        let unit = self.unit();
        if unit.planned.as_ref().is_some_and(|planned| planned.lost) {
            return;
        }
        match learned {
            Learned::Nothing => {}
            Learned::Conflict(current) => {
                if unit
                    .planned
                    .as_ref()
                    .is_some_and(|planned| planned.claims.is_some())
                {
                    unit.not_stored(None);
                }
                for (field, stored) in current {
                    unit.reread(field, stored);
                }
            }
            Learned::Gone(answer) => {
                unit.gone = true;
                unit.not_stored(Some(answer));
            }
            Learned::Full => unit.not_stored(Some(Answer::Full)),
            Learned::Claimed(field, value) => {
                let task = unit.committing_task();
                task.answered.push(Answer::Done);
                task.claimed = Some(value);
                unit.planned = None;
                unit.reread(field, None);
            }
            Learned::Stored {
                who,
                cookie,
                former_works_until,
                after,
                nothing_else,
            } => {
                if who != unit.who {
                    unit.named_here = former_works_until;
                }
                unit.who = who;
                unit.cookie = cookie.unwrap_or(unit.cookie);
                unit.stored(&after, nothing_else);
            }
        }
    }

    pub(super) fn committed(&mut self, commit: &Commit<'_>, outcome: &Outcome) -> Learned {
        self.operations += 1;
        let current = self.current;
        self.tell(|_| {
            let fields: Vec<_> = commit.writes.iter().map(|write| &*write.field).collect();
            format!(
                "  store: request {current} commits {:?} of {} at {} with {fields:?}{}: {outcome:?}",
                commit.step,
                commit.id.short(),
                commit.now.as_millis() % 10_000_000,
                if commit.guards.is_empty() { "" } else { " guarded" },
            )
        });
        for write in commit.writes {
            if let (Op::Set(bytes), Some(entry)) = (&write.op, &write.index)
                && let Some(stored) = stored(bytes)
            {
                self.entries.insert(stored.held.wide(), entry.clone());
            }
        }
        let phase = self.unit().committing_task().phase;
        let allowed = matches!(
            phase,
            Phase::Committing | Phase::Taking(_) | Phase::Ending { commits: true }
        );
        if !allowed {
            self.violated(format!(
                "a request that must not store anything commits ({phase:?})"
            ));
            return Learned::Nothing;
        }
        let first = self.unit().committing_task().answered.is_empty();
        self.check(first, |_| {
            "a request goes on with a commit that was answered".into()
        });
        let alive = match (commit.step, self.model.find(commit.id, commit.now)) {
            (Step::Create { .. }, _) => Some(commit.id),
            (
                Step::Renew { .. },
                Found::Live {
                    id,
                    by_former: false,
                },
            ) => Some(id),
            (Step::Keep { .. } | Step::Destroy, Found::Live { id, .. }) => Some(id),
            _ => None,
        };
        let new = match commit.step {
            Step::Create { .. } => Some(commit.id),
            Step::Renew { to, .. } => Some(to),
            _ => None,
        };
        let taken = new.is_some_and(|new| self.model.knows(new));
        match (outcome, alive) {
            (Outcome::Conflict(_), Some(id)) if !commit.guards.is_empty() => {
                let live = self.model.live(id);
                let guarded = commit.guards.iter();
                let current = |field| live.and_then(|live| live.fields.get(&field).cloned());
                Learned::Conflict(
                    guarded
                        .filter_map(|guard| Field::of(&guard.field))
                        .map(|field| (field, current(field)))
                        .collect(),
                )
            }
            (Outcome::Exists, Some(_)) if taken => Learned::Nothing,
            (Outcome::Full(0), Some(id)) if !taken && self.over(commit, id).is_none() => {
                self.refused += 1;
                Learned::Full
            }
            (Outcome::Gone, None) => match (self.is_refresh(commit), &self.unit().planned) {
                (true, _) => Learned::Gone(Answer::RefreshGone),
                (_, Some(Planned { who, wants, .. }))
                    if wants.destroy || matches!(who, Who::Presented(_)) =>
                {
                    Learned::Nothing // it asks the store for the reason
                }
                _ => Learned::Gone(Answer::Gone),
            },
            (Outcome::Done(done), Some(id)) if !taken => match self.unit().planned.clone() {
                Some(Planned {
                    claims: Some(field),
                    ..
                }) => self.claim(commit, id, field),
                Some(planned) => self.apply(commit, id, &planned, &done.ended),
                None => Learned::Nothing,
            },
            (outcome, alive) => {
                let what = format!(
                    "a commit is answered with `{outcome:?}` and should not be: the session {}, its new id {}",
                    if alive.is_some() { "lives" } else { "is dead" },
                    if taken { "is taken" } else { "is free" },
                );
                self.violated(what);
                Learned::Nothing
            }
        }
    }

    /// A commit that ends sessions from outside.
    pub(super) fn worker_committed(&mut self, commit: &Commit<'_>, outcome: &Outcome) {
        self.operations += 1;
        let Outcome::Done(done) = outcome else { return };
        let found = self.model.find(commit.id, commit.now);
        match (commit.step, found) {
            (Step::Destroy, Found::Live { id, .. }) => {
                self.ends(id, commit, None);
                let due = Due::Ended(commit.id, EndReason::Application);
                self.due_events.push((0, due));
            }
            // A session that belongs to no visitor and ends at once.
            (Step::Create { .. }, Found::Nothing) if done.ended.is_empty() => {
                self.ends(commit.id, commit, None);
            }
            (Step::Destroy, Found::Ended(_)) => {}
            (step, found) => {
                self.violated(format!("a worker does {step:?} to {found:?}: {done:?}"));
            }
        }
    }

    /// An id ends, from outside of its requests.
    fn ends(&mut self, id: Digest, commit: &Commit<'_>, renewed: Option<Timestamp>) {
        let moment = self.model.next();
        self.model.take(id);
        let end = End {
            moment,
            remembered: commit.now.after(ENDED_IS_REMEMBERED),
            renewed,
        };
        self.model.put(id, Record::Ended(end));
    }

    /// The maximum number of sessions of the user that a commit sets, and that user.
    fn limit(&self, commit: &Commit<'_>) -> Option<(usize, Stored)> {
        let user = commit.writes.iter().find_map(|write| match &write.op {
            Op::Set(bytes) if Field::of(&write.field) == Some(Field::User) => stored(bytes),
            _ => None,
        });
        self.model.settings.limit.zip(user)
    }

    /// The sessions that end for a commit to keep its limit; `None` if it is refused. `id` is the session that it is of,
    /// before it: where that has the user already it is never refused.
    fn over(&self, commit: &Commit<'_>, id: Digest) -> Option<Vec<Digest>> {
        let Some((most, user)) = self.limit(commit) else {
            return Some(Vec::new());
        };
        let mut others = self.model.of_user(&user.held, commit.now);
        let has_it = others.contains(&id);
        others.retain(|other| *other != id);
        let over = (others.len() + 1).saturating_sub(most);
        match self.model.settings.refuses {
            true => (over == 0 || has_it).then(Vec::new),
            false => {
                others.truncate(over);
                Some(others)
            }
        }
    }

    /// The limit of a commit that is stored: what it ends, and no more.
    fn limits(&mut self, commit: &Commit<'_>, id: Digest, ended: &[Digest]) -> Vec<Due> {
        let limits = usize::from(self.limit(commit).is_some());
        self.check(commit.limits.len() == limits, |_| {
            format!("a commit has the limits {:?}", commit.limits)
        });
        let over = self.over(commit, id);
        self.check(over.is_some(), |_| {
            "a sign-in beyond the limit is stored".into()
        });
        let over = over.unwrap_or_default();
        let sorted = |of: &[Digest]| {
            let mut of = of.to_vec();
            of.sort_unstable();
            of
        };
        self.check(sorted(ended) == sorted(&over), |_| {
            format!("a limit ends {ended:?} and should end {over:?}")
        });
        for id in &over {
            self.ends(*id, commit, None); // also where the commit renews its own session
        }
        over.into_iter()
            .map(|id| Due::Ended(id, EndReason::Limit))
            .collect()
    }

    /// Whether the commit only records a use.
    pub(super) fn is_refresh(&mut self, commit: &Commit<'_>) -> bool {
        let more =
            |planned: &Planned| planned.wants.touch || matches!(planned.who, Who::Presented(_));
        matches!(commit.step, Step::Keep { .. })
            && commit.clear == Clear::Nothing
            && commit.writes.is_empty()
            && !self.unit().planned.as_ref().is_some_and(more)
    }

    fn claim(&mut self, commit: &Commit<'_>, id: Digest, field: Field) -> Learned {
        let now = commit.now;
        let before = self
            .model
            .live_mut(id)
            .and_then(|live| live.fields.remove(&field));
        let planned = self.unit().planned.as_ref();
        let taken = planned.and_then(|planned| planned.wants.fold(field, before, now));
        Learned::Claimed(field, taken)
    }

    fn apply(
        &mut self,
        commit: &Commit<'_>,
        id: Digest,
        planned: &Planned,
        ended: &[Digest],
    ) -> Learned {
        let now = commit.now;
        let (wants, who) = (&planned.wants, planned.who);
        let leaves = wants.leaves_something(now);
        let moment = self.model.next();
        let end = |until: Timestamp, renewed: bool| End {
            moment,
            remembered: until.after(ENDED_IS_REMEMBERED),
            renewed: renewed.then_some(now),
        };
        let mut fields = self
            .model
            .live(id)
            .map(|live| live.fields.clone())
            .unwrap_or_default();
        wants.apply(&mut fields, now);
        let first = self.model.lease(now, now);
        let makes_one = matches!(commit.step, Step::Create { .. } | Step::Renew { .. });
        let unheard = makes_one && self.unit().detached;
        self.check(!unheard, |_| {
            "a session is made whose id nobody can be told".into()
        });
        let mut happened = self.limits(commit, id, ended);
        let (who, cookie, nothing_else) = match commit.step {
            Step::Create { lease, .. } => {
                self.check(who == Who::Nobody && leaves, |_| {
                    format!("a session is made for {who:?}")
                });
                self.check(lease == first, |_| "a new session has another lease".into());
                let live = Live {
                    lease: first,
                    former: None,
                    fields: fields.clone(),
                };
                self.model.put(id, Record::Live(live));
                let who = Who::Known {
                    id,
                    by_former: false,
                };
                happened.push(Due::Created(id));
                (who, Some(Cookie::Set(id)), true)
            }
            Step::Keep { usage, .. } => {
                self.check(!wants.renew && !wants.destroy, |_| {
                    "a renewal or a destroy is forgotten".into()
                });
                self.keep(commit, id, usage, wants.touch, fields.clone());
                let by_former = id != commit.id;
                let named = if by_former { commit.id } else { id };
                (
                    Who::Known {
                        id: named,
                        by_former,
                    },
                    None,
                    false,
                )
            }
            Step::Renew {
                to,
                lease,
                former_works_until,
                ..
            } => {
                self.check(wants.renew || (wants.destroy && leaves), |_| {
                    "nobody asked for a renewal".into()
                });
                let grace = self.model.settings.grace;
                let until = (grace > 0 && !wants.destroy)
                    .then(|| Timestamp::from_millis(now.as_millis() + grace));
                self.check(former_works_until == until, |_| {
                    format!("the former id works until {former_works_until:?} and should until {until:?}")
                });
                self.check(lease == first, |_| {
                    "a renewal does not restart the lease".into()
                });
                self.model.take(id);
                let record = match until {
                    None => Record::Ended(end(now, !wants.destroy)),
                    Some(until) => Record::Moved {
                        to,
                        end: end(until, true),
                    },
                };
                self.model.put(id, record);
                let live = Live {
                    lease: first,
                    former: until.map(|until| (id, until)),
                    fields: fields.clone(),
                };
                self.model.put(to, Record::Live(live));
                let who = Who::Known {
                    id: to,
                    by_former: false,
                };
                match wants.destroy {
                    true => {
                        happened.extend([Due::Ended(id, EndReason::SignedOut), Due::Created(to)]);
                    }
                    false => happened.push(Due::Renewed(id, to)),
                }
                (who, Some(Cookie::Set(to)), wants.destroy)
            }
            Step::Destroy => {
                self.check(wants.destroy && !leaves, |_| {
                    "nobody asked for a destroy".into()
                });
                self.model.take(id);
                self.model.put(id, Record::Ended(end(now, false)));
                fields.clear();
                happened.push(Due::Ended(commit.id, EndReason::SignedOut));
                (Who::Nobody, Some(Cookie::Remove), true)
            }
            step => {
                self.violated(format!("nobody knows {step:?}"));
                return Learned::Nothing;
            }
        };
        // A unit that does not get the result cannot report the events.
        if !planned.lost {
            let current = self.current;
            self.due_events
                .extend(happened.into_iter().map(|due| (current, due)));
        }
        Learned::Stored {
            who,
            cookie,
            former_works_until: match commit.step {
                Step::Renew {
                    former_works_until, ..
                } => former_works_until,
                _ => None,
            },
            after: fields,
            nothing_else,
        }
    }

    fn keep(
        &mut self,
        commit: &Commit<'_>,
        id: Digest,
        usage: Option<Use>,
        touch: bool,
        fields: Fields,
    ) {
        let Some(live) = self.model.live(id).cloned() else {
            return;
        };
        let (unit, now) = (self.unit(), commit.now);
        // A unit that has renewed the session does not end the grace period of the former id.
        let in_grace = unit.named_here.is_some_and(|until| now < until);
        let tells = !unit.detached;
        match usage {
            None => self.check(in_grace && !touch, |_| "a use is not noted".into()),
            Some(usage) => {
                let ends_it = in_grace && id == commit.id && live.former.is_some() && !touch;
                self.check(!ends_it, |_| {
                    "a grace is ended, and no client has shown the new id".into()
                });
                self.check((usage.forced, usage.tells_client) == (touch, tells), |_| {
                    format!("a use is noted as {usage:?}")
                });
            }
        }
        let lease = usage.map(|_| self.model.used(live.lease, touch, tells, now));
        if let Some(live) = self.model.live_mut(id) {
            live.fields = fields;
            live.lease = lease.unwrap_or(live.lease);
            if lease.is_some() && id == commit.id {
                live.former = None;
            }
        }
    }
}
