//! Code that people write without much thought, and its effect.

use level_session::{Result, Session, SessionData, Updated};
use level_session_tests::visitor::{App, Visitor};
use std::{borrow::Cow, path::PathBuf};

#[derive(SessionData)]
struct Shop {
    name: String,
    user_id: Option<u64>,
    #[session(default)]
    cart: Vec<String>,
    #[session(default = Some(3))]
    level: Option<u8>,
    #[session(default = Cow::Borrowed("light"))]
    theme: Cow<'static, str>,
    folder: Option<PathBuf>,
    #[session(default = 2)]
    tickets: u32,
    #[session(flash)]
    notice: Option<String>,
    #[session(flash)]
    notices: Vec<String>,
    #[session(flash, ttl = "10m", rename = "w")]
    warnings: Vec<Warning>,
}

/// Not `Clone`.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Warning {
    code: u8,
}

type Shopping = Session<Shop>;

/// Prevents: the need for `.to_owned()` on every string, and a literal that is inferred as an `i32`.
#[tokio::test]
async fn set_takes_what_stands_for_the_value() -> Result<()> {
    let app = App::new();
    let session: Shopping = app.begin(&Visitor::new());
    session.name().set("tea")?;
    session.name().set(&String::from("tea"))?;
    session.name().set(String::from("tea"))?;
    session.user_id().set(7)?;
    session.user_id().set(u64::from(7u32))?;
    session.user_id().set(7u32.into())?;
    session.level().set(5)?;
    assert_eq!(session.level().await?, Some(5));
    session.level().set(None)?;
    assert_eq!(session.level().await?, None);
    session.theme().set("dark")?;
    session.folder().set("a/b")?;
    session.tickets().set("3".parse().unwrap())?;
    session
        .cart()
        .set(["cup"].into_iter().map(str::to_owned).collect())?;
    session.cart().set(Vec::new())?;
    session.notice().set("saved")?;
    assert_eq!(session.name().await?.as_deref(), Some("tea"));
    assert_eq!(session.user_id().await?, Some(7));
    assert_eq!(session.notice().await?.as_deref(), Some("saved"));
    Ok(())
}

/// Prevents: a result that has to be moved out of the closure through a mutex.
#[tokio::test]
async fn update_gives_what_its_closure_returns() -> Result<()> {
    let app = App::new();
    let session: Shopping = app.begin(&Visitor::new());
    let add = |cart: &mut Vec<String>| {
        cart.push("cup".into());
        cart.len()
    };
    assert_eq!(session.cart().update(add).await?, 1);
    assert_eq!(session.cart().update(add).await?, 2);
    let before: Option<u64> = session.user_id().update(|user| user.replace(8)).await?;
    assert_eq!(before, None);
    let before: Option<u64> = session.update("user_id", Option::take).await?;
    assert_eq!(before, Some(8));
    // A closure that returns nothing, and a function that ends with the call.
    async fn last(session: &Shopping) -> Result<()> {
        session.cart().update(Vec::clear).await
    }
    last(&session).await
}

/// Prevents: two visitors who are both told that they got the last ticket.
#[tokio::test]
async fn update_tracked_says_what_the_stored_run_returned() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.tickets().set(1))
        .await?;
    let buy = |tickets: &mut u32| {
        let left = tickets.checked_sub(1);
        *tickets = left.unwrap_or(0);
        left.is_some()
    };
    let (one, two): (Shopping, Shopping) = (app.begin(&visitor), app.begin(&visitor));
    let first: Updated<bool> = one.tickets().update_tracked(buy).await?;
    let second = two
        .update_tracked("tickets", move |tickets: &mut Option<u32>| {
            tickets.as_mut().is_some_and(buy)
        })
        .await?;
    assert!(first.get() && second.get(), "each sees one");
    one.commit().await?;
    two.commit().await?;
    assert!(first.get() && !second.get(), "and one has got it");
    assert!(first.into_inner() && !second.into_inner());
    assert_eq!(two.tickets().await?, 0);
    Ok(())
}

/// Prevents: a second message that replaces the first before it was read, in one request or in two.
#[tokio::test]
async fn flash_messages_are_kept_until_they_are_read_together() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    let push = app.request(&mut visitor, async |s: Shopping| {
        assert!(s.notices().await?.is_empty());
        s.notices().push("saved").await?;
        s.notices().push(String::from("and sent")).await?;
        assert_eq!(s.notices().peek().await?, ["saved", "and sent"]);
        s.warnings().push(Warning { code: 1 }).await
    });
    push.await?;
    let (one, two): (Shopping, Shopping) = (app.begin(&visitor), app.begin(&visitor));
    one.notices().push("one").await?;
    two.notices().push("two").await?;
    one.commit().await?;
    two.commit().await?;
    let whole = app.request(&mut visitor, async |s: Shopping| {
        s.name().set("x")?;
        let whole = s.load().await?;
        assert_eq!(whole.notices.len(), 4, "`load` looks");
        s.store(&whole).await?;
        let read = s.notices().await?;
        assert_eq!(read, ["saved", "and sent", "one", "two"]);
        assert!(s.notices().await?.is_empty(), "once");
        s.warnings().await
    });
    assert_eq!(whole.await?, [Warning { code: 1 }]);
    let taken = async |s: Shopping| {
        s.notices().set(vec!["again".into()])?;
        s.notices().remove()?;
        Ok(s.notices().await?.len() + s.warnings().await?.len())
    };
    assert_eq!(app.request(&mut visitor, taken).await?, 0);
    assert!(Shop::NOTICES.def().is_flash());
    Ok(())
}

/// Prevents: a task of a socket that has to name the struct again, or has no access to its fields.
#[tokio::test]
async fn a_detached_session_keeps_its_type() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.tickets().set(5))
        .await?;
    let session: Shopping = app.begin(&visitor);
    let detached: Shopping = session.detach()?;
    let task = tokio::spawn(async move {
        detached.tickets().update(|n| *n += 1).await?;
        detached.commit().await
    });
    task.await.unwrap()?;
    let tickets = app.request(&mut visitor, async |s: Shopping| s.tickets().await);
    assert_eq!(tickets.await?, 6);
    Ok(())
}
