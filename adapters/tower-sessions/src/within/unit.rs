//! A store for tower-sessions that is the unit of work of one request, independent of the core's version.

use crate::{id::SessionId, record::Data};
use level_session::{FieldName, Result, UntypedSession};
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};
use time::OffsetDateTime;

pub(super) struct Unit {
    session: UntypedSession,
    state: Mutex<State>,
}

struct State {
    /// The id that tower-sessions uses for the session.
    id: Option<SessionId>,
    /// The id of the loaded record, which only `cycle_id` uses.
    record: SessionId,
    /// The content of the session that tower-sessions knows.
    known: Data,
    /// The request created the session and then called either `flush` or `cycle_id`, which look the same at first.
    undecided: bool,
}

impl Unit {
    pub(super) fn new(session: UntypedSession, id: Option<SessionId>, record: SessionId) -> Self {
        let state = State {
            id,
            record,
            known: Data::new(),
            undecided: false,
        };
        Self {
            session,
            state: Mutex::new(state),
        }
    }

    /// Returns the content of the session and when it expires, or `None` for a new visitor.
    pub(super) async fn load(&self) -> Result<Option<(SessionId, Data, OffsetDateTime)>> {
        let data = self.read().await?;
        let expires = self.session.expires_at().await?;
        if data.is_empty() && expires.is_none() {
            return Ok(None);
        }
        let expires = expires.map_or(i64::MAX, |at| {
            i64::try_from(at.as_millis() / 1000).unwrap_or(i64::MAX)
        });
        let expiry = OffsetDateTime::from_unix_timestamp(expires)
            .unwrap_or(time::PrimitiveDateTime::MAX.assume_utc());
        let mut state = self.lock();
        state.known.clone_from(&data);
        Ok(Some((state.record, data, expiry)))
    }

    /// Reads the fields that can be represented in JSON.
    async fn read(&self) -> Result<Data> {
        let all = self.session.get_all().await?.into_map().into_iter();
        Ok(all
            .filter_map(|(key, value)| Some((key, serde_json::to_value(value).ok()?)))
            .collect())
    }

    /// Applies the changes to the session.
    pub(super) async fn save(&self, id: SessionId, data: &Data) -> Result<()> {
        let is_loaded = id == self.lock().record;
        if !is_loaded {
            // The session was cleared before it was loaded.
            let known = self.read().await?;
            let mut state = self.lock();
            state.known = known;
            state.record = id;
        }
        self.want(data)
    }

    /// Creates a session, or continues one whose id was cycled.
    pub(super) fn create(&self, id: SessionId, data: &Data) -> Result<()> {
        let was_cycled = {
            let mut state = self.lock();
            state.id = Some(id);
            state.record = id;
            std::mem::take(&mut state.undecided)
        };
        if was_cycled {
            self.session.renew()?;
        }
        self.want(data)
    }

    pub(super) fn delete(&self, id: SessionId) -> Result<()> {
        let mut state = self.lock();
        let (is_session, is_record) = (state.id == Some(id), state.record == id);
        match (is_session, is_record) {
            // The request created the session, so its record has the same id.
            (true, true) => state.undecided = true,
            (true, false) => {
                state.known.clear();
                state.id = None;
                drop(state);
                self.session.destroy()?;
            }
            (false, true) => {
                drop(state);
                self.session.renew()?;
            }
            // A visitor without a session.
            (false, false) => {}
        }
        Ok(())
    }

    /// Ends the request's use of the session.
    pub(super) fn end(&self) -> Result<()> {
        match self.lock().undecided {
            true => self.session.destroy(),
            false => Ok(()),
        }
    }

    fn want(&self, data: &Data) -> Result<()> {
        let mut state = self.lock();
        for (key, value) in data {
            if state.known.get(key) != Some(value) {
                self.session.set(FieldName::from(key.clone()), value)?;
            }
        }
        for key in state.known.keys().filter(|key| !data.contains_key(*key)) {
            self.session.del(FieldName::from(key.clone()))?;
        }
        state.known.clone_from(data);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unit").finish_non_exhaustive()
    }
}
