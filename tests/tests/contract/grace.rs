//! Promise 6, with a grace period for the former id: what ends the period, and what does not.

use crate::{
    Shop,
    alive::{SLOW, begin_slowly, must_be_a_stranger, must_be_gone, sign_in},
};
use level_session::{ErrorKind, Expiry, Refresh, Session, store::Store};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::{sync::Arc, time::Duration};

type Shopping = Session<Shop>;

/// An application with a grace period of ten seconds.
fn with_grace(store: Arc<dyn Store>) -> App {
    App::over(store).with(|sessions| sessions.renewal_grace(Duration::from_secs(10)))
}

/// Prevents: a grace period that the renewing request itself ends, because it stored in two commits: no client has seen
/// the new id yet (L07).
#[tokio::test]
async fn the_request_that_renews_does_not_end_the_grace() {
    over_every_store(async |store| {
        let app = App::over(store).with(|sessions| {
            let every = Expiry::default().with_refresh(Refresh::EveryRequest);
            sessions
                .renewal_grace(Duration::from_secs(10))
                .expiry(every)
        });
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
            .await
            .unwrap();
        let mut former = visitor.clone();
        app.request(&mut visitor, async |s: Shopping| {
            s.renew()?;
            s.commit().await?;
            assert_eq!(s.user_id().await?, Some(7)); // which reads the session, and learns of the grace period
            app.clock.advance(Duration::from_secs(2)); // so that the use must be recorded
            s.theme().set("dark")
        })
        .await
        .unwrap();
        let user = app
            .request(&mut former, async |s: Shopping| s.user_id().await)
            .await
            .unwrap();
        assert_eq!(user, Some(7));
    })
    .await;
}

/// Prevents: a grace period that never ends.
#[tokio::test]
async fn the_grace_of_a_renewal_ends() {
    over_every_store(async |store| {
        let app = with_grace(store);
        let mut visitor = sign_in(&app).await;
        let old = visitor.clone();
        app.request(&mut visitor, async |s: Shopping| s.renew())
            .await
            .unwrap();
        app.sleep(9);
        let user = app
            .request(&mut old.clone(), async |s: Shopping| s.user_id().await)
            .await
            .unwrap();
        assert_eq!(user, Some(7));
        app.sleep(1);
        must_be_a_stranger(&app, old).await;
        assert!(
            app.request(&mut visitor, async |s: Shopping| s.is_live().await)
                .await
                .unwrap()
        );
    })
    .await;
}

/// Prevents: an id of a former user that still works beside the session of the next user.
#[tokio::test]
async fn a_destroy_leaves_no_grace_though_a_new_session_begins() {
    over_every_store(async |store| {
        let app = with_grace(store);
        let mut visitor = sign_in(&app).await;
        let former = visitor.clone();
        app.request(&mut visitor, async |s: Shopping| {
            s.destroy()?;
            s.user_id().set(8)
        })
        .await
        .unwrap();
        must_be_a_stranger(&app, former).await;
        let user = app.request(&mut visitor, async |s: Shopping| s.user_id().await);
        assert_eq!(user.await.unwrap(), Some(8));
    })
    .await;
}

/// Prevents: a session that forgets its creation time, within the request that renews it or later.
#[tokio::test]
async fn a_renewed_session_was_made_when_it_was() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = sign_in(&app).await;
        let made = app.request(&mut visitor, async |s: Shopping| s.created_at().await);
        let made = made.await.unwrap();
        assert!(made.is_some());
        app.sleep(5);
        app.request(&mut visitor, async |s: Shopping| {
            s.renew()?;
            s.commit().await?;
            assert_eq!(s.created_at().await?, made);
            Ok(())
        })
        .await
        .unwrap();
        let after = app.request(&mut visitor, async |s: Shopping| s.created_at().await);
        assert_eq!(after.await.unwrap(), made);
    })
    .await;
}

/// Prevents: a grace period that a background task ends, although no client has used the new id (L07).
#[tokio::test]
async fn what_the_request_that_renews_has_detached_does_not_end_the_grace() {
    over_every_store(async |store| {
        let app = with_grace(store);
        let mut visitor = sign_in(&app).await;
        let former = visitor.clone();
        let renewing: Shopping = app.begin(&visitor);
        renewing.renew().unwrap();
        renewing.commit().await.unwrap();
        let detached = renewing.detach().unwrap();
        app.finish(&renewing, &mut visitor).await.unwrap();
        let user = async |s: Shopping| s.user_id().await;
        for seconds in [0, 4, 5] {
            app.sleep(seconds);
            detached.set("seconds", seconds).unwrap();
            detached.commit().await.unwrap();
            let mut former = former.clone();
            assert_eq!(app.request(&mut former, user).await.unwrap(), Some(7));
        }
        // The grace period ends at its deadline, and nothing ends it before.
        app.sleep(1);
        must_be_a_stranger(&app, former).await;
        assert_eq!(app.request(&mut visitor, user).await.unwrap(), Some(7));
    })
    .await;
}

/// Prevents: a session that expires while a connection uses it, because the grace period of its renewal seemed to
/// continue (L05).
#[tokio::test]
async fn what_was_detached_by_the_request_that_renews_refreshes_when_the_grace_is_over() {
    over_every_store(async |store| {
        let app = with_grace(store).with_expiry(Expiry::idle(Duration::from_secs(100)));
        let mut visitor = sign_in(&app).await;
        let renewing: Shopping = app.begin(&visitor);
        renewing.renew().unwrap();
        renewing.commit().await.unwrap();
        let detached = renewing.detach().unwrap();
        app.finish(&renewing, &mut visitor).await.unwrap();
        for seconds in [60, 60, 60] {
            app.sleep(seconds);
            detached.set("seconds", seconds).unwrap();
            detached.commit().await.unwrap();
        }
        let user = async |s: Shopping| s.user_id().await;
        assert_eq!(app.request(&mut visitor, user).await.unwrap(), Some(7));
    })
    .await;
}

/// Prevents: users who are signed out because their browser sent ten requests during the renewal (L07).
#[tokio::test]
async fn twenty_parallel_requests_across_a_renewal_with_grace() {
    over_every_store(async |store| {
        let app = with_grace(store);
        let mut visitor = sign_in(&app).await;
        let old = visitor.clone();
        let before: Vec<Shopping> = (0..10).map(|_| app.begin(&old)).collect();
        app.request(&mut visitor, async |s: Shopping| s.renew())
            .await
            .unwrap();
        assert_ne!(visitor, old);
        let after: Vec<Shopping> = (0..10).map(|_| app.begin(&old)).collect();
        for session in before.iter().chain(&after) {
            assert_eq!(session.user_id().await.unwrap(), Some(7));
            session.visits().add(1).unwrap();
            session.touch().unwrap(); // which would send the cookie again
            let mut late = Visitor::new();
            app.finish(session, &mut late).await.unwrap();
            assert_eq!(
                late,
                Visitor::new(),
                "the old id's responses do not replace the new cookie"
            );
        }
        // The old id cannot be renewed a second time.
        let error = app
            .request(&mut old.clone(), async |s: Shopping| s.renew())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone);
        // The new id was used, so the old one is dead, long before the end of the grace period.
        let visits = app
            .request(&mut visitor, async |s: Shopping| s.visits().await)
            .await
            .unwrap();
        assert_eq!(visits, 20);
        must_be_a_stranger(&app, old).await;
    })
    .await;
}

/// Prevents: a logout that a request with the former id undoes.
#[tokio::test]
async fn logout_against_a_slow_writer_on_the_former_id() {
    for slow in SLOW {
        over_every_store(async |store| {
            let app = with_grace(store);
            let mut visitor = sign_in(&app).await;
            let old = visitor.clone();
            app.request(&mut visitor, async |s: Shopping| s.renew())
                .await
                .unwrap();
            let session = begin_slowly(&app, &old, slow).await.unwrap();
            app.request(&mut visitor, async |s: Shopping| s.destroy())
                .await
                .unwrap();
            must_be_gone(&app, &session, slow).await;
        })
        .await;
    }
}

/// Prevents: a logout that ends only the id of its request.
#[tokio::test]
async fn signing_out_by_the_old_id_within_its_grace_ends_the_session() {
    over_every_store(async |store| {
        let app = with_grace(store);
        let mut visitor = sign_in(&app).await;
        let old = visitor.clone();
        app.request(&mut visitor, async |s: Shopping| s.renew())
            .await
            .unwrap();
        app.request(&mut old.clone(), async |s: Shopping| s.destroy())
            .await
            .unwrap();
        must_be_a_stranger(&app, visitor).await;
        must_be_a_stranger(&app, old).await;
    })
    .await;
}
