//! Prevents: a sweep that stops at its first error, removes live sessions, or blocks the shutdown of the process (F08).
//! `SWEEP_SESSIONS` sets the number of sessions (default: 4,000).

use level_session::{
    Clock, Expiry, FjallStore, Session, SessionsBuilder, Timestamp, store::Store as _,
};
use level_session_tests::{
    history::Data,
    over_every_local_store, over_every_store,
    visitor::{App, START, Visitor},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

const IDLE: Duration = Duration::from_secs(60);

/// The time limit, on a busy machine, for work that should take moments.
const PATIENCE: Duration = Duration::from_secs(120);

/// The additional time limit for this number of sessions.
fn per_session(count: u64) -> Duration {
    Duration::from_millis(count)
}

async fn sign_in(app: &App, user: u64) -> Visitor {
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Session<Data>| s.user().set(user))
        .await
        .expect("a new session");
    visitor
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_goes_and_what_lives_stays_under_load() {
    let count =
        std::env::var("SWEEP_SESSIONS").map_or(4_000, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clock = Clock::manual(Timestamp::from_millis(START));
    let store = FjallStore::builder()
        .clock(clock.clone())
        .sweep_every(Some(Duration::from_millis(5)))
        .open(folder.path().join("sessions"))
        .expect("a new store");
    let app = App {
        clock: clock.clone(),
        ..App::over(Arc::new(store.clone()))
    }
    .with(|sessions: SessionsBuilder| sessions.clock(clock.clone()).expiry(Expiry::idle(IDLE)));
    let (mut living, mut dying) = (Vec::new(), Vec::new());
    for user in 0..count {
        let visitor = sign_in(&app, user).await;
        match user % 2 {
            0 => living.push(visitor),
            _ => dying.push(visitor),
        }
    }
    // Half of the sessions are used, concurrently and while the sweeper runs; the clock reaches the end of the others.
    let (living, at) = (Arc::new(living), Arc::new(AtomicU64::new(0)));
    clock.advance(IDLE / 2);
    for _ in 0..2 {
        at.store(0, Ordering::SeqCst);
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (app, living, at) = (app.clone(), Arc::clone(&living), Arc::clone(&at));
                tokio::spawn(async move {
                    while let Some(visitor) = living.get(at.fetch_add(1, Ordering::SeqCst) as usize)
                    {
                        let visit = async |s: Session<Data>| s.visits().add(1);
                        app.request(&mut visitor.clone(), visit)
                            .await
                            .expect("it lives");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no visitor was lost");
        }
        clock.advance(IDLE / 2);
    }
    // The sessions of the last round have half of their time left. The sweeper removes the others.
    let swept = async {
        loop {
            let page = store
                .page(None, usize::MAX, Timestamp::from_millis(START))
                .await
                .expect("a list");
            if page.items.len() == living.len() {
                break;
            }
            // A list of many sessions takes long, and the sweeper sometimes waits for it.
            tokio::time::sleep(Duration::from_millis(20) + per_session(count) / 20).await;
        }
    };
    tokio::time::timeout(PATIENCE + per_session(count), swept)
        .await
        .expect("everything that has expired goes");
    for visitor in living.iter() {
        let visits = app
            .request(&mut visitor.clone(), async |s: Session<Data>| {
                s.visits().await
            })
            .await
            .expect("it lives");
        assert_eq!(visits, 2, "a session that lives was lost");
    }
    let closing = tokio::time::timeout(PATIENCE, store.close());
    closing
        .await
        .expect("closing is prompt")
        .expect("it closes");
}

/// Prevents: a session that is refreshed in time, but swept by its old deadline.
#[tokio::test]
async fn a_sweep_against_a_refresh_at_the_boundary() {
    over_every_local_store(async |store| {
        let app = App::over(Arc::clone(&store)).with_expiry(Expiry::idle(IDLE));
        let mut late = sign_in(&app, 1).await;
        let mut too_late = sign_in(&app, 2).await;
        app.clock.advance(IDLE - Duration::from_millis(1));
        let is_live = async |s: Session<Data>| s.is_live().await;
        assert!(app.request(&mut late, is_live).await.expect("an answer"));
        app.clock.advance(Duration::from_millis(1));
        // The sweeper finds both by their old deadline.
        assert_eq!(
            store
                .sweep(app.clock.now(), 10)
                .await
                .expect("a sweep")
                .sessions,
            1
        );
        assert!(app.request(&mut late, is_live).await.expect("an answer"));
        assert!(
            !app.request(&mut too_late, is_live)
                .await
                .expect("an answer")
        );
        // And by the new one, exactly to the millisecond.
        app.clock.advance(IDLE - Duration::from_millis(2));
        assert_eq!(
            store
                .sweep(app.clock.now(), 10)
                .await
                .expect("a sweep")
                .sessions,
            0
        );
        app.clock.advance(Duration::from_millis(1));
        assert_eq!(
            store
                .sweep(app.clock.now(), 10)
                .await
                .expect("a sweep")
                .sessions,
            1
        );
    })
    .await;
}

/// Prevents: sessions that are removed while they are refreshed, and refreshes of removed sessions.
#[tokio::test(flavor = "multi_thread")]
async fn sweeps_and_refreshes_at_once() {
    over_every_store(async |store| {
        let app = App::over(Arc::clone(&store)).with_expiry(Expiry::idle(IDLE));
        let stop = Arc::new(AtomicBool::new(false));
        let sweeper = tokio::spawn({
            let (app, stop, store) = (app.clone(), Arc::clone(&stop), Arc::clone(&store));
            async move {
                while !stop.load(Ordering::Relaxed) {
                    store.sweep(app.clock.now(), 3).await.expect("a sweep");
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut visitors = Vec::new();
        for user in 0..8 {
            visitors.push(sign_in(&app, user).await);
        }
        for round in 1..=30 {
            app.clock.advance(IDLE - Duration::from_millis(1));
            for visitor in &mut visitors {
                let visits = app
                    .request(visitor, async |s: Session<Data>| {
                        s.visits().add(1)?;
                        s.visits().await
                    })
                    .await
                    .expect("it lives");
                assert_eq!(visits, round, "a session was swept in its time");
            }
        }
        stop.store(true, Ordering::Relaxed);
        sweeper.await.expect("it ends");
    })
    .await;
}
