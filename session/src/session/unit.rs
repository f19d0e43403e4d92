//! A unit of work: the state of a request's session, and the conversation with the store about it.
//!
//! The state is behind a short lock that is never held across an await, and never while code of the user's runs
//! (`Deserialize`, closures). Whatever talks to the store about changes does so one at a time, under `serial`.

use super::state::{CookieAction, Epoch, Look, Phase, Plan, Rules, State, Taking, Who};
use crate::{
    changes::{Change, Setting, Step},
    clock::Timestamp,
    cookie::Lines,
    csrf,
    error::{Error, ErrorKind, Result},
    field::{FieldDef, FieldName},
    id::Digest,
    sessions::Runtime,
    store::{Add, Bytes, Commit, Guard, Loaded, Op, Outcome, Select, Step as CommitStep, Write},
};
use std::{
    fmt,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

/// How long it takes at most to find out that a session was ended by somebody who could not tell.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How often a commit is tried again because another request changed a field that it updates. A turn per session
/// makes one retry the rule; only another process can cause more.
const TRIES: usize = 64;

/// A handle's share of a session.
pub(crate) struct UnitOfWork {
    pub(crate) runtime: Arc<Runtime>,
    /// A session that is ended at this moment or later was ended while this unit was at work.
    began: Timestamp,
    state: Mutex<State>,
    serial: tokio::sync::Mutex<()>,
    /// Without a response of its own: it cannot send a cookie.
    detached: bool,
}

impl UnitOfWork {
    /// The unit of work of a request with these cookies, which are read when the session is used.
    pub(crate) fn new(runtime: Arc<Runtime>, cookies: Lines) -> Self {
        let mut state = State::new(Who::Nobody, runtime.create_at_once);
        state.unread = Some(cookies).filter(|lines| !lines.is_empty());
        Self {
            began: runtime.begin(),
            runtime,
            state: Mutex::new(state),
            serial: tokio::sync::Mutex::new(()),
            detached: false,
        }
    }

    /// A unit of its own on the same session.
    pub(crate) fn detach(&self) -> Result<Self> {
        let who = match &self.lock().use_it()?.who {
            Who::Nobody => {
                return Err(Error::new(
                    ErrorKind::Config,
                    "there is no stored session to detach from yet: write something and `commit().await` it first",
                ));
            }
            who => who.clone(),
        };
        Ok(Self {
            runtime: self.runtime.clone(),
            began: self.runtime.begin(),
            state: Mutex::new(State::new(who, false)),
            serial: tokio::sync::Mutex::new(()),
            detached: true,
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.peek();
        if let Some(cookies) = state.unread.take() {
            state.present(self.runtime.cookie.read(&cookies));
        }
        state
    }

    /// The state without a look at the request's cookies: who it is may not be known yet.
    fn peek(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.runtime.clock.now()
    }

    fn rules(&self, now: Timestamp) -> Rules {
        Rules {
            expiry: self.runtime.expiry,
            grace: self.runtime.grace,
            now,
        }
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.detached
    }

    // ---- reading

    pub(crate) fn look(&self, field: &FieldName, now: Timestamp) -> Result<Look> {
        self.lock().look(field, now)
    }

    pub(crate) fn absorb(
        &self,
        names: &[FieldName],
        loaded: Loaded,
        asked: Epoch,
        now: Timestamp,
    ) -> Result<()> {
        let rules = self.rules(now);
        self.lock().absorb(names, loaded, asked, self.began, &rules)
    }

    /// As [`absorb`](Self::absorb) for one field, and then [`look`](Self::look).
    pub(crate) fn absorb_one(
        &self,
        field: &FieldName,
        loaded: Loaded,
        asked: Epoch,
        now: Timestamp,
    ) -> Result<Look> {
        let rules = self.rules(now);
        let mut state = self.lock();
        state.absorb(
            std::slice::from_ref(field),
            loaded,
            asked,
            self.began,
            &rules,
        )?;
        state.look(field, now)
    }

    /// What the request sees of a field.
    pub(crate) async fn read(&self, field: &FieldName) -> Result<Option<Bytes>> {
        loop {
            let now = self.now();
            match self.look(field, now)? {
                Look::Seen(bytes) => return Ok(bytes),
                Look::Load(digest, asked) => {
                    let loaded = self
                        .runtime
                        .store
                        .load(digest, Select::Names(&[&**field]), now)
                        .await?;
                    self.absorb(std::slice::from_ref(field), loaded, asked, self.now())?;
                }
            }
        }
    }

    /// What the request sees of these fields: those it has not read yet are read in one go, of one moment.
    pub(crate) async fn read_many(&self, fields: &[FieldName]) -> Result<Vec<Option<Bytes>>> {
        loop {
            let now = self.now();
            let mut seen = Vec::with_capacity(fields.len());
            let mut ask = None;
            let mut missing = Vec::new();
            {
                let mut state = self.lock();
                for field in fields {
                    match state.look(field, now)? {
                        Look::Seen(bytes) => seen.push(bytes),
                        Look::Load(digest, asked) => {
                            ask = Some((digest, asked));
                            missing.push(field.clone());
                        }
                    }
                }
            }
            let Some((digest, asked)) = ask else {
                return Ok(seen);
            };
            let names: Vec<&str> = missing.iter().map(|name| &**name).collect();
            let loaded = self
                .runtime
                .store
                .load(digest, Select::Names(&names), now)
                .await?;
            self.absorb(&missing, loaded, asked, self.now())?;
        }
    }

    /// Everything that the request sees.
    pub(crate) async fn read_all(&self) -> Result<Vec<(FieldName, Bytes)>> {
        loop {
            let now = self.now();
            let (digest, asked) = {
                let mut state = self.lock();
                state.use_it()?;
                match state.digest() {
                    Some(digest) if !state.knows_all() => (digest, state.epoch()),
                    _ => return state.see_all(now),
                }
            };
            let loaded = self.runtime.store.load(digest, Select::All, now).await?;
            self.absorb(&[], loaded, asked, self.now())?;
        }
    }

    /// Whether the session lives, and its times.
    pub(crate) async fn meta(&self) -> Result<Option<crate::store::Meta>> {
        self.lock().use_it()?;
        self.identify().await?;
        Ok(match &self.lock().who {
            Who::Known(known) => Some(known.meta),
            Who::Nobody | Who::Presented(_) => None,
        })
    }

    /// Asks the store about a cookie that was presented, unless that was done.
    async fn identify(&self) -> Result<()> {
        let Some((digest, asked)) = ({
            let state = self.lock();
            state.must_identify().map(|digest| (digest, state.epoch()))
        }) else {
            return Ok(());
        };
        let loaded = self
            .runtime
            .store
            .load(digest, Select::Nothing, self.now())
            .await?;
        self.absorb(&[], loaded, asked, self.now())
    }

    /// Waits until the session has ended. What this process ends is told at once, what another one does, or a request that
    /// was dropped before it knew of its success, is found by looking again.
    pub(crate) async fn ended(&self) -> Result<()> {
        let Some(id) = self.digest() else {
            return Ok(());
        };
        let mut ends = self.runtime.ends(id);
        loop {
            ends.mark_unchanged();
            let now = self.now();
            let Loaded::Live(snapshot) = self.runtime.store.load(id, Select::Nothing, now).await?
            else {
                return Ok(());
            };
            let lease = snapshot.meta.lease;
            let lease = self
                .runtime
                .expiry
                .lease(lease.started, lease.seen)
                .earlier(lease);
            if !lease.is_live(now) {
                return Ok(());
            }
            let mut ended = pin!(ends.changed());
            let look_again = lease.deadline().min(now.after(LOOK_AGAIN));
            let mut expired = pin!(self.runtime.clock.sleep_until(look_again));
            poll_fn(|cx| match ended.as_mut().poll(cx) {
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => expired.as_mut().poll(cx),
            })
            .await;
        }
    }

    pub(crate) async fn csrf_token(&self) -> Result<String> {
        self.lock().use_it()?;
        self.identify().await?;
        let id = self.lock().id_to_be(|| self.runtime.ids.next())?;
        csrf::token(&self.runtime.keyring, &id)
    }

    pub(crate) async fn verify_csrf(&self, token: &str) -> Result<bool> {
        self.lock().use_it()?;
        self.identify().await?;
        let id = self.lock().id_that_came().cloned();
        Ok(id.is_some_and(|id| csrf::matches(&self.runtime.keyring, &id, token)))
    }

    // ---- changing

    /// Runs a step of an `update` on what the request sees, and notes it.
    pub(crate) async fn update(&self, field: &FieldName, mut step: Step) -> Result<()> {
        let _serial = self.serial.lock().await;
        loop {
            let version = self.lock().version(field);
            let seen = self.read(field).await?;
            let now = self.now();
            let result = step(seen.as_ref(), now)?; // code of the user's: no lock is held but `serial`
            match self.lock().update(field, version, step, result)? {
                Ok(()) => return Ok(()),
                Err(back) => step = back, // another task of this request changed the field meanwhile
            }
        }
    }

    /// Takes a field: of all concurrent takers one gets it. `check` looks at the value before it is claimed, so that
    /// what cannot be read is not lost.
    pub(crate) async fn take(
        &self,
        field: &FieldName,
        check: impl Fn(&Bytes) -> Result<()>,
    ) -> Result<Option<Bytes>> {
        let _serial = self.serial.lock().await;
        loop {
            let version = self.lock().version(field);
            let Some(seen) = self.read(field).await? else {
                return Ok(None);
            };
            check(&seen)?;
            let (change, id, stored) = {
                let mut state = self.lock();
                if state.version(field) != version {
                    continue; // another task of this request changed it meanwhile
                }
                match state.begin_take(field)? {
                    Taking::Own => return Ok(Some(seen)),
                    Taking::Claim { change, id, stored } => (change, id, stored),
                }
            };
            let now = self.now();
            let claim = Commit {
                id,
                now,
                ended_at: now,
                step: CommitStep::Keep,
                clear: false,
                lease: None,
                guards: &[Guard {
                    field: field.clone(),
                    expected: Some(stored),
                }],
                writes: &[Write {
                    field: field.clone(),
                    op: Op::Remove,
                    index: None,
                }],
            };
            let outcome = self.runtime.store.commit(claim).await;
            let current = {
                let mut state = self.lock();
                match outcome {
                    Ok(Outcome::Done) => {
                        state.reread(field, None);
                        state.end_take(field, version, None);
                        return Ok(Some(seen));
                    }
                    Ok(Outcome::Conflict(current)) => {
                        let current = current.into_iter().next().flatten();
                        state.reread(field, current.clone());
                        current
                    }
                    Ok(Outcome::Gone | Outcome::Exists) => return state.is_gone(),
                    Err(error) => {
                        state.end_take(field, version, change);
                        return Err(error);
                    }
                }
            };
            // Another was faster: what this request made of the former value, it makes of the present one.
            let change = match change {
                Some(Change::Update(mut update)) => {
                    update.rerun(current, now)?; // code of the user's: no lock is held but `serial`
                    Some(Change::Update(update))
                }
                other => other,
            };
            self.lock().end_take(field, version, change);
        }
    }

    // ---- committing

    /// Whether a commit would do anything. Where another task of the request is about to change something, it would
    /// wait for that.
    #[cfg(feature = "tower")]
    pub(crate) fn wants_commit(&self) -> bool {
        self.serial.try_lock().is_err() || {
            let rules = self.rules(self.now());
            self.lock().wants_commit(&rules)
        }
    }

    /// Stores everything that is wanted, at once.
    pub(crate) async fn commit(&self) -> Result<()> {
        let _serial = self.serial.lock().await;
        {
            let mut state = self.lock();
            match state.phase {
                Phase::Open => {}
                Phase::Gone => return Err(Error::gone()),
                Phase::Closed => return Err(Error::closed()),
                Phase::Committing => {
                    state.phase = Phase::Gone;
                    return Err(Error::new(
                        ErrorKind::Store,
                        "an earlier commit of this request was interrupted, and whether it is stored is not known: \
                         nothing more is stored through this handle",
                    ));
                }
            }
        }
        self.identify().await?;
        let rules = self.rules(self.now());
        let Some(mut plan) = self.lock().plan(&rules, || self.runtime.ids.next())? else {
            return Ok(());
        };
        match self.carry_out(&mut plan, &rules).await {
            Ok(()) => {
                let events = plan.events();
                let by_former_id = self.lock().settle(plan, rules.now);
                events.for_each(|event| self.runtime.tell(event, by_former_id));
                Ok(())
            }
            // Whoever only read has read what was there: that the use could not be noted takes nothing from it.
            Err(error) if plan.is_refresh() => {
                let mut state = self.lock();
                state.unsettle(&plan, rules.now)?;
                match error.kind() {
                    ErrorKind::Gone => state.phase = Phase::Gone,
                    _ => tracing::warn!(
                        session = %plan.id.short(),
                        error = &error as &dyn std::error::Error,
                        "a session's idle timeout could not be restarted"
                    ),
                }
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Gone => self.lock().is_gone(),
            Err(error) => {
                let back = self.lock().unsettle(&plan, rules.now);
                Err(back.err().unwrap_or(error))
            }
        }
    }

    async fn carry_out(&self, plan: &mut Plan, rules: &Rules) -> Result<()> {
        let _turn = match plan.guards.is_empty() {
            true => None,
            false => Some(self.runtime.turn(plan.id).lock().await),
        };
        for _ in 0..TRIES {
            let ending = match plan.step {
                CommitStep::Destroy | CommitStep::Renew { .. } => Some(self.runtime.end(rules.now)),
                CommitStep::Create { .. } | CommitStep::Keep => None,
            };
            let commit = Commit {
                id: plan.id,
                now: rules.now,
                ended_at: ending.as_ref().map_or(rules.now, |ending| ending.at),
                step: plan.step,
                clear: plan.clear,
                lease: plan.lease,
                guards: &plan.guards,
                writes: &plan.writes,
            };
            match self.runtime.store.commit(commit).await? {
                Outcome::Done => return Ok(()),
                Outcome::Gone => return Err(Error::gone()),
                Outcome::Exists => State::replan(plan, self.runtime.ids.next()?),
                Outcome::Conflict(current) => self.rerun(plan, current)?,
            }
        }
        Err(Error::new(
            ErrorKind::Contended,
            match plan.new {
                Some(_) => {
                    "no id could be found that is not taken: the id generator repeats itself"
                }
                None => "other requests changed what this one updates, again and again",
            },
        ))
    }

    /// Runs the updates of a plan again, on what is stored now. The session's turn is held meanwhile, so that nobody else
    /// who updates it comes between.
    fn rerun(&self, plan: &mut Plan, current: Vec<Option<Bytes>>) -> Result<()> {
        let now = self.now();
        let mut updates = self.lock().lend_updates();
        let mut result = Ok(());
        for (name, update) in &mut updates {
            let at = plan.guards.iter().position(|guard| guard.field == *name);
            let bytes = at.and_then(|at| current.get(at).cloned()).flatten();
            result = result.and_then(|()| update.rerun(bytes, now)); // code of the user's: the state is not locked
        }
        let mut state = self.lock();
        for (name, update) in &updates {
            state.reread(name, update.base().cloned());
        }
        state.return_updates(plan, updates);
        result
    }

    /// Ends the unit. Gives what the response is to say, and whether the session was used at all.
    pub(crate) fn close(&self) -> (CookieAction, bool) {
        let used = self.is_used();
        // Whoever used it has read the cookies, but for one who makes a session of every visit and failed.
        let mut state = if used { self.lock() } else { self.peek() };
        (state.close(), used)
    }

    /// Whether the session was used in any way.
    pub(crate) fn is_used(&self) -> bool {
        self.peek().used
    }

    pub(crate) fn digest(&self) -> Option<Digest> {
        self.lock().digest()
    }

    // ---- making values

    /// A value of a field, ready to be stored.
    pub(crate) fn setting(
        def: Option<&FieldDef>,
        field: &FieldName,
        now: impl FnOnce() -> Timestamp,
        body: impl FnOnce(&mut Vec<u8>) -> Result<(), crate::value::ValueError>,
    ) -> Result<Setting> {
        let expires = def.and_then(|def| def.ttl).map(|ttl| now().after(ttl));
        let make = || {
            let bytes = crate::value::seal(expires, body)?;
            let index = match def {
                Some(def) if def.index => Some(crate::value::index_entry(&bytes)?),
                _ => None,
            };
            Ok(Setting { bytes, index })
        };
        make().map_err(|cause: crate::value::ValueError| cause.on_field(field.clone()))
    }

    /// An addition to a counter.
    pub(crate) fn adding(def: &FieldDef, delta: i128, base: i128, now: Timestamp) -> Option<Add> {
        let expires = def.ttl.map(|ttl| now.after(ttl));
        def.counter.map(|range| Add {
            delta,
            range,
            base,
            expires,
        })
    }
}

impl fmt::Debug for UnitOfWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let mut out = f.debug_struct("Session");
        match state.digest() {
            Some(digest) => out.field("digest", &digest.short()),
            None => out.field("digest", &"none"),
        };
        out.field("phase", &state.phase).finish_non_exhaustive()
    }
}
