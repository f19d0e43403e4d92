//! Several processes over one store, with different clocks, and their notifications.

use crate::Shop;
use level_session::{
    ErrorKind, Session, Timestamp,
    store::{Store, Watch, Wrapper},
};
use level_session_tests::{
    over_every_store,
    visitor::{App, START, Visitor},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

type Shopping = Session<Shop>;

async fn sign_in(app: &App) -> Visitor {
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
        .await
        .unwrap();
    visitor
}

/// Sets the clock of an application to this time.
fn set(app: &App, millis: u64) {
    let passes = Timestamp::from_millis(START + millis).since(app.clock.now());
    app.clock.advance(passes);
}

/// Prevents: a visitor who is locked out until the time that another machine's clock showed when it ended the session
/// (F12).
#[tokio::test]
async fn an_end_in_the_future_costs_one_refused_request() {
    over_every_store(async |store| {
        for read in [true, false] {
            let (ahead, here) = (App::over(store.clone()), App::over(store.clone()));
            set(&ahead, 3_000_000); // fifty minutes
            set(&here, 0);
            let mut visitor = sign_in(&here).await;
            let dead = visitor.clone();
            ahead
                .request(&mut visitor, async |s: Shopping| s.destroy())
                .await
                .unwrap();
            let visit = async || {
                let mut visitor = dead.clone();
                let visit = async |s: Shopping| match read {
                    true => s.user_id().await,
                    false => s.user_id().set(8).map(|()| None),
                };
                here.request(&mut visitor, visit).await
            };
            let refused = visit().await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Gone);
            for later in [0, 1, 1_000, 2_999_999, 3_000_000, 3_000_001] {
                set(&here, later);
                assert_eq!(visit().await.unwrap(), None, "after {later} ms");
            }
        }
    })
    .await;
}

/// Prevents: a session that is revived because the reader's clock is behind or ahead.
#[tokio::test]
async fn what_has_ended_stays_ended_whatever_the_clocks_show() {
    over_every_store(async |store| {
        for (one, other) in [(0, 0), (0, 5_000), (5_000, 0), (2_000_000, 0)] {
            let (ends, looks) = (App::over(store.clone()), App::over(store.clone()));
            set(&ends, one);
            set(&looks, other);
            let visitor = sign_in(&looks).await;
            let slow: Shopping = looks.begin(&visitor);
            slow.user_id().set(8).unwrap();
            let mut ending = visitor.clone();
            ends.request(&mut ending, async |s: Shopping| s.destroy())
                .await
                .unwrap();
            let mut told = visitor.clone();
            // If the reader's clock is ahead, the end seems to be older than the request, which is then a new
            // visitor's.
            if let Err(error) = looks.finish(&slow, &mut told).await {
                assert_eq!(error.kind(), ErrorKind::Gone);
            } else {
                assert_ne!(told, visitor, "a new session, under another id");
            }
            for app in [&ends, &looks] {
                let mut again = visitor.clone();
                let user = app
                    .request(&mut again, async |s: Shopping| s.user_id().await)
                    .await;
                assert!(matches!(
                    user.map_err(|e| e.kind()),
                    Ok(None) | Err(ErrorKind::Gone)
                ));
            }
        }
    })
    .await;
}

/// A store that cannot report ends.
struct Mute(Arc<dyn Store>);

impl Wrapper for Mute {
    fn inner(&self) -> &dyn Store {
        &self.0
    }

    fn wrap_watch_ended(&self, _: Weak<Watch>) {}
}

/// Prevents: a socket that keeps serving a user who signed out through another process (L17).
#[tokio::test]
async fn an_end_by_another_process_is_told_at_once() {
    over_every_store(async |store| {
        for renews in [false, true] {
            let (app, elsewhere) = (App::over(store.clone()), App::over(store.clone()));
            let mut visitor = sign_in(&app).await;
            let connection = app.begin::<Shop>(&visitor).detach().unwrap();
            let waiting = tokio::spawn(async move { connection.ended().await });
            app.until_waits(&waiting).await;
            elsewhere
                .request(&mut visitor, async |s: Shopping| match renews {
                    true => s.renew(),
                    false => s.destroy(),
                })
                .await
                .unwrap();
            let ended = tokio::time::timeout(Duration::from_secs(60), waiting).await;
            ended.expect("it is told").unwrap().unwrap();
        }
    })
    .await;
}

/// Prevents: a socket that never learns of a sign-out through another process, because the store cannot report it
/// (L12).
#[tokio::test]
async fn an_end_that_nobody_can_tell_of_is_found_within_a_minute() {
    over_every_store(async |store| {
        let app = App::over(Arc::new(Mute(store.clone())));
        let elsewhere = App::over(Arc::new(Mute(store)));
        let mut visitor = sign_in(&app).await;
        let connection = app.begin::<Shop>(&visitor).detach().unwrap();
        let mut waiting = tokio::spawn(async move { connection.ended().await });
        app.until_waits(&waiting).await;
        elsewhere
            .request(&mut visitor, async |s: Shopping| s.destroy())
            .await
            .unwrap();
        app.sleep(59);
        let early = tokio::time::timeout(Duration::from_millis(5), &mut waiting).await;
        assert!(early.is_err(), "nobody could tell");
        app.sleep(1);
        let ended = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        ended.expect("it looks again").unwrap().unwrap();
    })
    .await;
}
