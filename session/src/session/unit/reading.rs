//! Reads of a unit of work: fields, and whether the session is live.

use super::UnitOfWork;
use crate::{
    error::{ErrorKind, Result},
    session::state::{Look, LookAt, Owner, Question},
    store::{Bytes, Digest, FieldName, Loaded, Meta, Select, Timestamp},
};
use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

/// How long it takes at most to notice that a session was ended by a process that could not report it.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl UnitOfWork {
    pub(crate) fn look(&self, field: &FieldName, now: Timestamp) -> Result<Look> {
        self.lock().look(field, now)
    }

    /// Records a load of one field, and [looks](Self::look) at it.
    pub(crate) fn note_one_loaded(
        &self,
        field: &FieldName,
        loaded: Loaded,
        asked: Question,
        now: Timestamp,
    ) -> Result<Look> {
        let mut state = self.lock();
        let names = std::slice::from_ref(field);
        state.note_loaded(names, loaded, asked, self.rules(now))?;
        state.look(field, now)
    }

    /// Loads these fields, possibly none, and records the result. The first load of a session includes the library's
    /// own fields.
    async fn ask(&self, fields: &[FieldName], asked: Question) -> Result<()> {
        let along: &[FieldName] = match asked.first {
            true => &self.runtime.along,
            false => &[],
        };
        let fields: Vec<FieldName> = fields.iter().chain(along).cloned().collect();
        let names: Vec<&str> = fields.iter().map(|name| &**name).collect();
        let select = match names[..] {
            [] => Select::Nothing,
            _ => Select::Names(&names),
        };
        let loaded = self
            .runtime
            .store
            .load(asked.id, select, self.now())
            .await?;
        let now = self.now();
        self.lock()
            .note_loaded(&fields, loaded, asked, self.rules(now))
    }

    /// The value of a field as the request sees it.
    pub(crate) async fn read(&self, field: &FieldName) -> Result<Option<Bytes>> {
        loop {
            let look = self.look(field, self.now())?;
            match look {
                Look::Seen(bytes) => return Ok(bytes),
                Look::Load(asked) => self.ask(std::slice::from_ref(field), asked).await?,
                Look::Wait => self.landed().await,
            }
        }
    }

    /// These fields as the request sees them. Fields that it has not read yet are loaded together, at one moment.
    pub(crate) async fn read_many(&self, fields: &[FieldName]) -> Result<Vec<Option<Bytes>>> {
        loop {
            let look = self.lock().look_at(fields, self.now())?;
            match look {
                LookAt::Seen(seen) => return Ok(seen),
                LookAt::Load(asked, missing) => self.ask(&missing, asked).await?,
                LookAt::Wait => self.landed().await,
            }
        }
    }

    /// All fields that the request sees.
    pub(crate) async fn read_all(&self) -> Result<Vec<(FieldName, Bytes)>> {
        loop {
            self.landed().await;
            let now = self.now();
            let asked = {
                let mut state = self.lock();
                match state.begin_read()?.question() {
                    _ if state.flight.is_some() => continue,
                    Some(asked) if !state.knows_all() => asked,
                    _ => return state.see_all(now),
                }
            };
            let loaded = self.runtime.store.load(asked.id, Select::All, now).await?;
            let now = self.now();
            self.lock()
                .note_loaded(&[], loaded, asked, self.rules(now))?;
        }
    }

    /// The times of the session if it is live.
    pub(crate) async fn meta(&self) -> Result<Option<Meta>> {
        self.identify().await?;
        // Another task may have noticed meanwhile that the session ended.
        Ok(match &self.lock().begin_read()?.who {
            Owner::Known(known) => Some(known.meta),
            Owner::Nobody | Owner::Presented(_) => None,
        })
    }

    /// Asks the store which of the request's cookies has a live session, unless that is known.
    pub(super) async fn identify(&self) -> Result<()> {
        loop {
            self.landed().await;
            let asked = {
                let mut state = self.lock();
                state.begin_read()?.question()
            };
            match asked {
                Some(asked) if asked.first => self.ask(&[], asked).await?,
                _ => return Ok(()),
            }
        }
    }

    /// Waits until the session has ended, or the application shuts down. Ends by this process, or by a process that can
    /// report them, are noticed at once, others by polling the store. A renewal by this unit is not an end, and a
    /// visitor without a session has none that could end.
    pub(crate) async fn ended(&self) -> Result<()> {
        // If there are several cookies, this chooses the one whose session is live.
        match self.identify().await {
            Err(error) if error.kind() == ErrorKind::Gone => return Ok(()),
            result => result?,
        }
        if self.lock().is_nobody_s() {
            self.runtime.closes().await;
            return Ok(());
        }
        let destroyed = self.lock().destroyed;
        let id = || {
            let state = self.lock();
            state.digest().filter(|_| state.destroyed == destroyed)
        };
        while let Some(watched) = id() {
            let mut ends = self.runtime.ends(watched);
            if self.runtime.is_closing() {
                break;
            }
            let now = self.now();
            let Some(deadline) = self.deadline(watched, now).await? else {
                self.landed().await;
                match id() {
                    Some(id) if id != watched => continue,
                    _ => break,
                }
            };
            let mut ended = pin!(ends.changed());
            let look_again = deadline.min(now.after(LOOK_AGAIN));
            let mut expired = pin!(self.runtime.clock.sleep_until(look_again));
            poll_fn(|cx| match ended.as_mut().poll(cx) {
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => expired.as_mut().poll(cx),
            })
            .await;
        }
        Ok(())
    }

    /// The deadline of a session if it is not used, or `None` if it is not live.
    async fn deadline(&self, id: Digest, now: Timestamp) -> Result<Option<Timestamp>> {
        let loaded = self.runtime.store.load(id, Select::Nothing, now).await?;
        Ok(match loaded {
            Loaded::Live(snapshot) => Some(self.runtime.lifetimes.deadline(&snapshot.meta.lease)),
            _ => None,
        }
        .filter(|deadline| now < *deadline))
    }
}
