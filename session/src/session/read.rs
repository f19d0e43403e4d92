//! The reading of one field: without an allocation where the store answers at once.

use super::{
    state::{Epoch, Look},
    unit::UnitOfWork,
};
use crate::{
    error::Result,
    store::FieldName,
    store::Timestamp,
    store::{Bytes, Loaded, Select, StoreFuture},
};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The future of a declared field's bytes as the request sees them.
pub(super) struct Read<'a> {
    /// The key, as the slice of one that a store is asked with.
    name: &'static [&'static str; 1],
    asked: Option<Asked<'a>>,
}

enum Asked<'a> {
    Store(StoreFuture<'a, Loaded>, Epoch),
    /// A commit of another task of the request is to end first.
    Commit,
}

impl<'a> Read<'a> {
    pub(super) fn declared(name: &'static [&'static str; 1]) -> Self {
        Self { name, asked: None }
    }

    pub(super) fn poll(
        &mut self,
        unit: &'a UnitOfWork,
        cx: &mut Context<'_>,
        now: Timestamp,
    ) -> Poll<Result<Option<Bytes>>> {
        let field = FieldName::from_static(self.name[0]);
        loop {
            let look = match &mut self.asked {
                None => unit.look(&field, now)?,
                Some(Asked::Store(answer, asked)) => {
                    let loaded = ready!(Pin::new(answer).poll(cx));
                    let asked = *asked;
                    self.asked = None;
                    unit.absorb_one(&field, loaded?, asked, now)?
                }
                Some(Asked::Commit) => {
                    ready!(unit.lock().poll_commit_ended(cx));
                    self.asked = None;
                    unit.look(&field, now)?
                }
            };
            match look {
                Look::Seen(bytes) => return Poll::Ready(Ok(bytes)),
                Look::Load(digest, epoch) => {
                    let answer = unit
                        .runtime
                        .store
                        .load(digest, Select::Names(self.name), now);
                    self.asked = Some(Asked::Store(answer, epoch));
                }
                Look::Wait => self.asked = Some(Asked::Commit),
            }
        }
    }
}
