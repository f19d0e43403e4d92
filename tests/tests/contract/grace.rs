//! Promise 6, where a renewal leaves the former id a while: what ends it, and what does not.

use crate::{
    Shop,
    alive::{must_be_a_stranger, sign_in},
};
use level_session::{Expiry, Refresh, Session, store::Store};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::{sync::Arc, time::Duration};

type Shopping = Session<Shop>;

/// An application whose former ids work on for ten seconds.
fn with_grace(store: Arc<dyn Store>) -> App {
    App::over(store).with(|sessions| sessions.with_renewal_grace(Duration::from_secs(10)))
}

/// Prevents: a grace that the renewing request itself has ended, since it stored in two steps: nobody has seen the new
/// id yet (L07).
#[tokio::test]
async fn the_request_that_renews_does_not_end_the_grace() {
    over_every_store(async |store| {
        let app = App::over(store).with(|sessions| {
            let every = Expiry::default().with_refresh(Refresh::EveryRequest);
            sessions
                .with_renewal_grace(Duration::from_secs(10))
                .with_expiry(every)
        });
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
            .await
            .unwrap();
        let mut former = visitor.clone();
        app.request(&mut visitor, async |s: Shopping| {
            s.renew()?;
            s.commit().await?;
            assert_eq!(s.user_id().await?, Some(7)); // which asks the store, and learns of the grace
            app.clock.advance(Duration::from_secs(2)); // so that the use is one to be noted
            s.theme().set("dark".into())
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

/// Prevents: a grace that never ends.
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

/// Prevents: a former user's id that works on beside the session of the next one.
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

/// Prevents: a session that forgets when it was made, within the request that renews it or after.
#[tokio::test]
async fn a_renewed_session_was_made_when_it_was() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = sign_in(&app).await;
        let made = app.request(&mut visitor, async |s: Shopping| s.created().await);
        let made = made.await.unwrap();
        assert!(made.is_some());
        app.sleep(5);
        app.request(&mut visitor, async |s: Shopping| {
            s.renew()?;
            s.commit().await?;
            assert_eq!(s.created().await?, made);
            Ok(())
        })
        .await
        .unwrap();
        let after = app.request(&mut visitor, async |s: Shopping| s.created().await);
        assert_eq!(after.await.unwrap(), made);
    })
    .await;
}
