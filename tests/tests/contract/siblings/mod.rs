//! Two tasks of one request, and therefore of one unit of work: the effects of one task's commit on the other task.

mod changes;
mod counters;
mod held;
mod renewals;

use crate::Shop;
use held::{At, Fate, Gates, Held, HeldStore};
use level_session::{Result, Session, store::Store};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};
use tokio::task::JoinHandle;

type Shopping = Session<Shop>;

/// An application whose store can be paused, and a visitor with five visits.
struct Scene {
    app: App,
    gates: Gates,
    visitor: Visitor,
}

/// Runs every variant of a scene over every store.
async fn over_every_scene<V: Copy>(variants: &[V], test: impl AsyncFn(Scene, V)) {
    over_every_store(async |store| {
        for variant in variants {
            test(Scene::over(store.clone()).await, *variant).await;
        }
    })
    .await;
}

/// All pairs.
fn pairs<A: Copy, B: Copy>(one: &[A], other: &[B]) -> Vec<(A, B)> {
    let pairs = one.iter().map(|a| other.iter().map(|b| (*a, *b)));
    pairs.flatten().collect()
}

impl Scene {
    async fn over(store: Arc<dyn Store>) -> Self {
        let (store, gates) = HeldStore::over(store);
        let app = App::over(store);
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| {
            s.user_id().set(7)?;
            s.visits().set(5)
        })
        .await
        .unwrap();
        Self {
            app,
            gates,
            visitor,
        }
    }

    /// A request that has loaded its session, but no field.
    async fn begin(&self) -> Shopping {
        let session: Shopping = self.app.begin(&self.visitor);
        assert!(session.is_live().await.unwrap());
        session
    }

    /// A task of the request commits and is paused there.
    async fn commit(&self, session: &Shopping, at: At) -> (JoinHandle<Result<()>>, Held) {
        let mut held = self.gates.commits.hold(at);
        let session = session.clone();
        let task = tokio::spawn(async move { session.commit().await });
        held.reached().await;
        (task, held)
    }

    async fn visits(mut self) -> u64 {
        let visits = async |s: Shopping| s.visits().await;
        self.app.request(&mut self.visitor, visits).await.unwrap()
    }
}

/// Polls every task until it makes no more progress.
async fn go_on() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// Polls a future once.
async fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    poll_fn(|cx| match Pin::new(&mut *future).poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A future that must complete.
async fn end<T>(task: JoinHandle<T>) -> T {
    let ended = tokio::time::timeout(Duration::from_secs(20), task).await;
    ended.expect("nobody waits for ever").unwrap()
}

/// How a counter is read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Accessor,
    Key,
    Struct,
    All,
    /// After another field, so that the store has returned all fields.
    View,
    Update,
}

const BY: [By; 6] = [
    By::Accessor,
    By::Key,
    By::Struct,
    By::All,
    By::View,
    By::Update,
];

/// The reads that may be overtaken by a commit; an `update` is waited for.
const OVERTAKEN: [By; 5] = [By::Accessor, By::Key, By::Struct, By::All, By::View];

const FATES: [Fate; 3] = [Fate::Stored, Fate::Failed, Fate::Lost];

/// Whether a read that was sent before a commit gets its result during the commit or after it.
const ANSWERED: [Answered; 2] = [Answered::Meanwhile, Answered::Afterwards];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answered {
    Meanwhile,
    Afterwards,
}

impl Answered {
    /// A paused read and a paused commit are resumed in this order.
    async fn release(self, asked: Held, storing: Held) {
        match self {
            Self::Meanwhile => {
                asked.release();
                go_on().await;
                storing.release();
            }
            Self::Afterwards => {
                storing.release();
                go_on().await;
                asked.release();
            }
        }
    }
}

async fn read(session: Shopping, by: By) -> Result<u64> {
    match by {
        By::Accessor => session.visits().await,
        By::Key => Ok(session.get("visits").await?.unwrap_or(0)),
        By::Struct => Ok(session.load().await?.visits),
        By::All => Ok(session.get_all().await?["visits"].read().unwrap()),
        By::View => {
            session.theme().await?;
            session.visits().await
        }
        By::Update => {
            session.update::<u64, _>("visits", |_| ()).await?;
            session.visits().await
        }
    }
}
