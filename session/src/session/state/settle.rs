//! The outcome of a commit.

use super::{
    CookieAction, Flown, Known, Landed, Landing, Owner, Phase, Plan, Rules, State,
    terms::{Arrival, Lasts, Named},
};
use crate::{
    error::Result,
    runtime::{EndReason, Event},
    store::{Clear, Done, Loaded, Step, Timestamp},
};

/// What to report about a commit.
pub(crate) struct Told {
    pub(crate) result: Result<Flown>,
    pub(crate) events: [Option<Event>; 2],
    pub(crate) others: Vec<Event>,
    /// It was made by the former id of its session.
    pub(crate) by_former_id: bool,
}

impl State {
    /// Applies the outcome of a commit.
    pub(crate) fn settle(&mut self, landing: Landing, rules: Rules<'_>) -> Told {
        let Landing {
            plan,
            others,
            result,
            ..
        } = landing;
        let is_claim = plan.is_claim();
        let mut told = Told {
            result: Ok(Flown::Stored),
            events: [None, None],
            others: others
                .into_iter()
                .map(|id| Event::ended(id, EndReason::SignedOut, rules.now))
                .collect(),
            by_former_id: false,
        };
        match result {
            Ok(Landed::Done(done)) => {
                told.events = plan.events(rules.now);
                told.by_former_id = done.by_former_id;
                let ended = done.ended.iter();
                told.others
                    .extend(ended.map(|id| Event::ended(*id, plan.ends_for(), rules.now)));
                let was_blind = plan.is_blind;
                self.stored(plan, done, rules);
                // Whether the use is due was judged by the deployment's idle timeout, but this session has its own.
                if was_blind && self.has_lifetime() && self.is_to_be_refreshed(rules) {
                    told.result = Ok(Flown::Again);
                }
            }
            Ok(Landed::Overtaken(current)) => {
                let field = plan.claim.as_ref().map(|(field, _)| field.clone());
                told.result = self.not_stored(plan, rules).map(|()| Flown::Again);
                if let Some(field) = field {
                    self.slot(&field).reread(Some(current));
                }
            }
            Ok(Landed::Gone(loaded)) => told.result = self.ended(plan, loaded, rules),
            // A request that only read has its values: they are valid although the use could not be recorded.
            Err(error) if plan.is_refresh() => {
                if let Some(times) = rules.runtime.unnoted(rules.now) {
                    tracing::warn!(
                        times,
                        session = %plan.id.short(),
                        error = &error as &dyn std::error::Error,
                        "cannot restart a session's idle timeout (logged once a minute at most)"
                    );
                }
                told.result = self.not_stored(plan, rules).map(|()| Flown::Stored);
            }
            Err(error) => told.result = self.not_stored(plan, rules).and(Err(error)),
        }
        if rules.detached && !is_claim && matches!(told.result, Ok(Flown::Stored)) {
            self.slots.forget(); // its unit of work ends with its commit
        }
        if self.phase == Phase::Closed {
            self.forget_wants();
        }
        told
    }

    /// The session of a commit is not live: the changes may belong to another session.
    fn ended(
        &mut self,
        plan: Box<Plan>,
        loaded: Option<Loaded>,
        rules: Rules<'_>,
    ) -> Result<Flown> {
        let (id, is_blind, destroys) = (plan.id, plan.is_blind, plan.destroys());
        let is_refresh = plan.is_refresh();
        self.not_stored(plan, rules)?;
        match loaded {
            // It is live by its stored deadlines, but not by the current timeouts.
            Some(Loaded::Live(snapshot))
                if is_blind && rules.now >= rules.lifetimes().deadline(&snapshot.meta.lease) =>
            {
                self.lives_not(&Loaded::Missing, rules)
                    .map(|()| Flown::Again)
            }
            // Ending a session that has ended is a success.
            Some(Loaded::Missing | Loaded::Ended(_)) if destroys => {
                if let Some(Loaded::Ended(at)) = loaded {
                    let end = rules.runtime.end_of(id, at);
                    self.jar.renewed_lately |= end.is_lately_renewed(rules.began);
                }
                self.drop_refreshed_cookie();
                if !is_blind {
                    self.leaves_its_id();
                }
                self.who = Owner::Nobody;
                Ok(Flown::Again)
            }
            Some(loaded @ (Loaded::Missing | Loaded::Ended(_))) if is_blind => {
                self.lives_not(&loaded, rules).map(|()| Flown::Again)
            }
            _ => {
                let gone = self.is_gone();
                if is_refresh { Ok(Flown::Stored) } else { gone }
            }
        }
    }

    /// All changes are pending again.
    fn not_stored(&mut self, mut plan: Box<Plan>, rules: Rules<'_>) -> Result<()> {
        let cleared_since = self.wants.clear != Clear::Nothing;
        self.wants.fall_back(std::mem::take(&mut plan.wants));
        self.wants.next = self.wants.next.take().or(plan.new.take().map(Box::new));
        if cleared_since {
            return Ok(());
        }
        // Restores all changes, even if an addition now leaves its counter's range.
        let mut result = Ok(());
        for (name, change) in plan.into_changes() {
            let back = self.slots.fall_back(&name, change, rules.now);
            result = result.and(back);
        }
        result
    }

    fn stored(&mut self, plan: Box<Plan>, done: Done, rules: Rules<'_>) {
        if let Some((field, _)) = &plan.claim {
            // The changes that it included are stored; later ones stay pending.
            return self.slot(field).reread(Some(None));
        }
        self.slots.hide(); // another task may have received a view meanwhile
        let clear = match plan.step {
            Step::Create { .. } | Step::Destroy => Clear::Everything,
            _ => plan.clear(),
        };
        self.slots.all_read |= clear == Clear::Everything;
        self.destroyed += u64::from(plan.destroys());
        let step = plan.step;
        self.is_known_as(plan.new, step, &done, rules);
        self.slots.stored(plan.writes, |name| !clear.removes(name));
    }

    /// Records the id of the session after the step, and the cookie action for the response.
    fn is_known_as(&mut self, new: Option<Named>, step: Step, done: &Done, rules: Rules<'_>) {
        if !matches!(step, Step::Keep { .. }) {
            self.leaves_its_id();
        }
        let Some(meta) = done.meta else {
            self.who = Owner::Nobody;
            self.cookie = CookieAction::Remove;
            return;
        };
        let lasts = Lasts::of(&meta.lease);
        let told_before = match &self.who {
            Owner::Known(known) => Some(known.meta.lease.told),
            _ => None,
        };
        let (named, named_here) = match (new, step, std::mem::replace(&mut self.who, Owner::Nobody))
        {
            (Some(new), step, _) => {
                self.cookie = CookieAction::Set(new.id.clone(), lasts);
                (new, former_works_until(step))
            }
            (None, _, Owner::Known(known)) => (known.named, known.named_here),
            (None, _, Owner::Presented(named)) => (named, None),
            (None, _, Owner::Nobody) => return,
        };
        let told = meta.lease.told;
        let tells = matches!(step, Step::Keep { usage: Some(usage), .. } if usage.tells_client)
            && told >= rules.now
            && told > meta.lease.started // at the moment when the session began, the client got its cookie already
            && told_before != Some(told);
        // A client that sent a former id has the new cookie, or will get it: the former one must not replace that.
        match &self.cookie {
            CookieAction::Set(id, _) if done.by_former_id && *id == named.id => {
                self.cookie = CookieAction::Leave;
            }
            _ if tells && !done.by_former_id => {
                self.cookie = CookieAction::Set(named.id.clone(), lasts);
            }
            _ => {}
        }
        self.who = Owner::Known(Known {
            named,
            meta,
            by_former_id: done.by_former_id,
            named_here,
        });
    }

    /// The session gets another id, or ends: records the id that the request came with.
    fn leaves_its_id(&mut self) {
        self.came = match (std::mem::take(&mut self.came), &self.who) {
            (Arrival::AsItIs, Owner::Presented(named) | Owner::Known(Known { named, .. })) => {
                Arrival::With(Box::new(named.id.clone()))
            }
            (Arrival::AsItIs, Owner::Nobody) => Arrival::Without,
            (came, _) => came,
        };
    }
}

/// The moment until which the session's previous id works.
const fn former_works_until(step: Step) -> Option<Timestamp> {
    match step {
        Step::Renew {
            former_works_until, ..
        } => former_works_until,
        _ => None,
    }
}
