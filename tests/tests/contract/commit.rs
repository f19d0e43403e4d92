//! Promise 3: the changes of a request are stored atomically.

use crate::{Item, Shop};
use level_session::{
    ErrorKind, Result, Session, Timestamp, Value,
    store::{
        Bytes, Commit, Digest, Loaded, Op, Outcome, Select, Step, Store, StoreFuture, Wrapper,
        testing::Call,
    },
};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};

type Shopping = Session<Shop>;

/// Prevents: partial changes of a request in the store.
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

/// Prevents: a failed request that leaves changes (F06).
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

/// Prevents: an acknowledged write that is lost, and a change that is stored twice, when the store recovers.
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
    // A request that only writes does not read first, and writes only its field.
    app.request(&mut visitor, async |s: Shopping| s.theme().set("dark"))
        .await?;
    assert_eq!(visitor, before);

    app.faults.fail_loads(false);
    app.request(&mut visitor, async |s: Shopping| {
        assert_eq!(s.user_id().await?, Some(7), "still there");
        assert_eq!(s.theme().await?, "dark");
        Ok(())
    })
    .await
}

/// Prevents: a task that outlives its request and writes without effect, or into the session of the next request; and a
/// streaming page that cannot read the session after its head was sent.
#[tokio::test]
async fn a_handle_is_closed_when_its_request_is_over() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    let session: Shopping = app.begin(&visitor);
    session.visits().add(1)?;
    let detached = session.detach();
    assert_eq!(
        detached.unwrap_err().kind(),
        ErrorKind::Misuse,
        "nothing is stored yet"
    );
    session.commit().await?;
    let detached = session.detach()?.typed::<Shop>()?;
    app.finish(&session, &mut visitor).await?;

    for error in [
        session.visits().add(1).unwrap_err(),
        session.set("a", 1).unwrap_err(),
        session.commit().await.unwrap_err(),
        session.destroy().unwrap_err(),
        session.touch().unwrap_err(),
        session.detach().unwrap_err(),
        session.cart().update(|_| ()).await.unwrap_err(),
        session.otp().take().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(error.to_string().contains("detach()"), "{error}");
    }

    assert_eq!(session.visits().await?, 1);
    assert_eq!(session.get_all().await?.into_map().len(), 1);

    detached.visits().add(5)?;
    detached.commit().await?;
    assert_eq!(session.visits().await?, 1, "a field is read once");
    session.reload()?;
    assert_eq!(session.visits().await?, 6);
    assert_eq!(detached.renew().unwrap_err().kind(), ErrorKind::Misuse);
    let visits = app
        .request(&mut visitor, async |s: Shopping| s.visits().await)
        .await?;
    assert_eq!(visits, 6);
    Ok(())
}

/// Prevents: a session created in the background, whose id no client has, so that its data is lost.
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
    assert_eq!(error.kind(), ErrorKind::Misuse);
    signs_out.destroy()?;
    signs_out.commit().await?;
    let _ = app.faults.calls();

    for detached in [signs_out, writes_on, comes_late, detach()?] {
        detached.set("a", 1)?;
        let error = detached.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone);
    }
    for call in app.faults.calls() {
        let Call::Commit { step, .. } = call else {
            continue;
        };
        assert!(matches!(step, Step::Keep { .. }), "{step:?} makes one");
    }
    Ok(())
}

/// Prevents: a sign-out that a failed request asked for, through a task that had not committed yet; and a commit that a
/// task has started and that is forgotten because the request ends.
#[tokio::test]
async fn what_is_committed_when_a_request_is_abandoned_is_what_was_begun() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.visits().add(1))
        .await?;
    let session: Shopping = app.begin(&visitor);
    session.visits().add(1)?;
    app.faults.hang(true);
    let of_a_task = session.clone();
    let mut commit = std::pin::pin!(of_a_task.commit());
    assert!(gives_up(&mut commit).await, "the store hangs");
    session.destroy()?;
    app.sessions.abandon(&session, &mut http::HeaderMap::new());
    app.faults.hang(false);
    commit.await?;
    assert_eq!(
        session.commit().await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    let visits = app
        .request(&mut visitor, async |s: Shopping| s.visits().await)
        .await?;
    assert_eq!(visits, 2);
    Ok(())
}

/// Whether a future is still pending after a millisecond.
async fn gives_up(future: impl Future) -> bool {
    let given_up = std::time::Duration::from_millis(1);
    tokio::time::timeout(given_up, future).await.is_err()
}

/// Prevents: a counter that is stored twice because a commit was dropped halfway and retried, and a request that cannot
/// store anything after it cancelled one commit.
#[tokio::test]
async fn a_commit_that_was_dropped_goes_on_with_whatever_comes_next() -> Result<()> {
    for next in ["a read", "a write", "a commit", "the end"] {
        let app = App::new();
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.visits().add(1))
            .await?;
        let session: Shopping = app.begin(&visitor);
        assert_eq!(session.visits().await?, 1);
        session.visits().add(1)?;
        app.faults.hang(true);
        assert!(gives_up(session.commit()).await);
        app.faults.hang(false);
        let _ = app.faults.calls();
        match next {
            "a read" => assert_eq!(session.visits().await?, 2),
            "a write" => session.theme().set("dark")?,
            "a commit" => session.commit().await?,
            _ => {}
        }
        app.finish(&session, &mut visitor).await?;
        let commits = app.faults.calls().into_iter();
        let commits = commits.filter(|call| matches!(call, Call::Commit { .. }));
        assert_eq!(commits.count(), usize::from(next == "a write"), "{next}");
        let visits = app
            .request(&mut visitor, async |s: Shopping| s.visits().await)
            .await?;
        assert_eq!(visits, 2, "{next}");
    }
    Ok(())
}

/// Prevents: a counter that is stored twice, because no caller was told that a dropped commit may be stored (F11).
#[tokio::test]
async fn a_commit_that_was_dropped_and_may_be_stored_is_told_to_the_next_one() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.visits().add(1))
        .await?;
    let session: Shopping = app.begin(&visitor);
    session.visits().add(1)?;
    app.faults.fail_commits_afterwards(true);
    app.faults.hang(true);
    assert!(gives_up(session.commit()).await);
    app.faults.hang(false);
    session.visits().await?;
    app.faults.fail_commits_afterwards(false);
    let error = app.finish(&session, &mut visitor).await.unwrap_err();
    assert!(error.may_be_stored(), "{error}");
    let visits = app
        .request(&mut visitor, async |s: Shopping| s.visits().await)
        .await?;
    assert_eq!(visits, 2, "once");
    Ok(())
}

/// Prevents: the data of one user shown to the next, because a failed commit forgot a `clear`.
#[tokio::test]
async fn a_commit_that_failed_remembers_a_clear() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| {
            s.user_id().set(7)?;
            s.set("note", 1)
        })
        .await
        .unwrap();
        let session: Shopping = app.begin(&visitor);
        session.clear().unwrap();
        session.theme().set("dark").unwrap();
        app.faults.fail_commits(true);
        let error = session.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        assert_eq!(session.user_id().await.unwrap(), None);
        app.faults.fail_commits(false);
        app.finish(&session, &mut visitor).await.unwrap();
        app.request(&mut visitor, async |s: Shopping| {
            assert_eq!(s.get_all().await?.keys().collect::<Vec<_>>(), ["theme"]);
            Ok(())
        })
        .await
        .unwrap();
    })
    .await;
}

/// Prevents: unnecessary round trips to a store on another machine.
#[tokio::test]
async fn a_request_that_only_writes_is_one_trip() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        let set = async |s: Shopping| s.theme().set("dark");
        app.request(&mut visitor, set).await.unwrap();
        assert_eq!(trips(&app), 1, "a new session");
        app.request(&mut visitor, set).await.unwrap();
        assert_eq!(trips(&app), 1, "a write");
        let count = async |s: Shopping| s.visits().add(1);
        app.request(&mut visitor, count).await.unwrap();
        assert_eq!(trips(&app), 1, "an addition");
        app.request(&mut visitor, async |s: Shopping| s.touch())
            .await
            .unwrap();
        assert_eq!(trips(&app), 1, "a touch");
        app.request(&mut visitor, async |s: Shopping| {
            s.renew()?;
            s.user_id().set(7)
        })
        .await
        .unwrap();
        assert_eq!(
            trips(&app),
            2,
            "a sign-in, which looks how long the session lives"
        );
        app.request(&mut visitor, async |s: Shopping| {
            s.user_id().await?;
            s.theme().set("light")
        })
        .await
        .unwrap();
        assert_eq!(trips(&app), 2, "a read and a write");
        app.request(&mut visitor, async |s: Shopping| {
            s.destroy()?;
            s.notice().set("bye")
        })
        .await
        .unwrap();
        assert_eq!(trips(&app), 1, "a sign-out with a word");
        app.request(&mut visitor, async |s: Shopping| s.destroy())
            .await
            .unwrap();
        assert_eq!(trips(&app), 1, "a sign-out");
    })
    .await;
}

fn trips(app: &App) -> usize {
    app.faults.calls().len()
}

/// Prevents: a write that is lost, or that revives an ended session, because it was sent without a read.
#[tokio::test]
async fn what_is_written_for_a_session_that_is_gone_makes_a_new_one() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        let count = async |s: Shopping| s.visits().add(1);
        app.request(&mut visitor, count).await.unwrap();
        let mut dead = visitor.clone();
        app.request(&mut visitor, async |s: Shopping| s.destroy())
            .await
            .unwrap();
        let _ = app.faults.calls();
        let before = dead.clone();
        app.request(&mut dead, count).await.unwrap();
        assert_ne!(dead, before);
        assert_eq!(trips(&app), 3, "a commit, a look, and another commit");
        let visits = async |s: Shopping| s.visits().await;
        assert_eq!(app.request(&mut dead, visits).await.unwrap(), 1);
    })
    .await;
}

/// A store that returns all fields on each read, like a store on another machine.
struct Whole(std::sync::Arc<dyn Store>);

impl Wrapper for Whole {
    fn inner(&self) -> &dyn Store {
        &self.0
    }

    fn wrap_load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        let select = match select {
            Select::Nothing => Select::Nothing,
            _ => Select::All,
        };
        self.0.load(id, select, now)
    }
}

/// Prevents: a round trip for each field, although the first one has returned all of them.
#[tokio::test]
async fn a_store_that_shows_all_fields_is_asked_once() {
    over_every_store(async |store| {
        let app = App::over(std::sync::Arc::new(Whole(store)));
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| {
            s.user_id().set(7)?;
            s.theme().set("dark")
        })
        .await
        .unwrap();
        let _ = app.faults.calls();
        app.request(&mut visitor, async |s: Shopping| {
            assert_eq!(s.user_id().await?, Some(7));
            assert_eq!(s.theme().await?, "dark");
            assert_eq!(s.visits().await?, 0);
            assert_eq!(s.load().await?.user_id, Some(7));
            assert_eq!(s.get_all().await?.len(), 2);
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(trips(&app), 1);
    })
    .await;
}

/// Prevents: a field that is missing from `get_all`, because the list was read after the field was written.
#[tokio::test]
async fn what_was_set_is_among_all_fields() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
            .await
            .unwrap();
        app.request(&mut visitor, async |s: Shopping| {
            s.set("note", 1)?;
            s.del("user_id")?;
            s.theme().set("dark")?;
            assert_eq!(
                s.get_all().await?.keys().collect::<Vec<_>>(),
                ["note", "theme"]
            );
            Ok(())
        })
        .await
        .unwrap();
    })
    .await;
}

/// A store that records the known value (`seen`) of each addition.
struct Told {
    inner: std::sync::Arc<dyn Store>,
    seen: std::sync::Arc<std::sync::Mutex<Vec<Option<Option<Bytes>>>>>,
}

impl Wrapper for Told {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }

    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        for write in commit.writes {
            if let Op::Add { seen, .. } = &write.op {
                self.seen.lock().unwrap().push(seen.clone());
            }
        }
        self.inner.commit(commit)
    }
}

/// Prevents: a separate round trip for a counter that the request has read, if the store cannot calculate.
#[tokio::test]
async fn an_addition_says_what_was_seen_of_the_counter() {
    over_every_store(async |inner| {
        let seen = std::sync::Arc::<std::sync::Mutex<Vec<_>>>::default();
        let app = App::over(std::sync::Arc::new(Told {
            inner,
            seen: seen.clone(),
        }));
        let mut visitor = Visitor::new();
        for (read, clear) in [(false, false), (true, false), (false, false), (true, true)] {
            app.request(&mut visitor, async |s: Shopping| {
                if read {
                    s.visits().await?;
                }
                if clear {
                    s.clear()?;
                }
                s.visits().add(1)
            })
            .await
            .unwrap();
        }
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        let [None, Some(Some(one)), None, None] = &seen[..] else {
            panic!("{seen:?}")
        };
        assert_eq!(Value::from_stored(one).unwrap().1, Value::from(1_u64));
    })
    .await;
}
