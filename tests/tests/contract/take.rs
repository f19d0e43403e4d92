//! Promise 5: exactly one of several concurrent takers gets the value. Flash values are taken by reading.

use crate::Shop;
use level_session::{ErrorKind, Result, Session, store::testing::Call};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::sync::Arc;

type Shopping = Session<Shop>;

/// Prevents: a one-time code that is valid twice (F03).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_concurrent_takers_exactly_one_gets_the_value() {
    over_every_store(async |store| {
        let app = Arc::new(App::over(store));
        let mut visitor = Visitor::new();
        for round in 0..20 {
            app.request(&mut visitor, async |s: Shopping| {
                s.otp().set(format!("code {round}"))
            })
            .await
            .unwrap();
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let (app, visitor) = (app.clone(), visitor.clone());
                    tokio::spawn(async move {
                        let session: Shopping = app.begin(&visitor);
                        session.otp().await.unwrap(); // all of them have read it
                        tokio::task::yield_now().await;
                        session.otp().take().await.unwrap() // and no request commits
                    })
                })
                .collect();
            let mut winners = Vec::new();
            for task in tasks {
                winners.extend(task.await.unwrap());
            }
            assert_eq!(winners, [format!("code {round}")]);
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_taken_stays_taken_when_the_request_fails() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| {
        s.set("state", "xyz")?;
        s.notice().set("hello")
    })
    .await?;
    let session: Shopping = app.begin(&visitor);
    assert_eq!(
        session.take::<String>("state").await?.as_deref(),
        Some("xyz")
    );
    assert_eq!(session.notice().await?.as_deref(), Some("hello"));
    app.sessions.abandon(&session, &mut http::HeaderMap::new());
    app.request(&mut visitor, async |s: Shopping| {
        assert_eq!(s.take::<String>("state").await?, None);
        assert_eq!(s.notice().await?, None);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_request_takes_what_it_has_written_itself() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.otp().set("old"))
        .await?;
    app.request(&mut visitor, async |s: Shopping| {
        s.otp().set("new")?;
        assert_eq!(s.otp().take().await?.as_deref(), Some("new"));
        assert_eq!(s.otp().take().await?, None, "once");
        Ok(())
    })
    .await?;
    assert_eq!(
        app.request(&mut visitor, async |s: Shopping| s.otp().await)
            .await?,
        None,
        "the old one is gone too"
    );

    app.request(&mut visitor, async |s: Shopping| s.otp().set("a"))
        .await?;
    app.request(&mut visitor, async |s: Shopping| {
        s.otp()
            .update(|otp| otp.as_mut().unwrap().push('b'))
            .await?;
        assert_eq!(s.otp().take().await?.as_deref(), Some("ab"));
        Ok(())
    })
    .await?;
    assert_eq!(
        app.request(&mut visitor, async |s: Shopping| s.otp().await)
            .await?,
        None
    );
    Ok(())
}

/// Prevents: a lost update of another request, which a taker removed together with the value.
#[tokio::test]
async fn a_taker_who_was_overtaken_takes_what_is_there_by_then() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.otp().set("a"))
        .await?;
    let slow: Shopping = app.begin(&visitor);
    slow.otp()
        .update(|otp| otp.get_or_insert_default().push('!'))
        .await?;
    app.request(&mut visitor, async |s: Shopping| s.otp().set("b"))
        .await?;
    assert_eq!(slow.otp().take().await?.as_deref(), Some("b!"));
    Ok(())
}

#[tokio::test]
async fn a_flash_value_is_read_once_and_peeked_at_as_often_as_one_likes() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.notice().set("hello"))
        .await?;
    app.request(&mut visitor, async |s: Shopping| {
        assert_eq!(s.notice().peek().await?.as_deref(), Some("hello"));
        assert_eq!(
            s.load().await?.notice.as_deref(),
            Some("hello"),
            "a whole struct only looks"
        );
        assert_eq!(s.get(Shop::NOTICE).await?.as_deref(), Some("hello"));
        assert_eq!(s.notice().await?.as_deref(), Some("hello"));
        assert_eq!(s.notice().await?, None);
        Ok(())
    })
    .await?;
    let _ = app.faults.calls();
    assert_eq!(
        app.request(&mut visitor, async |s: Shopping| s.notice().await)
            .await?,
        None
    );
    let calls = app.faults.calls();
    assert!(
        !calls.iter().any(|call| matches!(call, Call::Commit { .. })),
        "nothing to claim: {calls:?}"
    );
    Ok(())
}

/// Prevents: a code that is lost because it could not be read.
#[tokio::test]
async fn what_cannot_be_read_is_not_taken() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.set("state", "text"))
        .await?;
    app.request(&mut visitor, async |s: Shopping| {
        assert_eq!(
            s.take::<u64>("state").await.unwrap_err().kind(),
            ErrorKind::Decode
        );
        Ok(())
    })
    .await?;
    let state = app
        .request(&mut visitor, async |s: Shopping| {
            s.take::<String>("state").await
        })
        .await?;
    assert_eq!(state.as_deref(), Some("text"));
    Ok(())
}

/// Prevents: a code that is valid again, because the request that took it was cancelled before the response (F03).
#[tokio::test]
async fn a_take_that_was_dropped_on_the_way_has_taken() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.otp().set("a"))
        .await?;
    let session: Shopping = app.begin(&visitor);
    session
        .otp()
        .update(|otp| otp.get_or_insert_default().push('!'))
        .await?;
    app.faults.hang(true);
    let given_up = std::time::Duration::from_millis(1);
    assert!(
        tokio::time::timeout(given_up, session.otp().take())
            .await
            .is_err()
    );
    app.faults.hang(false);
    assert_eq!(session.otp().await?, None);
    app.finish(&session, &mut visitor).await?;
    let otp = app
        .request(&mut visitor, async |s: Shopping| s.otp().await)
        .await?;
    assert_eq!(otp, None);
    Ok(())
}
