//! A unit of work: the state of a request's session, and its communication with the store.
//!
//! The state is behind a short lock that is never held across an await, nor while user code (`Deserialize`, closures)
//! runs. There is one commit at a time.

mod changing;
mod committing;
mod flying;
mod reading;

pub(crate) use committing::Committing;

use super::state::{CookieAction, Flight, Jar, Owner, Rules, State};
use crate::{
    changes::Setting,
    cookie::Lines,
    csrf,
    error::{Error, ErrorKind, Result},
    runtime::Runtime,
    store::Add,
    store::Digest,
    store::Timestamp,
    store::{FieldName, schema::FieldDef},
};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A handle's share of a session.
pub(crate) struct UnitOfWork {
    pub(crate) runtime: Arc<Runtime>,
    /// A session that is ended at this moment or later was ended while this unit was in use.
    began: Timestamp,
    state: Mutex<State>,
    /// A detached unit has no response: it cannot send a cookie.
    detached: bool,
    /// The unit of a request whose response has no body, so that a flash value would be lost unseen.
    is_head: bool,
}

impl UnitOfWork {
    /// The unit of work of a request with these cookies, which are parsed when the session is used.
    #[inline] // so that it is constructed in place
    pub(crate) fn new(runtime: Arc<Runtime>, cookies: Option<Lines>, is_head: bool) -> Self {
        Self {
            began: runtime.begin(),
            state: Mutex::new(State::new(
                Jar::new(cookies),
                Owner::Nobody,
                runtime.create_at_once,
            )),
            runtime,
            detached: false,
            is_head,
        }
    }

    /// A new unit of work on the same session.
    pub(crate) fn detach(&self) -> Result<Self> {
        let state = {
            let mut state = self.lock();
            state.begin_use()?;
            if state.makes_one() {
                return Err(Error::new(
                    ErrorKind::Misuse,
                    "this request creates the session and has not stored it yet: call `commit().await` before `detach()`",
                ));
            }
            State::new(state.jar.clone(), state.who.clone(), false)
        };
        Ok(Self {
            runtime: self.runtime.clone(),
            began: self.runtime.begin(),
            state: Mutex::new(state),
            detached: true,
            is_head: false,
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.peek();
        self.read_cookies(&mut state);
        state
    }

    fn read_cookies(&self, state: &mut State) {
        if state.jar.is_unread() {
            let presented = state.jar.next(&self.runtime);
            state.present(presented);
        }
    }

    /// The state, without parsing the request's cookies: the session may not be identified yet.
    fn peek(&self) -> MutexGuard<'_, State> {
        // No code that can panic leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.runtime.clock.now()
    }

    fn rules(&self, now: Timestamp) -> Rules<'_> {
        Rules {
            runtime: &self.runtime,
            began: self.began,
            now,
            detached: self.detached,
        }
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.detached
    }

    pub(crate) fn is_head(&self) -> bool {
        self.is_head
    }

    pub(crate) async fn csrf_token(&self) -> Result<String> {
        let id = loop {
            self.identify().await?;
            let mut state = self.lock();
            if state.flight.is_none() {
                break state.next_id(self.rules(self.now()))?;
            }
        };
        csrf::token(&self.runtime.keyring, &id)
    }

    pub(crate) async fn verify_csrf(&self, token: &str) -> Result<bool> {
        self.identify().await?;
        let id = self.lock().id_that_came().cloned();
        Ok(id.is_some_and(|id| csrf::matches(&self.runtime.keyring, &id, token)))
    }

    /// Ends the unit; `shared` is whether other handles on it exist. Returns the cookie action for the response, and
    /// whether the session was used at all.
    pub(crate) fn close(&self, shared: bool) -> (CookieAction, bool) {
        Self::end(self.used(), shared)
    }

    /// Whether there is something to store before it [closes](Self::close). The response must be one that `commits`.
    pub(crate) fn stores_at_its_end(&self, commits: bool) -> bool {
        self.stores(&self.used(), commits)
    }

    /// Like [`close`](Self::close), unless there is something to [store](Self::stores_at_its_end) first.
    #[cfg(feature = "tower")]
    pub(crate) fn close_unless_it_stores(
        &self,
        commits: bool,
        shared: bool,
    ) -> Option<(CookieAction, bool)> {
        let state = self.used();
        (!self.stores(&state, commits)).then(|| Self::end(state, shared))
    }

    fn stores(&self, state: &State, commits: bool) -> bool {
        state.used && commits && state.wants_commit(self.rules(self.now()))
    }

    fn end(mut state: MutexGuard<'_, State>, shared: bool) -> (CookieAction, bool) {
        let end = state.close(shared);
        if state.flight.is_some() {
            // A commit whose task was dropped would never complete now.
            let left = |flight: &mut Flight| flight.left && flight.execution.is_some();
            let flight = state.flight.take_if(left);
            drop(state);
            if let Some(waiting) = flight.and_then(|flight| flight.waiting()) {
                waiting.wake_all();
            }
        }
        end
    }

    /// The state when the unit ends: the session is identified only if it was used.
    fn used(&self) -> MutexGuard<'_, State> {
        let mut state = self.peek();
        if state.used {
            self.read_cookies(&mut state);
        }
        state
    }

    pub(crate) fn digest(&self) -> Option<Digest> {
        self.lock().digest()
    }

    /// An encoded value of a field.
    pub(crate) fn setting(
        def: Option<&FieldDef>,
        field: &FieldName,
        now: impl FnOnce() -> Timestamp,
        body: impl FnOnce(&mut crate::value::Buffer) -> Result<(), crate::value::ValueError>,
    ) -> Result<Setting> {
        let expires = def.and_then(FieldDef::ttl).map(|ttl| now().after(ttl));
        let make = || {
            let bytes = crate::value::seal(expires, body)?;
            let index = match def {
                Some(def) if def.is_index() => Some(Box::new(crate::value::index_entry(&bytes)?)),
                _ => None,
            };
            Ok(Setting { bytes, index })
        };
        make().map_err(|cause: crate::value::ValueError| Error::of_value(cause, field.clone()))
    }

    /// An addition to a counter.
    pub(crate) fn adding(def: &FieldDef, delta: i128, base: i128, now: Timestamp) -> Option<Add> {
        let expires = def.ttl().map(|ttl| now.after(ttl));
        def.range().map(|range| Add {
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
        out.field("phase", &state.phase);
        out.field("commits", &state.flight.is_some());
        out.finish_non_exhaustive()
    }
}
