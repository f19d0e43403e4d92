//! Concurrency within a handler: two tasks at once, and a task that continues after the response.

use super::{
    data::Data,
    handler::{Handler, must},
    plan::Op,
    rng::Rng,
    stepping::turn,
    unit::Unit,
};
use level_session::{ErrorKind, Session, UntypedSession};
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

/// Detached units of work that have not had a turn yet.
pub(super) type Spawned = Arc<Mutex<Vec<(usize, Pin<Box<dyn Future<Output = ()> + Send>>)>>>;

impl Handler {
    /// Runs two tasks concurrently. The sequence of their turns is drawn beforehand.
    pub(super) async fn both(
        &self,
        session: &UntypedSession,
        turns: u64,
        one: impl Future<Output = ()>,
        other: impl Future<Output = ()>,
    ) {
        let (mut one, mut other) = (pin!(one), pin!(other));
        let mut done = [false; 2];
        let mut rng = Rng::new(turns);
        poll_fn(|cx| {
            let at = match done {
                [false, false] => rng.below(2),
                [one, _] => usize::from(one),
            };
            self.watched.lock().unit().at = at;
            let polled = match at {
                0 => one.as_mut().poll(cx),
                _ => other.as_mut().poll(cx),
            };
            done[at] = polled.is_ready();
            let mut watch = self.watched.lock();
            // A commit decides what it contains before it waits for its turn at the session. Only the handle itself
            // shows that it has.
            if format!("{session:?}").contains("commits: true") {
                watch.unit().plan();
            }
            match done {
                [true, true] => {
                    watch.unit().at = 0;
                    Poll::Ready(())
                }
                _ => Poll::Pending,
            }
        })
        .await;
    }

    /// Runs the task that continues after the response.
    async fn go_on(self, session: Session<Data>) {
        turn().await;
        self.work(&session, &self.later.1).await;
    }

    pub(super) fn detach(&self, op: Op, session: &Session<Data>) {
        let got = session.detach().and_then(|detached| detached.typed());
        let mut watch = self.told(op, &got);
        let now = watch.clock.now();
        if !watch.unit().gone && watch.unit().makes_one(now) {
            let kind = got.err().map(|error| error.kind());
            return watch.check(kind == Some(ErrorKind::Misuse), |_| {
                format!("{op:?} gives {kind:?}, and the session is being made")
            });
        }
        let Some(detached) = must(&mut watch, op, got) else {
            return;
        };
        let (number, began) = (self.later.0, watch.model.next());
        let came = watch.clock.now();
        if watch.units[number].detached {
            return; // a dropped task does nothing
        }
        let at_an_end = watch.units.iter().any(Unit::is_ending);
        watch.units[number] = watch.unit().detach(began, came);
        watch.units[number].began_at_an_end = at_an_end;
        let handler = Self {
            number,
            ..self.clone()
        };
        let mut spawned = self.spawned.lock().unwrap_or_else(PoisonError::into_inner);
        spawned.push((number, Box::pin(handler.go_on(detached))));
    }
}
