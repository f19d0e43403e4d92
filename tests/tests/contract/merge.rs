//! Promise 4: changes merge.

use crate::{Item, Shop};
use level_session::{ErrorKind, Result, Session};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::sync::Arc;

type Shopping = Session<Shop>;

/// Prevents: the lost update of sessions that are stored as one blob (F01).
#[tokio::test]
async fn two_requests_that_change_different_fields_both_keep_their_change() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.visits().add(1))
            .await
            .unwrap();

        let (one, two): (Shopping, Shopping) = (app.begin(&visitor), app.begin(&visitor));
        for session in [&one, &two] {
            session.load().await.unwrap();
        }
        one.theme().set("dark").unwrap();
        one.del("nothing").unwrap();
        two.user_id().set(7).unwrap();
        two.set("referrer", "newsletter").unwrap();
        app.finish(&one, &mut visitor).await.unwrap();
        app.finish(&two, &mut visitor).await.unwrap();

        let whole = app.request(&mut visitor, async |s: Shopping| {
            assert_eq!(
                s.get::<String>("referrer").await?.as_deref(),
                Some("newsletter")
            );
            s.load().await
        });
        let whole = whole.await.unwrap();
        assert_eq!(
            (whole.theme.as_str(), whole.user_id, whole.visits),
            ("dark", Some(7), 1)
        );
    })
    .await;
}

/// Prevents: a lost update of one field (F02).
#[tokio::test]
async fn counters_add_up_and_updates_run_again_on_what_is_there_by_then() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.visits().add(1))
            .await
            .unwrap();
        let sessions: Vec<Shopping> = (0..10).map(|_| app.begin(&visitor)).collect();
        for (i, session) in sessions.iter().enumerate() {
            assert_eq!(session.visits().await.unwrap(), 1);
            session.visits().add(1).unwrap();
            session
                .cart()
                .update(move |cart| cart.push(Item(i.to_string())))
                .await
                .unwrap();
            session
                .cart()
                .update(move |cart| cart.push(Item(format!("{i} again"))))
                .await
                .unwrap();
            assert_eq!(session.cart().await.unwrap().len(), 2);
            session
                .update::<u32, _>("n", |n| *n = Some(n.unwrap_or(0) + 1))
                .await
                .unwrap();
        }
        for session in &sessions {
            app.finish(session, &mut visitor).await.unwrap();
        }
        app.request(&mut visitor, async |s: Shopping| {
            assert_eq!(s.visits().await?, 11);
            let cart: Vec<_> = s.cart().await?.into_iter().map(|item| item.0).collect();
            let all: Vec<_> = (0..10)
                .flat_map(|i| [i.to_string(), format!("{i} again")])
                .collect();
            assert_eq!(cart, all);
            assert_eq!(s.get::<u32>("n").await?, Some(10));
            Ok(())
        })
        .await
        .unwrap();
    })
    .await;
}

/// Prevents: lost updates when requests really race.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_when_many_requests_race() {
    const TASKS: usize = 16;
    const ROUNDS: usize = 10;
    over_every_store(async |store| {
        let app = Arc::new(App::over(store));
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.theme().set("x"))
            .await
            .unwrap();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (app, mut visitor) = (app.clone(), visitor.clone());
                tokio::spawn(async move {
                    for round in 0..ROUNDS {
                        app.request(&mut visitor, async |s: Shopping| {
                            s.visits().add(1)?;
                            tokio::task::yield_now().await;
                            s.cart()
                                .update(move |cart| cart.push(Item(format!("{task}/{round}"))))
                                .await?;
                            tokio::task::yield_now().await;
                            s.set(format!("own {task}"), round)
                        })
                        .await
                        .unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        app.request(&mut visitor, async |s: Shopping| {
            assert_eq!(s.visits().await?, (TASKS * ROUNDS) as u64);
            let mut cart: Vec<_> = s.cart().await?.into_iter().map(|item| item.0).collect();
            let length = cart.len();
            cart.sort();
            cart.dedup();
            assert_eq!((length, cart.len()), (TASKS * ROUNDS, TASKS * ROUNDS));
            for task in 0..TASKS {
                assert_eq!(
                    s.get::<usize>(format!("own {task}")).await?,
                    Some(ROUNDS - 1)
                );
            }
            Ok(())
        })
        .await
        .unwrap();
    })
    .await;
}

#[tokio::test]
async fn set_replaces_and_the_later_commit_wins() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.theme().set("a"))
        .await?;
    let (one, two): (Shopping, Shopping) = (app.begin(&visitor), app.begin(&visitor));
    one.theme().set("b")?;
    two.theme().set("c")?;
    app.finish(&two, &mut visitor).await?;
    app.finish(&one, &mut visitor).await?;
    assert_eq!(
        app.request(&mut visitor, async |s: Shopping| s.theme().await)
            .await?,
        "b"
    );
    Ok(())
}

/// Prevents: a counter that wraps around, and an addition that is lost by saturation.
#[tokio::test]
async fn a_counter_that_would_leave_its_range_is_an_error_and_stores_nothing() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.lives().add(100))
        .await?; // 110 of at most 127

    let known: Shopping = app.begin(&visitor);
    assert_eq!(known.lives().await?, 110);
    let error = known.lives().add(20).unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Overflow, Some("lives"))
    );
    assert_eq!(known.lives().await?, 110, "nothing was added");

    let blind = app.request(&mut visitor, async |s: Shopping| {
        s.theme().set("dark")?;
        s.lives().add(20)
    });
    assert_eq!(blind.await.unwrap_err().kind(), ErrorKind::Overflow);
    assert_eq!(
        app.request(&mut visitor, async |s: Shopping| s.theme().await)
            .await?,
        "light"
    );
    Ok(())
}

/// `store` writes the fields that differ, and counters as differences.
#[tokio::test]
async fn storing_a_whole_struct_merges_as_well() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.visits().add(5))
        .await?;
    let (one, two): (Shopping, Shopping) = (app.begin(&visitor), app.begin(&visitor));
    let mut data = one.load().await?;
    data.visits += 1;
    data.user_id = Some(9);
    two.visits().add(10)?;
    two.theme().set("dark")?;
    app.finish(&two, &mut visitor).await?;
    one.store(&data).await?;
    app.finish(&one, &mut visitor).await?;
    let after = app
        .request(&mut visitor, async |s: Shopping| s.load().await)
        .await?;
    assert_eq!(
        (after.visits, after.user_id, after.theme.as_str()),
        (16, Some(9), "dark")
    );

    let _ = app.faults.calls();
    app.request(&mut visitor, async |s: Shopping| {
        let data = s.load().await?;
        s.store(&data).await
    })
    .await?;
    let calls = app.faults.calls();
    assert!(
        !calls
            .iter()
            .any(|c| matches!(c, level_session::store::testing::Call::Commit { .. })),
        "{calls:?}"
    );
    Ok(())
}
