//! A handle that outlives its request.

use crate::Shop;
use level_session::{Expiry, Session};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::time::Duration;

type Shopping = Session<Shop>;

async fn sign_in(app: &App) -> Visitor {
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
        .await
        .unwrap();
    visitor
}

/// How a connection begins a new unit of work.
#[derive(Clone, Copy, Debug)]
enum Between {
    Commit,
    WriteAndCommit,
    TouchAndCommit,
    Reload,
}

/// Prevents: a connection that checks a permission with every message, but always uses the first result.
#[tokio::test]
async fn what_a_connection_reads_is_read_anew_after_each_commit() {
    over_every_store(async |store| {
        for between in [
            Between::Commit,
            Between::WriteAndCommit,
            Between::TouchAndCommit,
            Between::Reload,
        ] {
            let app = App::over(store.clone());
            let mut visitor = sign_in(&app).await;
            let connection = app.begin::<Shop>(&visitor).detach().unwrap();
            let role = async || connection.get::<u64>("role").await.unwrap();
            assert_eq!(role().await, None);
            for set in 1..3 {
                app.request(&mut visitor, async |s: Shopping| s.set("role", set))
                    .await
                    .unwrap();
                assert_eq!(role().await, (set > 1).then_some(set - 1), "{between:?}");
                match between {
                    Between::Commit => connection.commit().await.unwrap(),
                    Between::WriteAndCommit => {
                        connection.set("seen", set).unwrap();
                        connection.commit().await.unwrap();
                    }
                    Between::TouchAndCommit => {
                        connection.touch().unwrap();
                        connection.commit().await.unwrap();
                    }
                    Between::Reload => connection.reload().unwrap(),
                }
                assert_eq!(role().await, Some(set), "{between:?}");
            }
        }
    })
    .await;
}

/// Prevents: a pending write that is dropped together with cached reads.
#[tokio::test]
async fn what_was_written_stays_when_a_request_reads_anew() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = sign_in(&app).await;
        let session: Shopping = app.begin(&visitor);
        assert_eq!(session.visits().await.unwrap(), 0);
        assert_eq!(session.user_id().await.unwrap(), Some(7));
        session.visits().add(1).unwrap();
        session
            .cart()
            .update(|cart| cart.push(crate::Item("tea".into())))
            .await
            .unwrap();
        session.theme().set("dark").unwrap();
        app.request(&mut visitor, async |s: Shopping| {
            s.user_id().set(8)?;
            s.visits().add(10)?;
            s.cart()
                .update(|cart| cart.push(crate::Item("milk".into())))
                .await
        })
        .await
        .unwrap();
        session.reload().unwrap();
        assert_eq!(session.user_id().await.unwrap(), Some(8));
        assert_eq!(session.visits().await.unwrap(), 11);
        assert_eq!(session.theme().await.unwrap(), "dark");
        app.finish(&session, &mut visitor).await.unwrap();
        app.request(&mut visitor, async |s: Shopping| {
            assert_eq!(s.visits().await?, 11);
            assert_eq!(s.cart().await?.len(), 2);
            Ok(())
        })
        .await
        .unwrap();
    })
    .await;
}

/// Prevents: a browser that drops its cookie although the session lives, because a socket kept refreshing the session
/// and no page found a refresh due.
#[tokio::test]
async fn a_connection_does_not_keep_the_browser_from_its_cookie() {
    over_every_store(async |store| {
        let app = App::over(store).with_expiry(Expiry::idle(Duration::from_secs(1_000)));
        let mut visitor = sign_in(&app).await;
        let connection = app.begin::<Shop>(&visitor).detach().unwrap();
        for read_first in [true, false, true] {
            for _ in 0..8 {
                app.sleep(100);
                connection.touch().unwrap();
                connection.commit().await.unwrap();
            }
            let session: Shopping = app.begin(&visitor);
            if read_first {
                assert_eq!(session.user_id().await.unwrap(), Some(7));
            } else {
                session.visits().add(1).unwrap();
            }
            let response = app.finish(&session, &mut visitor).await.unwrap();
            let cookie = response.get("set-cookie").expect("the cookie is due");
            assert!(cookie.to_str().unwrap().contains("Max-Age=1000"));
        }
        // Without the connection the session would have expired long ago.
        app.sleep(100);
        let user = app.request(&mut visitor, async |s: Shopping| s.user_id().await);
        assert_eq!(user.await.unwrap(), Some(7));
    })
    .await;
}
