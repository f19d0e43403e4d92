//! Events of sessions that applications can observe, and tokens that are bound to a session.

use crate::Shop;
use level_session::{EndReason, Event, Expiry, Result, Session, SessionHandle};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

type Shopping = Session<Shop>;

/// The ended sessions, and the reasons.
fn ends(events: Vec<Event>) -> Vec<(SessionHandle, EndReason)> {
    let end = |event| match event {
        Event::Ended {
            session, reason, ..
        } => (session, reason),
        other => panic!("no end: {other:?}"),
    };
    events.into_iter().map(end).collect()
}

async fn sign_in(app: &App) -> Visitor {
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
        .await
        .unwrap();
    visitor
}

/// Prevents: a sign-out that is missing from the audit log, or is logged twice (L13).
#[tokio::test]
async fn every_beginning_and_end_is_told_once() {
    over_every_store(async |store| {
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let app = App::over(store).with(|sessions| {
            sessions.observer(move |event| {
                seen.lock().unwrap().push(event);
                panic!("an observer cannot prevent anything (L11)");
            })
        });
        let told = || std::mem::take(&mut *events.lock().unwrap());

        let mut visitor = sign_in(&app).await;
        let [Event::Created { session: first, .. }] = told()[..] else {
            panic!("created")
        };
        app.request(&mut visitor, async |s: Shopping| s.theme().set("dark"))
            .await
            .unwrap();
        assert_eq!(told(), [], "a change is no event");
        app.request(&mut visitor, async |s: Shopping| s.renew())
            .await
            .unwrap();
        let [Event::Renewed { from, to, .. }] = told()[..] else {
            panic!("renewed")
        };
        assert_eq!(from, first);
        let late: Shopping = app.begin(&visitor);
        late.destroy().unwrap();
        app.request(&mut visitor, async |s: Shopping| s.destroy())
            .await
            .unwrap();
        assert_eq!(ends(told()), [(to, EndReason::SignedOut)]);
        app.finish(&late, &mut visitor).await.unwrap(); // it has ended, and the end was reported
        let failed: Shopping = app.begin(&visitor);
        failed.user_id().set(1).unwrap();
        app.sessions.abandon(&failed, &mut http::HeaderMap::new());
        assert_eq!(told(), [], "what did not happen is not told");

        let mut visitor = sign_in(&app).await;
        let [Event::Created { session: old, .. }] = told()[..] else {
            panic!("created")
        };
        app.request(&mut visitor, async |s: Shopping| {
            s.destroy()?;
            s.notice().set("bye")
        })
        .await
        .unwrap();
        let [Event::Ended { session: ended, .. }, Event::Created { .. }] = told()[..] else {
            panic!("both")
        };
        assert_eq!(ended, old);
    })
    .await;
}

/// Prevents: a socket that keeps serving a user who signed out elsewhere (L12).
#[tokio::test]
async fn a_long_lived_connection_learns_of_the_end_of_its_session() {
    #[derive(Clone, Copy)]
    enum End {
        Destroyed,
        Renewed,
        Expired,
    }
    for end in [End::Destroyed, End::Renewed, End::Expired] {
        over_every_store(async |store| {
            let app = App::over(store)
                .with_expiry(Expiry::idle(Duration::from_secs(100)))
                .with(|sessions| sessions.renewal_grace(Duration::from_secs(50)));
            let mut visitor = sign_in(&app).await;
            let session: Shopping = app.begin(&visitor);
            let connection = session.detach().unwrap();
            app.finish(&session, &mut visitor).await.unwrap();

            let mut waiting = tokio::spawn(async move { connection.ended().await });
            app.until_waits(&waiting).await;
            app.sleep(60);
            app.request(&mut visitor, async |s: Shopping| s.user_id().await)
                .await
                .unwrap(); // a refresh
            app.sleep(60);
            tokio::task::yield_now().await;
            let early = tokio::time::timeout(Duration::from_millis(5), &mut waiting).await;
            assert!(early.is_err(), "it was used meanwhile, and lives");
            match end {
                End::Destroyed => app
                    .request(&mut visitor, async |s: Shopping| s.destroy())
                    .await
                    .unwrap(),
                End::Renewed => {
                    let app = app
                        .clone()
                        .with(|sessions| sessions.renewal_grace(Duration::ZERO));
                    app.request(&mut visitor, async |s: Shopping| s.renew())
                        .await
                        .unwrap();
                }
                End::Expired => app.sleep(40),
            }
            let ended = tokio::time::timeout(Duration::from_secs(60), waiting).await;
            ended.expect("it learns of the end").unwrap().unwrap();
        })
        .await;
    }
}

/// Prevents: a socket that is not closed because the sign-out came by the session's former id (L12).
#[tokio::test]
async fn a_connection_learns_of_an_end_by_the_former_id() {
    over_every_store(async |store| {
        let app = App::over(store).with(|sessions| sessions.renewal_grace(Duration::from_secs(50)));
        let mut visitor = sign_in(&app).await;
        let mut former = visitor.clone();
        app.request(&mut visitor, async |s: Shopping| s.renew())
            .await
            .unwrap();
        let session: Shopping = app.begin(&visitor);
        let connection = session.detach().unwrap();
        // A request that stores nothing, so the former id still works.
        app.sessions.abandon(&session, &mut http::HeaderMap::new());

        let waiting = tokio::spawn(async move { connection.ended().await });
        app.until_waits(&waiting).await;
        app.request(&mut former, async |s: Shopping| s.destroy())
            .await
            .unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        ended.expect("it learns of the end").unwrap().unwrap();
    })
    .await;
}

/// Prevents: a graceful shutdown that an open connection holds up, since the application closed the store and not its
/// `Sessions`.
#[tokio::test]
async fn a_long_lived_connection_learns_that_the_store_closes() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut connections = Vec::new();
        for mut visitor in [sign_in(&app).await, Visitor::new()] {
            let session: Shopping = app.begin(&visitor);
            let connection = session.detach().unwrap();
            app.finish(&session, &mut visitor).await.unwrap();
            let waiting = tokio::spawn(async move { connection.ended().await });
            app.until_waits(&waiting).await; // the visitor without a session never asks the store
            connections.push(waiting);
        }
        app.sessions.store().close().await.unwrap();
        for waiting in connections {
            let ended = tokio::time::timeout(Duration::from_secs(60), waiting).await;
            ended.expect("it learns of the end").unwrap().unwrap();
        }
    })
    .await;
}

/// Prevents: a form that another site has submitted (R12).
#[tokio::test]
async fn a_csrf_token_is_bound_to_its_session_and_changed_by_a_renewal() {
    over_every_store(async |store| {
        let app = App::over(store);
        let (mut ann, mut bob) = (Visitor::new(), Visitor::new());
        let token = app
            .request(&mut ann, async |s: Shopping| s.csrf_token().await)
            .await
            .unwrap();
        assert!(
            ann.cookie().is_some(),
            "a visitor without a session gets one"
        );
        let verify = async |visitor: &mut Visitor, token: &str| {
            app.request(visitor, async |s: Shopping| s.verify_csrf(token).await)
                .await
                .unwrap()
        };
        assert!(verify(&mut ann, &token).await);
        assert!(verify(&mut ann, &token).await, "as often as one likes");
        assert!(
            !verify(&mut bob, &token).await,
            "not for somebody without a session"
        );
        app.request(&mut bob, async |s: Shopping| s.user_id().set(2))
            .await
            .unwrap();
        assert!(!verify(&mut bob, &token).await, "nor for somebody else");
        let another = app
            .request(&mut ann, async |s: Shopping| s.csrf_token().await)
            .await
            .unwrap();
        assert_ne!(another, token);
        assert!(verify(&mut ann, &another).await);

        let renewed = app.request(&mut ann, async |s: Shopping| {
            s.renew()?;
            s.csrf_token().await
        });
        let renewed = renewed.await.unwrap();
        assert!(!verify(&mut ann, &token).await, "a renewal changes it");
        assert!(
            verify(&mut ann, &renewed).await,
            "to the one that came with it"
        );
    })
    .await;
}

/// Prevents: a form that is rejected, or accepted from a visitor without a session, because the request renewed or
/// created its session before it checked the token.
#[tokio::test]
async fn a_csrf_token_is_held_against_the_session_that_the_request_came_with() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut ann = Visitor::new();
        let token = app
            .request(&mut ann, async |s: Shopping| s.csrf_token().await)
            .await
            .unwrap();
        app.request(&mut ann, async |s: Shopping| {
            s.renew()?;
            s.commit().await?;
            assert!(s.verify_csrf(&token).await?, "the form's");
            let next = s.csrf_token().await?;
            assert!(!s.verify_csrf(&next).await?, "no form has it yet");
            s.renew()?;
            s.commit().await?;
            assert!(s.verify_csrf(&token).await?, "renewed twice");
            s.destroy()?;
            s.commit().await?;
            assert!(s.verify_csrf(&token).await?, "the sign-out's");
            Ok(())
        })
        .await
        .unwrap();
        app.request(&mut Visitor::new(), async |s: Shopping| {
            let own = s.csrf_token().await?;
            s.commit().await?;
            assert!(!s.verify_csrf(&own).await?, "it came without a session");
            Ok(())
        })
        .await
        .unwrap();
    })
    .await;
}

/// Prevents: a token that makes a page lose its cookie.
#[tokio::test]
async fn a_token_for_a_known_session_changes_nothing() -> Result<()> {
    let app = App::new();
    let mut visitor = sign_in(&app).await;
    let before = visitor.clone();
    app.request(&mut visitor, async |s: Shopping| s.csrf_token().await)
        .await?;
    assert_eq!(visitor, before);
    Ok(())
}
