//! Several cookies of our name, some of which have no session.

use crate::Shop;
use http::{HeaderMap, HeaderValue, header::COOKIE};
use level_session::{Result, Session};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};

type Shopping = Session<Shop>;

async fn sign_in(app: &App, user: u64) -> Visitor {
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(user))
        .await
        .unwrap();
    visitor
}

/// The headers of a browser with all these cookies.
fn all_of(visitors: &[&Visitor]) -> HeaderMap {
    let cookies: Vec<_> = visitors
        .iter()
        .map(|visitor| format!("__Host-s={}", visitor.cookie().unwrap()))
        .collect();
    let header = HeaderValue::from_str(&cookies.join("; ")).unwrap();
    HeaderMap::from_iter([(COOKIE, header)])
}

async fn finish(app: &App, session: &Shopping) -> Result<HeaderMap> {
    let mut response = HeaderMap::new();
    app.sessions.finish(session, &mut response).await?;
    Ok(response)
}

async fn user(app: &App, visitor: &Visitor) -> Option<u64> {
    let user = async |s: Shopping| s.user_id().await;
    app.request(&mut visitor.clone(), user).await.unwrap()
}

/// How a request uses its session.
#[derive(Clone, Copy, Debug, PartialEq)]
enum First {
    Reads,
    ReadsTheStruct,
    ReadsAll,
    Asks,
    Writes,
    Updates,
    Renews,
}

const FIRST: [First; 7] = [
    First::Reads,
    First::ReadsTheStruct,
    First::ReadsAll,
    First::Asks,
    First::Writes,
    First::Updates,
    First::Renews,
];

/// Prevents: a visitor who is unknown on every request, even after signing in again, because the browser sends an older
/// cookie first whose session has ended (R13).
#[tokio::test]
async fn a_dead_cookie_with_a_good_signature_does_not_hide_a_live_one() {
    over_every_store(async |store| {
        for first in FIRST {
            let app = App::over(store.clone());
            let (old, older, live) = (
                sign_in(&app, 1).await,
                sign_in(&app, 2).await,
                sign_in(&app, 7).await,
            );
            for dead in [&old, &older] {
                let destroy = async |s: Shopping| s.destroy();
                app.request(&mut dead.clone(), destroy).await.unwrap();
            }
            let request = all_of(&[&old, &older, &live]);
            let session: Shopping = app.sessions.begin_typed(&request).unwrap();
            match first {
                First::Reads => assert_eq!(session.user_id().await.unwrap(), Some(7)),
                First::ReadsTheStruct => {
                    assert_eq!(session.load().await.unwrap().user_id, Some(7));
                }
                First::ReadsAll => assert_eq!(session.get_all().await.unwrap().len(), 1),
                First::Asks => assert!(session.is_live().await.unwrap()),
                First::Writes => session.theme().set("dark").unwrap(),
                First::Updates => session
                    .theme()
                    .update(|theme| theme.push('!'))
                    .await
                    .unwrap(),
                First::Renews => session.renew().unwrap(),
            }
            let mut visitor = live.clone();
            visitor.receive(&finish(&app, &session).await.unwrap());
            assert_eq!(
                visitor.cookie() != live.cookie(),
                first == First::Renews,
                "{first:?}"
            );
            app.request(&mut visitor, async |s: Shopping| {
                assert_eq!(s.user_id().await?, Some(7), "{first:?}");
                let theme = match first {
                    First::Writes => "dark",
                    First::Updates => "light!",
                    _ => "light",
                };
                assert_eq!(s.theme().await?, theme, "{first:?}");
                Ok(())
            })
            .await
            .unwrap();
        }
    })
    .await;
}

/// Prevents: unbounded work for a header full of validly signed cookies.
#[tokio::test]
async fn a_handful_of_cookies_is_looked_up() {
    let app = App::new();
    let mut visitors = Vec::new();
    for user in 0..9 {
        visitors.push(sign_in(&app, user).await);
    }
    for dead in &visitors {
        let destroy = async |s: Shopping| s.destroy();
        app.request(&mut dead.clone(), destroy).await.unwrap();
    }
    let _ = app.faults.calls();
    let request = all_of(&visitors.iter().collect::<Vec<_>>());
    let session: Shopping = app.sessions.begin_typed(&request).unwrap();
    assert!(app.faults.calls().is_empty(), "nothing before it is used");
    assert_eq!(session.user_id().await.unwrap(), None);
    assert_eq!(app.faults.calls().len(), 4);
}

/// Prevents: a visitor who has signed out and is signed in again by another cookie of the same name (R13).
#[tokio::test]
async fn a_sign_out_ends_the_sessions_of_all_cookies() {
    over_every_store(async |store| {
        for (knows, says) in [(false, false), (true, false), (false, true)] {
            let app = App::over(store.clone());
            let (one, two, other) = (
                sign_in(&app, 1).await,
                sign_in(&app, 2).await,
                sign_in(&app, 3).await,
            );
            let request = all_of(&[&one, &two]);
            let session: Shopping = app.sessions.begin_typed(&request).unwrap();
            if knows {
                assert_eq!(session.user_id().await.unwrap(), Some(1));
            }
            session.destroy().unwrap();
            if says {
                session.notice().set("bye").unwrap();
            }
            // A failed commit is retried, with all cookies.
            app.faults.fail_commits(true);
            session.commit().await.unwrap_err();
            app.faults.fail_commits(false);
            let mut visitor = one.clone();
            visitor.receive(&finish(&app, &session).await.unwrap());
            assert_eq!(visitor.cookie().is_some(), says);
            assert_eq!(user(&app, &one).await, None);
            assert_eq!(user(&app, &two).await, None);
            assert_eq!(user(&app, &other).await, Some(3), "of somebody else");
        }
    })
    .await;
}
