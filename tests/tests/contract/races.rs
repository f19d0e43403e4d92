//! Bugs that random histories found, each as a test.

use crate::Shop;
use level_session::{ErrorKind, Expiry, Result, Session};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::{pin::pin, time::Duration};

type Shopping = Session<Shop>;

/// Polls a future until it makes no more progress.
async fn begin<F: Future + Unpin>(future: &mut F) {
    let begun = tokio::time::timeout(Duration::from_millis(1), future).await;
    assert!(begun.is_err(), "the store hangs");
}

async fn sign_in(app: &App) -> Visitor {
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
        .await
        .expect("a new session");
    visitor
}

/// Prevents: a request that begins while a logout is being stored, and is taken for a later one: it would create a
/// session from the writes that it made to the ended one (L03).
#[tokio::test]
async fn a_request_that_begins_while_an_end_is_being_stored() {
    for renewed in [false, true] {
        over_every_store(async |store| {
            let app = App::over(store);
            let visitor = sign_in(&app).await;
            let ending: Shopping = app.begin(&visitor);
            assert!(ending.is_live().await.expect("an answer"));
            match renewed {
                true => ending.renew().expect("it lives"),
                false => ending.destroy().expect("it lives"),
            }
            app.faults.hang(true);
            let mut jar = Visitor::new();
            let mut finish = pin!(app.finish(&ending, &mut jar));
            begin(&mut finish).await;
            let session: Shopping = app.begin(&visitor);
            app.clock.advance(Duration::from_millis(5));
            let later: Shopping = app.begin(&visitor);
            app.faults.hang(false);
            finish.await.expect("it is stored");
            for session in [session, later] {
                session.visits().add(1).expect("it is not known yet");
                let error = app.finish(&session, &mut Visitor::new()).await;
                assert_eq!(error.expect_err("it ended").kind(), ErrorKind::Gone);
            }
            // Later requests are new visitors'.
            let mut stranger = visitor.clone();
            let visit = async |s: Shopping| s.visits().add(1);
            app.request(&mut stranger, visit)
                .await
                .expect("a new session");
            assert_ne!(stranger, visitor);
        })
        .await;
    }
}

/// Prevents: a code that is accepted after its deadline, because the store took long to respond.
#[tokio::test]
async fn a_code_that_expires_while_it_is_taken() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = sign_in(&app).await;
        let set = async |s: Shopping| s.otp().set("1234");
        app.request(&mut visitor, set).await.expect("it is set");
        for untyped in [false, true] {
            let session: Shopping = app.begin(&visitor);
            app.faults.hang(true);
            let take = async {
                match untyped {
                    true => session.take::<String>("otp").await,
                    false => session.otp().take().await,
                }
            };
            let mut take = pin!(take);
            begin(&mut take).await;
            app.sleep(600);
            app.faults.hang(false);
            assert_eq!(take.await.expect("an answer"), None);
        }
    })
    .await;
}

/// Prevents: a visitor who is signed out early, because a request that began before the sign-in refreshed the session
/// by its former id, and counted its absolute timeout from the former sign-in (L05).
#[tokio::test]
async fn a_refresh_by_a_former_id_does_not_turn_back_the_absolute_timeout() {
    over_every_store(async |store| {
        let expiry =
            Expiry::idle(Duration::from_secs(3_600)).with_absolute(Duration::from_secs(1_000));
        let app = App::over(store)
            .with_expiry(expiry)
            .with(|sessions| sessions.renewal_grace(Duration::from_secs(60)));
        let mut visitor = sign_in(&app).await;
        app.sleep(900);
        let before: Shopping = app.begin(&visitor);
        assert_eq!(before.user_id().await.expect("an answer"), Some(7));
        let renew = async |s: Shopping| s.renew();
        app.request(&mut visitor, renew)
            .await
            .expect("it is renewed");
        before.touch().expect("the grace");
        app.finish(&before, &mut Visitor::new())
            .await
            .expect("the grace");
        app.sleep(999);
        let user = async |s: Shopping| -> Result<_> { s.user_id().await };
        assert_eq!(
            app.request(&mut visitor, user).await.expect("an answer"),
            Some(7)
        );
        app.sleep(1);
        assert_eq!(
            app.request(&mut visitor, user).await.expect("an answer"),
            None
        );
    })
    .await;
}
