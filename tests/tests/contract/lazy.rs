//! Promises 1 and 2: nothing happens until the session is used, and each field is read separately and only once.

use crate::Shop;
use level_session::{ErrorKind, Result, Session, store::testing::Call};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};

type Shopping = Session<Shop>;

/// Prevents: a store access, a record or a cookie for every robot (L14).
#[tokio::test]
async fn a_request_that_does_not_use_its_session_costs_nothing() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    let session: Shopping = app.begin(&visitor);
    let response = app.finish(&session, &mut visitor).await?;
    assert!(
        response.is_empty(),
        "no header for a new visitor: {response:?}"
    );

    app.request(&mut visitor, async |s: Shopping| s.visits().add(1))
        .await?;
    let _ = app.faults.calls();
    let session: Shopping = app.begin(&visitor);
    let response = app.finish(&session, &mut visitor).await?;
    assert!(
        response.is_empty(),
        "no header for a known one: {response:?}"
    );
    assert_eq!(app.faults.calls(), [], "the store was not asked");
    Ok(())
}

/// Prevents: empty sessions for visitors who only read.
#[tokio::test]
async fn reading_makes_no_session_and_asks_no_store_for_a_new_visitor() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| {
        assert_eq!(s.user_id().await?, None);
        assert_eq!(s.cart().await?, []);
        assert_eq!(s.theme().await?, "light");
        assert_eq!(s.lives().await?, 10);
        assert!(s.get_all().await?.is_empty());
        assert!(!s.is_live().await?);
        s.user_id().remove()?;
        s.clear()?;
        s.renew()?;
        s.touch()
    })
    .await?;
    assert_eq!(visitor, Visitor::new());
    assert_eq!(app.faults.calls(), []);
    Ok(())
}

#[tokio::test]
async fn the_first_write_makes_the_session() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
        .await?;
    assert!(visitor.cookie().is_some());
    let user = app
        .request(&mut visitor, async |s: Shopping| s.user_id().await)
        .await?;
    assert_eq!(user, Some(7));
    Ok(())
}

#[tokio::test]
async fn an_option_makes_the_session_at_once() -> Result<()> {
    let app = App::new().with(|sessions| sessions.create_at_once(true));
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |_: Shopping| Ok(()))
        .await?;
    let cookie = visitor.cookie().map(str::to_owned);
    assert!(cookie.is_some(), "the first request gets a cookie");
    app.request(&mut visitor, async |s: Shopping| s.is_live().await)
        .await
        .map(|live| assert!(live))?;
    assert_eq!(visitor.cookie(), cookie.as_deref(), "and keeps it");
    Ok(())
}

/// Prevents: loading all fields to read one, and reading one field twice.
#[tokio::test]
async fn a_field_is_read_alone_and_once() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| {
        s.user_id().set(7)?;
        s.theme().set("dark")
    })
    .await?;
    let _ = app.faults.calls();
    app.request(&mut visitor, async |s: Shopping| {
        for _ in 0..3 {
            assert_eq!(s.user_id().await?, Some(7));
            assert_eq!(s.get(Shop::USER_ID).await?, Some(7));
        }
        Ok(())
    })
    .await?;
    assert_eq!(
        app.faults.calls(),
        [Call::Load(Some(vec!["user_id".into()]))]
    );
    Ok(())
}

/// Prevents: a value that changes during a request.
#[tokio::test]
async fn what_was_read_stays_the_same_for_the_request_whatever_others_do() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
        .await?;
    let reader: Shopping = app.begin(&visitor);
    assert_eq!(reader.user_id().await?, Some(7));
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(8))
        .await?;
    assert_eq!(reader.user_id().await?, Some(7));
    Ok(())
}

#[tokio::test]
async fn a_request_sees_its_own_writes() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.visits().add(2))
        .await?;
    app.request(&mut visitor, async |s: Shopping| {
        s.visits().add(3)?;
        assert_eq!(s.visits().await?, 5);
        s.theme().set("dark")?;
        assert_eq!(s.theme().await?, "dark");
        s.theme().remove()?;
        assert_eq!(s.theme().await?, "light");
        s.set("a", 1)?;
        assert_eq!(s.get::<u8>("a").await?, Some(1));
        s.del("a")?;
        assert_eq!(s.get::<u8>("a").await?, None);
        s.visits().sub(1)?;
        assert_eq!(s.visits().await?, 4);
        s.clear()?;
        assert_eq!(s.visits().await?, 0);
        s.visits().add(1)?;
        assert_eq!(s.visits().await?, 1);
        Ok(())
    })
    .await?;
    let visits = app
        .request(&mut visitor, async |s: Shopping| s.visits().await)
        .await?;
    assert_eq!(visits, 1, "cleared, then added to");
    Ok(())
}

/// Prevents: a request that continues in a session which another has changed or ended, because the store returned all
/// fields on the first read (L03).
#[tokio::test]
async fn a_field_is_read_as_of_the_moment_when_it_is_asked_for() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
            .await
            .unwrap();
        let session: Shopping = app.begin(&visitor);
        assert_eq!(session.user_id().await.unwrap(), Some(7));
        app.request(&mut visitor, async |s: Shopping| s.theme().set("dark"))
            .await
            .unwrap();
        let _ = app.faults.calls();
        let theme = session.theme().await.unwrap();
        if app.faults.calls().is_empty() {
            return; // the store has returned all fields, as of that moment
        }
        assert_eq!(theme, "dark");
        app.request(&mut visitor, async |s: Shopping| s.destroy())
            .await
            .unwrap();
        let error = session.cart().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone);
    })
    .await;
}
