//! Reading one field, without an allocation if the store returns at once.

use super::{
    state::{Look, Question},
    unit::UnitOfWork,
};
use crate::{
    error::Result,
    store::{Bytes, FieldName, Loaded, Select, StoreFuture, Timestamp},
};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The future of a declared field's bytes as the request sees them.
pub(super) struct Read<'a> {
    /// The key, as a slice of one for the store.
    name: &'static [&'static str; 1],
    asked: Option<Asked<'a>>,
}

enum Asked<'a> {
    Store(StoreFuture<'a, Loaded>, Question),
    /// A load of more than this field.
    More(Pin<Box<dyn Future<Output = Result<Option<Bytes>>> + Send + 'a>>),
    /// A commit has to complete first.
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
                    unit.note_one_loaded(&field, loaded?, asked, now)?
                }
                Some(Asked::More(answer)) => return answer.as_mut().poll(cx),
                Some(Asked::Commit) => {
                    ready!(unit.poll_landed(cx));
                    self.asked = None;
                    unit.look(&field, now)?
                }
            };
            self.asked = Some(match look {
                Look::Seen(bytes) => return Poll::Ready(Ok(bytes)),
                Look::Load(asked) if asked.first && !unit.runtime.along.is_empty() => {
                    let field = field.clone();
                    Asked::More(Box::pin(async move { unit.read(&field).await }))
                }
                Look::Load(asked) => {
                    let select = Select::Names(self.name);
                    Asked::Store(unit.runtime.store.load(asked.id, select, now), asked)
                }
                Look::Wait => Asked::Commit,
            });
        }
    }
}
