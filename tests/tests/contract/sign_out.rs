//! Ending a session that has already ended succeeds.

use crate::Shop;
use level_session::{ErrorKind, Expiry, Session};
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

const fn destroy() -> impl AsyncFn(Shopping) -> level_session::Result<()> {
    async |s: Shopping| s.destroy()
}

/// Prevents: a visitor who clicks twice, gets an error and keeps the cookie, and one who signs out of an ended session
/// and keeps the cookie (L16).
#[tokio::test]
async fn a_sign_out_of_what_has_ended_removes_the_cookie() {
    over_every_store(async |store| {
        let app = App::over(store).with_expiry(Expiry::idle(Duration::from_secs(60)));
        // A double click: both requests begin before either ends.
        let visitor = sign_in(&app).await;
        let clicks: [Shopping; 2] = [app.begin(&visitor), app.begin(&visitor)];
        let known: Shopping = app.begin(&visitor);
        assert_eq!(known.user_id().await.unwrap(), Some(7));
        for click in clicks.iter().chain([&known]) {
            let mut browser = visitor.clone();
            click.destroy().unwrap();
            app.finish(click, &mut browser).await.unwrap();
            assert_eq!(browser.cookie(), None);
        }
        // Later.
        let mut browser = visitor.clone();
        app.request(&mut browser, destroy()).await.unwrap();
        assert_eq!(browser.cookie(), None);
        // After a read that found nothing.
        let mut browser = visitor.clone();
        app.request(&mut browser, async |s: Shopping| {
            assert!(!s.is_live().await?);
            s.destroy()
        })
        .await
        .unwrap();
        assert_eq!(browser.cookie(), None);
        // It has expired.
        let mut browser = sign_in(&app).await;
        app.sleep(60);
        app.request(&mut browser, destroy()).await.unwrap();
        assert_eq!(browser.cookie(), None);
        // And a notice after the sign-out begins a new session, as usual.
        let mut browser = visitor.clone();
        app.request(&mut browser, async |s: Shopping| {
            s.destroy()?;
            s.notice().set("bye")
        })
        .await
        .unwrap();
        assert_ne!(browser.cookie(), visitor.cookie());
        let notice = app.request(&mut browser, async |s: Shopping| s.notice().await);
        assert_eq!(notice.await.unwrap().as_deref(), Some("bye"));
        // The cookie of a visitor without a session is not removed.
        let mut nobody = Visitor::new();
        let session: Shopping = app.begin(&nobody);
        session.destroy().unwrap();
        let response = app.finish(&session, &mut nobody).await.unwrap();
        assert!(!response.contains_key("set-cookie"), "{response:?}");
    })
    .await;
}

/// Prevents: a sign-out that reports success while the session lives on under another id, and removes the cookie of
/// that id.
#[tokio::test]
async fn a_sign_out_by_an_id_that_was_renewed_a_moment_ago_is_refused() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = sign_in(&app).await;
        let former = visitor.clone();
        let before: Shopping = app.begin(&former);
        app.request(&mut visitor, async |s: Shopping| s.renew())
            .await
            .unwrap();
        before.destroy().unwrap();
        let after: Shopping = app.begin(&former);
        after.destroy().unwrap();
        let looked: Shopping = app.begin(&former);
        assert!(!looked.is_live().await.unwrap());
        looked.destroy().unwrap();
        for session in [before, after, looked] {
            let mut browser = visitor.clone();
            let error = app.finish(&session, &mut browser).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Gone);
            assert_eq!(browser, visitor, "the new cookie stays");
        }
        let user = app.request(&mut visitor, async |s: Shopping| s.user_id().await);
        assert_eq!(user.await.unwrap(), Some(7));
        // After a minute the browser has the new cookie, or will never have it.
        app.sleep(61);
        let mut browser = former.clone();
        app.request(&mut browser, destroy()).await.unwrap();
        assert_eq!(browser.cookie(), None);
    })
    .await;
}

/// Prevents: a sign-out that creates a new session for the visitor, because sessions are created at once.
#[tokio::test]
async fn a_sign_out_makes_no_session_where_they_are_made_at_once() {
    over_every_store(async |store| {
        let app = App::over(store).with(|sessions| sessions.create_at_once(true));
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |_: Shopping| Ok(()))
            .await
            .unwrap();
        assert!(visitor.cookie().is_some());
        for look in [false, true] {
            let mut browser = visitor.clone();
            app.request(&mut browser, async |s: Shopping| {
                if look {
                    s.user_id().await?;
                }
                s.destroy()
            })
            .await
            .unwrap();
            assert_eq!(browser.cookie(), None, "{look}");
            app.request(&mut visitor, async |s: Shopping| s.touch())
                .await
                .unwrap(); // another one
        }
    })
    .await;
}
