//! Promise 3: what a request writes is stored all at once or not at all.

use crate::{Item, Shop};
use level_session::{ErrorKind, Result, Session, store::testing::Call};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};

type Shopping = Session<Shop>;

/// Prevents: half a request in the store.
#[tokio::test]
async fn a_request_is_one_commit_of_the_fields_that_changed() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| {
        s.user_id().set(1)?;
        s.theme().set("dark")
    })
    .await?;
    let _ = app.faults.calls();
    app.request(&mut visitor, async |s: Shopping| {
        s.user_id().set(2)?;
        s.cart()
            .update(|cart| cart.push(Item("tea".into())))
            .await?;
        s.visits().add(1)
    })
    .await?;
    let commits: Vec<_> = app
        .faults
        .calls()
        .into_iter()
        .filter(|call| matches!(call, Call::Commit { .. }))
        .collect();
    let [Call::Commit { fields, .. }] = &commits[..] else {
        panic!("one commit: {commits:?}")
    };
    assert_eq!(*fields, ["cart", "user_id", "visits"]);
    Ok(())
}

/// Prevents: a failed request that leaves its traces (F06).
#[tokio::test]
async fn a_request_that_fails_stores_nothing_a_renewal_and_a_destroy_included() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.user_id().set(1))
            .await
            .unwrap();
        let before = visitor.clone();

        for destroy in [false, true] {
            let session: Shopping = app.begin(&visitor);
            session.user_id().set(2).unwrap();
            session.visits().add(5).unwrap();
            session.renew().unwrap();
            if destroy {
                session.destroy().unwrap();
            }
            let mut response = http::HeaderMap::new();
            app.sessions.abandon(&session, &mut response);
            visitor.receive(&response);
        }
        assert_eq!(visitor, before, "no new cookie");
        app.request(&mut visitor, async |s: Shopping| {
            assert_eq!(s.user_id().await?, Some(1));
            assert_eq!(s.visits().await?, 0);
            Ok(())
        })
        .await
        .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_commit_in_the_middle_is_stored_whatever_comes_after() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    let session: Shopping = app.begin(&visitor);
    session.visits().add(1)?;
    session.commit().await?;
    session.visits().add(10)?;
    assert_eq!(session.visits().await?, 11);
    let mut response = http::HeaderMap::new();
    app.sessions.abandon(&session, &mut response); // the handler fails
    visitor.receive(&response);
    let visits = app
        .request(&mut visitor, async |s: Shopping| s.visits().await)
        .await?;
    assert_eq!(
        visits, 1,
        "the cookie of what was committed came with the failure"
    );
    Ok(())
}

/// Prevents: an acknowledged write that is lost, and a change that is stored twice, when the store comes back.
#[tokio::test]
async fn a_store_that_fails_loses_nothing_that_is_still_wanted() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.visits().add(1))
        .await?;

    let session: Shopping = app.begin(&visitor);
    session.visits().add(10)?;
    session
        .cart()
        .update(|cart| cart.push(Item("tea".into())))
        .await?;
    session.renew()?;
    app.faults.fail_commits(true);
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Store);
    session.visits().add(100)?;
    assert_eq!(session.visits().await?, 111);
    app.faults.fail_commits(false);
    let before = visitor.clone();
    app.finish(&session, &mut visitor).await?;
    assert_ne!(visitor, before, "the renewal was still wanted");
    app.request(&mut visitor, async |s: Shopping| {
        assert_eq!(s.visits().await?, 111);
        assert_eq!(s.cart().await?.len(), 1);
        Ok(())
    })
    .await
}

/// Prevents: an empty session shown instead of one that could not be read, and written over it (F05).
#[tokio::test]
async fn a_store_that_cannot_be_read_is_an_error_and_never_an_empty_session() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
        .await?;

    app.faults.fail_loads(true);
    let before = visitor.clone();
    let read = app
        .request(&mut visitor, async |s: Shopping| s.user_id().await)
        .await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::Store);
    let blind = app
        .request(&mut visitor, async |s: Shopping| s.theme().set("dark"))
        .await;
    assert_eq!(blind.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(visitor, before);

    app.faults.fail_loads(false);
    app.request(&mut visitor, async |s: Shopping| {
        assert_eq!(s.user_id().await?, Some(7), "still there");
        assert_eq!(s.theme().await?, "light", "nothing was written");
        Ok(())
    })
    .await
}

/// Prevents: a task that outlives its request and writes into the void, or worse, into the session of the next.
#[tokio::test]
async fn a_handle_is_closed_when_its_request_is_over() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    let session: Shopping = app.begin(&visitor);
    session.visits().add(1)?;
    let detached = session.detach();
    assert_eq!(
        detached.unwrap_err().kind(),
        ErrorKind::Config,
        "nothing is stored yet"
    );
    session.commit().await?;
    let detached = session.detach()?.typed::<Shop>()?;
    app.finish(&session, &mut visitor).await?;

    for error in [
        session.visits().add(1).unwrap_err(),
        session.visits().await.unwrap_err(),
        session.set("a", 1).unwrap_err(),
        session.commit().await.unwrap_err(),
        session.destroy().unwrap_err(),
        session.get_all().await.unwrap_err(),
        session.cart().update(|_| ()).await.unwrap_err(),
        session.otp().take().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(error.to_string().contains("detach()"), "{error}");
    }

    detached.visits().add(5)?;
    detached.commit().await?;
    assert_eq!(detached.renew().unwrap_err().kind(), ErrorKind::Config);
    let visits = app
        .request(&mut visitor, async |s: Shopping| s.visits().await)
        .await?;
    assert_eq!(visits, 6);
    Ok(())
}

/// Prevents: a session that is made in the background, whose id nobody has, and what was written into it with it.
#[tokio::test]
async fn what_is_detached_makes_no_session() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.visits().add(1))
        .await?;
    let detach = || app.begin::<Shop>(&visitor).detach();
    let (signs_out, writes_on, comes_late) = (detach()?, detach()?, detach()?);

    signs_out.destroy()?;
    signs_out.set("farewell", 1)?;
    let error = signs_out.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    signs_out.destroy()?;
    signs_out.commit().await?;
    let _ = app.faults.calls();

    for detached in [signs_out, writes_on, comes_late, detach()?] {
        detached.set("a", 1)?;
        let error = detached.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone);
    }
    let commits = app.faults.calls().into_iter();
    assert_eq!(
        commits
            .filter(|call| matches!(call, Call::Commit { .. }))
            .count(),
        0
    );
    Ok(())
}

/// Prevents: a sign-out that a failed request asked for, by a task of its that was about to commit.
#[tokio::test]
async fn a_commit_that_has_not_begun_when_the_request_ends_does_nothing() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.visits().add(1))
        .await?;
    let session: Shopping = app.begin(&visitor);
    session.destroy()?;
    app.faults.hang(true);
    let of_a_task = session.clone();
    let mut commit = std::pin::pin!(of_a_task.commit());
    let begins = tokio::time::timeout(std::time::Duration::from_millis(1), &mut commit).await;
    assert!(begins.is_err(), "it waits to know whose session it is");
    app.sessions.abandon(&session, &mut http::HeaderMap::new());
    app.faults.hang(false);
    assert_eq!(commit.await.unwrap_err().kind(), ErrorKind::Closed);
    let visits = app
        .request(&mut visitor, async |s: Shopping| s.visits().await)
        .await?;
    assert_eq!(visits, 1);
    Ok(())
}

/// Prevents: a counter that is stored twice because a commit was dropped in the middle and tried again.
#[tokio::test]
async fn a_commit_that_was_interrupted_is_not_tried_again_blindly() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.visits().add(1))
        .await?;
    let session: Shopping = app.begin(&visitor);
    assert_eq!(session.visits().await?, 1);
    session.visits().add(1)?;
    app.faults.hang(true);
    let interrupted =
        tokio::time::timeout(std::time::Duration::from_millis(1), session.commit()).await;
    assert!(interrupted.is_err());
    app.faults.hang(false);
    let error = session.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("interrupted"), "{error}");
    Ok(())
}
