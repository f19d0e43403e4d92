//! What a unit of work asks the store: fields, and whether the session lives.

use super::UnitOfWork;
use crate::{
    error::Result,
    session::state::{Epoch, Look, LookAt, Who},
    store::FieldName,
    store::Timestamp,
    store::{Bytes, Loaded, Select},
};
use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

/// How long it takes at most to find out that a session was ended by somebody who could not tell.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl UnitOfWork {
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
                Look::Wait => self.commit_ended().await,
            }
        }
    }

    /// What the request sees of these fields: those it has not read yet are read in one go, of one moment.
    pub(crate) async fn read_many(&self, fields: &[FieldName]) -> Result<Vec<Option<Bytes>>> {
        loop {
            let now = self.now();
            let looked = self.lock().look_at(fields, now)?;
            let (digest, asked, missing) = match looked {
                LookAt::Seen(seen) => return Ok(seen),
                LookAt::Load(digest, asked, missing) => (digest, asked, missing),
                LookAt::Wait => {
                    self.commit_ended().await;
                    continue;
                }
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
            let asked = {
                let mut state = self.lock();
                state.use_it()?;
                match state.digest() {
                    Some(digest) if !state.knows_all() => match state.must_wait_for_all()? {
                        true => None,
                        false => Some((digest, state.epoch())),
                    },
                    _ => return state.see_all(now),
                }
            };
            let Some((digest, asked)) = asked else {
                self.commit_ended().await;
                continue;
            };
            let loaded = self.runtime.store.load(digest, Select::All, now).await?;
            self.absorb(&[], loaded, asked, self.now())?;
        }
    }

    /// Waits until no commit is under way. It holds nothing meanwhile, so that it is in nobody's way if it is no longer
    /// polled.
    pub(super) async fn commit_ended(&self) {
        poll_fn(|cx| self.lock().poll_commit_ended(cx)).await;
    }

    /// Whether the session lives, and its times.
    pub(crate) async fn meta(&self) -> Result<Option<crate::store::Meta>> {
        self.lock().use_it()?;
        self.identify().await?;
        // Another task may have found out meanwhile that the session ended.
        Ok(match &self.lock().use_it()?.who {
            Who::Known(known) => Some(known.meta),
            Who::Nobody | Who::Presented(_) => None,
        })
    }

    /// Asks the store about a cookie that was presented, unless that was done.
    pub(super) async fn identify(&self) -> Result<()> {
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
    /// was dropped before it knew of its success, is found by looking again. A renewal of this unit's own is no end.
    pub(crate) async fn ended(&self) -> Result<()> {
        let destroyed = self.lock().destroyed;
        let id = || {
            let state = self.lock();
            state.digest().filter(|_| state.destroyed == destroyed)
        };
        while let Some(watched) = id() {
            let mut ends = self.runtime.ends(watched);
            let now = self.now();
            let deadline = match self
                .runtime
                .store
                .load(watched, Select::Nothing, now)
                .await?
            {
                Loaded::Live(snapshot) => Some(self.runtime.expiry.deadline(&snapshot.meta.lease)),
                _ => None,
            };
            let Some(deadline) = deadline.filter(|deadline| now < *deadline) else {
                self.commit_ended().await;
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
}
