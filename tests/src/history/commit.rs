//! What a commit does, applied to the model in the step in which the store takes it.

use super::{
    data::Field,
    model::{End, Fields, Found, Live, Record},
    unit::{Answer, Cookie, Phase, Who},
    watch::{Due, Watch, stored},
};
use level_session::{
    Timestamp,
    store::{Commit, Digest, ENDED_IS_REMEMBERED, Op, Outcome, Step},
};

impl Watch {
    pub(super) fn committed(&mut self, commit: &Commit<'_>, outcome: &Outcome) {
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
        let (phase, who) = (self.unit().phase, self.unit().who);
        let allowed = matches!(
            phase,
            Phase::Committing | Phase::Taking(_) | Phase::Ending { commits: true }
        );
        if !allowed {
            return self.violated(format!(
                "a request that must not store anything commits ({phase:?})"
            ));
        }
        self.check(self.units[current].answered.is_empty(), |_| {
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
                // Whoever takes looks again.
                if let Phase::Taking(field) = phase {
                    let live = self.model.live(id);
                    let current = live.and_then(|live| live.fields.get(&field).cloned());
                    self.unit().reread(field, current);
                }
            }
            (Outcome::Exists, Some(_)) if taken => {}
            (Outcome::Gone, None) => {
                let refresh = commit.step == Step::Keep
                    && !commit.clear
                    && commit.writes.is_empty()
                    && !self.unit().wants.touch;
                let unit = self.unit();
                unit.gone = true;
                unit.answered.push(match refresh {
                    true => Answer::RefreshGone,
                    false => Answer::Gone,
                });
            }
            (Outcome::Done, Some(id)) if !taken => {
                self.unit().answered.push(Answer::Done);
                match phase {
                    Phase::Taking(field) => self.claim(commit, id, field),
                    _ => self.apply(commit, id, who),
                }
            }
            (outcome, alive) => {
                let what = format!(
                    "a commit is answered with `{outcome:?}` and should not be: the session {}, its new id {}",
                    if alive.is_some() { "lives" } else { "is dead" },
                    if taken { "is taken" } else { "is free" },
                );
                self.violated(what);
            }
        }
    }

    fn claim(&mut self, commit: &Commit<'_>, id: Digest, field: Field) {
        let now = commit.now;
        let before = self
            .model
            .live_mut(id)
            .and_then(|live| live.fields.remove(&field));
        let unit = self.unit();
        let value = unit.wants.fold(field, before, now);
        unit.claimed = Some(value);
        unit.wants.drop_all(field);
        unit.reread(field, None);
    }

    fn apply(&mut self, commit: &Commit<'_>, id: Digest, who: Who) {
        let now = commit.now;
        let wants = self.unit().wants.clone();
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
        let current = self.current;
        let nothing_else = match commit.step {
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
                self.unit().who = Who::Known {
                    id,
                    by_former: false,
                };
                self.unit().cookie = Cookie::Set(id);
                self.due_events.push((current, Due::Created(id)));
                true
            }
            Step::Keep => {
                self.check(!wants.renew && !wants.destroy, |_| {
                    "a renewal or a destroy is forgotten".into()
                });
                self.keep(commit, id, fields.clone());
                wants.clear
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
                self.unit().who = Who::Known {
                    id: to,
                    by_former: false,
                };
                self.unit().cookie = Cookie::Set(to);
                match wants.destroy {
                    true => {
                        self.due_events.push((current, Due::Destroyed(id)));
                        self.due_events.push((current, Due::Created(to)));
                    }
                    false => self.due_events.push((current, Due::Renewed(id, to))),
                }
                wants.destroy || wants.clear
            }
            Step::Destroy => {
                self.check(wants.destroy && !leaves, |_| {
                    "nobody asked for a destroy".into()
                });
                self.model.take(id);
                self.model.put(id, Record::Ended(end(now)));
                fields.clear();
                self.unit().who = Who::Nobody;
                self.unit().cookie = Cookie::Remove;
                self.due_events.push((current, Due::Destroyed(commit.id)));
                true
            }
        };
        if let Some(lease) = commit.lease {
            self.unit().known_use = lease.seen;
        }
        self.unit().stored(&fields, nothing_else);
    }

    fn keep(&mut self, commit: &Commit<'_>, id: Digest, fields: Fields) {
        let Some(live) = self.model.live(id).cloned() else {
            return;
        };
        let lease = self.model.lease(live.lease.started, commit.now);
        match commit.lease {
            None => {
                let known = self.unit().known_use;
                let due = self.model.refresh_due(known, commit.now) || self.unit().wants.touch;
                self.check(!due, |_| "a refresh is due and is forgotten".into());
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
