//! What a commit does, applied to the model in the step in which the store takes it.

use super::{
    data::Field,
    model::{End, Fields, Found, Live, Record, Stored},
    unit::{Answer, Cookie, Phase, Planned, Who},
    watch::{Due, Watch, stored},
};
use level_session::{
    Timestamp,
    store::{Commit, Digest, ENDED_IS_REMEMBERED, Op, Outcome, Step},
};

/// What a request learns of its commit when the answer arrives.
#[derive(Debug)]
pub(super) enum Learned {
    Nothing,
    /// What it updates has changed: the guarded fields, as they are now.
    Conflict(Vec<(Field, Option<Stored>)>),
    Gone(Answer),
    Claimed(Field, Option<Stored>),
    Stored {
        who: Who,
        cookie: Option<Cookie>,
        /// Until when the former id works, if it was renewed.
        former_works_until: Option<Timestamp>,
        seen: Option<Timestamp>,
        after: Fields,
        nothing_else: bool,
    },
}

impl Watch {
    /// The answer reaches the request.
    pub(super) fn learn(&mut self, learned: Learned) {
        let unit = self.unit();
        if unit.task().lost {
            return;
        }
        match learned {
            Learned::Nothing => {}
            Learned::Conflict(current) => {
                if matches!(unit.task().phase, Phase::Taking(_)) {
                    unit.not_stored();
                }
                for (field, stored) in current {
                    unit.reread(field, stored);
                }
            }
            Learned::Gone(answer) => {
                unit.gone = true;
                unit.not_stored();
                unit.task().answered.push(answer);
            }
            Learned::Claimed(field, value) => {
                unit.task().answered.push(Answer::Done);
                unit.task().claimed = Some(value);
                unit.planned = None;
                unit.reread(field, None);
            }
            Learned::Stored {
                who,
                cookie,
                former_works_until,
                seen,
                after,
                nothing_else,
            } => {
                unit.task().answered.push(Answer::Done);
                if who != unit.who {
                    unit.named_here = former_works_until;
                }
                unit.who = who;
                unit.cookie = cookie.unwrap_or(unit.cookie);
                unit.known_use = seen.unwrap_or(unit.known_use);
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
        let phase = self.unit().task().phase;
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
        let first = self.unit().task().answered.is_empty();
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
            (Step::Keep | Step::Destroy, Found::Live { id, .. }) => Some(id),
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
            (Outcome::Gone, None) => Learned::Gone(match self.is_refresh(commit) {
                true => Answer::RefreshGone,
                false => Answer::Gone,
            }),
            (Outcome::Done, Some(id)) if !taken => match (phase, self.unit().planned.clone()) {
                (Phase::Taking(field), _) => self.claim(commit, id, field),
                (_, Some(planned)) => self.apply(commit, id, &planned),
                (_, None) => Learned::Nothing,
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

    /// Whether all a commit does is to note that the session was read.
    pub(super) fn is_refresh(&mut self, commit: &Commit<'_>) -> bool {
        let touched = |planned: &Planned| planned.wants.touch;
        commit.step == Step::Keep
            && !commit.clear
            && commit.writes.is_empty()
            && !self.unit().planned.as_ref().is_some_and(touched)
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

    fn apply(&mut self, commit: &Commit<'_>, id: Digest, planned: &Planned) -> Learned {
        let now = commit.now;
        let (wants, who) = (&planned.wants, planned.who);
        let leaves = wants.leaves_something(now);
        let moment = self.model.next();
        let end = |until: Timestamp| End {
            moment,
            remembered: until.after(ENDED_IS_REMEMBERED),
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
        if matches!(commit.step, Step::Renew { .. } | Step::Destroy) {
            self.unit().has_ended = Some(moment);
        }
        if let Some(planned) = &mut self.unit().planned {
            planned.applied = true;
        }
        let mut happened = Vec::new();
        let (who, cookie, nothing_else) = match commit.step {
            Step::Create { .. } => {
                self.check(who == Who::Nobody && leaves, |_| {
                    format!("a session is made for {who:?}")
                });
                self.check(commit.lease == Some(first), |_| {
                    "a new session has another lease".into()
                });
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
            Step::Keep => {
                self.check(!wants.renew && !wants.destroy, |_| {
                    "a renewal or a destroy is forgotten".into()
                });
                self.keep(commit, id, planned, fields.clone());
                (who, None, wants.clear)
            }
            Step::Renew {
                to,
                former_works_until,
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
                self.check(commit.lease == Some(first), |_| {
                    "a renewal does not restart the lease".into()
                });
                self.model.take(id);
                let record = match until {
                    None => Record::Ended(end(now)),
                    Some(until) => Record::Moved {
                        to,
                        end: end(until),
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
                    true => happened.extend([Due::Destroyed(id), Due::Created(to)]),
                    false => happened.push(Due::Renewed(id, to)),
                }
                (who, Some(Cookie::Set(to)), wants.destroy || wants.clear)
            }
            Step::Destroy => {
                self.check(wants.destroy && !leaves, |_| {
                    "nobody asked for a destroy".into()
                });
                self.model.take(id);
                self.model.put(id, Record::Ended(end(now)));
                fields.clear();
                happened.push(Due::Destroyed(commit.id));
                (Who::Nobody, Some(Cookie::Remove), true)
            }
        };
        // Whoever does not learn of it can tell nobody.
        if !self.unit().task().lost {
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
            seen: commit.lease.map(|lease| lease.seen),
            after: fields,
            nothing_else,
        }
    }

    fn keep(&mut self, commit: &Commit<'_>, id: Digest, planned: &Planned, fields: Fields) {
        let Some(live) = self.model.live(id).cloned() else {
            return;
        };
        let lease = self.model.lease(live.lease.started, commit.now);
        // Whoever has renewed it leaves its former id the grace.
        let in_grace = self
            .unit()
            .named_here
            .is_some_and(|until| commit.now < until);
        match commit.lease {
            None => {
                let noted = self.model.refresh_due(planned.known_use, commit.now) && !in_grace;
                let due = noted || planned.wants.touch;
                self.check(!due, |_| "a refresh is due and is forgotten".into());
            }
            Some(_)
                if in_grace && id == commit.id && live.former.is_some() && !planned.wants.touch =>
            {
                self.violated("a grace is ended, and no client has shown the new id".into());
            }
            // It comes by the former id, of a request that began before the renewal.
            Some(new) if new.started < live.lease.started => {
                self.check(id != commit.id, |_| {
                    "a refresh counts from an earlier sign-in".into()
                });
            }
            Some(new) => self.check(new == lease, |_| {
                format!("a refresh brings {new:?} and should bring {lease:?}")
            }),
        }
        if let Some(live) = self.model.live_mut(id) {
            live.fields = fields;
            if let Some(lease) = commit.lease {
                if lease.seen >= live.lease.seen && lease.started >= live.lease.started {
                    live.lease = lease;
                }
                if id == commit.id {
                    live.former = None;
                }
            }
        }
    }
}
