//! Ending sessions from outside their own request.

use super::*;
use level_session::{EndReason, ErrorKind, Event};
use level_session_tests::{over_every_local_store, over_every_store};
use std::{sync::Mutex, time::Duration};

/// Prevents: a stolen phone that stays signed in, and a handle that ends another user's session (L08).
#[tokio::test]
async fn a_session_is_ended_by_its_handle() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut phone = sign_in(&app, 7).await;
        let mut laptop = sign_in(&app, 7).await;
        let mut stranger = sign_in(&app, 8).await;
        let phones = handle(&app, &phone);
        let (at_work, late): (Shopping, Shopping) = (app.begin(&phone), app.begin(&phone));
        assert!(at_work.is_live().await.unwrap());

        // `end_other` ends only sessions of the same user, and only from a signed-in session.
        let end = async |visitor: &mut Visitor, whose: SessionHandle| {
            let end = async |s: Shopping| s.end_other(Shop::USER_ID, &whose).await;
            app.request(visitor, end).await.unwrap()
        };
        assert!(!end(&mut stranger, phones).await, "another user");
        assert!(!end(&mut Visitor::new(), phones).await, "not signed in");
        assert!(
            !end(&mut laptop, handle(&app, &stranger)).await,
            "another user's session"
        );
        assert_eq!(user(&app, &mut phone.clone()).await, Some(7));
        assert!(end(&mut laptop, phones).await);
        assert!(!end(&mut laptop, phones).await, "once");
        at_work.theme().set("dark").unwrap();
        let error = app.finish(&at_work, &mut phone.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone, "in flight");
        assert_eq!(late.user_id().await.unwrap_err().kind(), ErrorKind::Gone);
        assert_eq!(user(&app, &mut phone).await, None, "and the next click");
        assert_eq!(user(&app, &mut laptop).await, Some(7));
        assert_eq!(found(&app.sessions, 7).await, [handle(&app, &laptop)]);

        // `Sessions::end` ends a session of any user; an ended or unknown one returns `false`.
        assert!(!app.sessions.end(&phones).await.unwrap(), "it has ended");
        let unknown: SessionHandle = "0".repeat(64).parse().unwrap();
        assert!(!app.sessions.end(&unknown).await.unwrap());
        let strangers = handle(&app, &stranger);
        assert!(app.sessions.end(&strangers).await.unwrap());
        assert_eq!(user(&app, &mut stranger).await, None);
        let error = app
            .request(&mut laptop, async |s: Shopping| {
                s.end_other(Shop::THEME, &phones).await
            })
            .await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Misuse);
    })
    .await;
}

/// Prevents: a handle that opens a session (S05, L08).
#[tokio::test]
async fn a_handle_is_no_cookie() {
    let app = App::new();
    let visitor = sign_in(&app, 7).await;
    let text = handle(&app, &visitor).to_string();
    let cookie = visitor.cookie().unwrap();
    assert!(!cookie.contains(&text[..8]) && !text.contains(&cookie[..8]));
    let (_, signature) = cookie.split_once('.').unwrap();
    for forged in [
        text.clone(),
        format!("{text}.{signature}"),
        format!("{}.{signature}", &text[..32]),
    ] {
        let mut visitor = Visitor::new();
        visitor.jar.insert("__Host-s".into(), forged);
        assert_eq!(user(&app, &mut visitor).await, None);
    }
}

/// Prevents: an end of all that leaves sessions of the user, or ends sessions of others (L08).
#[tokio::test]
async fn all_sessions_of_a_user_are_ended() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut of_7 = Vec::new();
        for _ in 0..70 {
            of_7.push(sign_in(&app, 7).await); // more than are ended concurrently
        }
        let mut other = sign_in(&app, 8).await;
        let mut left = of_7.pop().unwrap();
        let this = handle(&app, &left);
        let ended = app.sessions.end_all_but(&this, Shop::USER_ID, &7).await;
        assert_eq!(ended.unwrap(), 69);
        assert_eq!(found(&app.sessions, 7).await, [this]);
        assert_eq!(user(&app, &mut left).await, Some(7));
        assert_eq!(user(&app, &mut of_7[3]).await, None);
        let again = app.sessions.end_all_but(&this, Shop::USER_ID, &7).await;
        assert_eq!(again.unwrap(), 0);
        assert_eq!(app.sessions.end_all(Shop::USER_ID, &7).await.unwrap(), 1);
        assert_eq!(app.sessions.end_all(Shop::USER_ID, &7).await.unwrap(), 0);
        assert_eq!(user(&app, &mut left).await, None);
        assert_eq!(user(&app, &mut other).await, Some(8));
        assert_eq!(
            app.sessions.count().await.unwrap(),
            1,
            "nothing else is left behind"
        );
        // If the session to keep belongs to another user, all sessions of the user are ended.
        sign_in(&app, 7).await;
        let other = handle(&app, &other);
        assert_eq!(
            app.sessions
                .end_all_but(&other, Shop::USER_ID, &7)
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            app.sessions
                .end_all_but(&other, Shop::USER_ID, &8)
                .await
                .unwrap(),
            0
        );
    })
    .await;
}

/// Prevents: "sign out everywhere else" that also signs out this browser, because its request used the former id from before
/// a renewal (L07, L08).
#[tokio::test]
async fn this_session_is_left_also_where_it_came_by_its_former_id() {
    over_every_store(async |store| {
        let app = App::over(store).with(|s| s.renewal_grace(Duration::from_secs(60)));
        let mut this = sign_in(&app, 7).await;
        sign_in(&app, 7).await;
        let former = this.clone();
        app.request(&mut this, async |s: Shopping| s.renew())
            .await
            .unwrap();
        let session: Shopping = app.begin(&former);
        let handle_of_former = session.handle().unwrap();
        let ended = app
            .sessions
            .end_all_but(&handle_of_former, Shop::USER_ID, &7);
        assert_eq!(ended.await.unwrap(), 1);
        sign_in(&app, 7).await;
        session.end_others(Shop::USER_ID).await.unwrap();
        app.finish(&session, &mut former.clone()).await.unwrap();
        assert_eq!(found(&app.sessions, 7).await, [handle(&app, &this)]);
        assert_eq!(user(&app, &mut this).await, Some(7));
    })
    .await;
}

/// Prevents: an attacker who stays signed in after a change of the password, or sessions that end although the request failed
/// (ASVS 7.4.3).
#[tokio::test]
async fn the_others_end_in_the_commit_of_the_request_or_not_at_all() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut this = sign_in(&app, 7).await;
        let mut thief = sign_in(&app, 7).await;
        let mut stranger = sign_in(&app, 8).await;
        let change = async |s: Shopping| {
            s.renew()?;
            s.theme().set("changed")?;
            s.end_others(Shop::USER_ID).await
        };
        // A request that fails.
        let failed = app
            .request(&mut this, async |s: Shopping| {
                change(s.clone()).await?;
                assert_eq!(
                    user(&app, &mut thief.clone()).await,
                    Some(7),
                    "not before the commit"
                );
                s.get::<bool>("user_id").await
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(user(&app, &mut thief).await, Some(7));
        // A commit that fails.
        app.faults.fail_commits(true);
        assert!(app.request(&mut this.clone(), change).await.is_err());
        app.faults.fail_commits(false);
        assert_eq!(user(&app, &mut thief).await, Some(7));
        let theme = app.request(&mut this, async |s: Shopping| s.theme().await);
        assert_eq!(theme.await.unwrap(), "light");
        // A commit that succeeds.
        app.request(&mut this, change).await.unwrap();
        assert_eq!(user(&app, &mut thief).await, None);
        assert_eq!(user(&app, &mut stranger).await, Some(8));
        assert_eq!(found(&app.sessions, 7).await, [handle(&app, &this)]);
        assert_eq!(
            app.sessions
                .show(&handle(&app, &this))
                .await
                .unwrap()
                .unwrap()
                .fields()
                .len(),
            2
        );

        // At a sign-in, in the same request.
        let mut fresh = Visitor::new();
        app.request(&mut fresh, async |s: Shopping| {
            s.user_id().set(7)?;
            s.end_others(Shop::USER_ID).await
        })
        .await
        .unwrap();
        assert_eq!(user(&app, &mut this).await, None);
        assert_eq!(user(&app, &mut fresh).await, Some(7));

        // A visitor who is not signed in has no other sessions. A discarded request ends none.
        let other = sign_in(&app, 7).await;
        let nobody = async |s: Shopping| s.end_others(Shop::USER_ID).await;
        app.request(&mut Visitor::new(), nobody).await.unwrap();
        app.request(&mut fresh, async |s: Shopping| {
            s.theme().set("dark")?;
            s.end_others(Shop::USER_ID).await?;
            s.discard()?;
            assert_eq!(s.theme().await?, "light");
            s.visits().add(1)
        })
        .await
        .unwrap();
        assert_eq!(found(&app.sessions, 7).await.len(), 2);
        // A request that signs out ends no other session.
        app.request(&mut fresh, async |s: Shopping| {
            s.end_others(Shop::USER_ID).await?;
            s.clear()
        })
        .await
        .unwrap();
        assert_eq!(found(&app.sessions, 7).await, [handle(&app, &other)]);
        assert_eq!(user(&app, &mut fresh).await, None);
    })
    .await;
}

/// Prevents: a request that ends the sessions of the previous user of this browser.
#[tokio::test]
async fn the_others_of_a_user_who_has_changed_meanwhile_are_not_ended() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut this = sign_in(&app, 7).await;
        sign_in(&app, 7).await;
        let session: Shopping = app.begin(&this);
        session.end_others(Shop::USER_ID).await.unwrap();
        session.theme().set("dark").unwrap();
        app.request(&mut this, async |s: Shopping| s.user_id().set(8))
            .await
            .unwrap();
        let error = app.finish(&session, &mut this).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Contended, Some("user_id"))
        );
        assert_eq!(found(&app.sessions, 7).await.len(), 1);
        assert_eq!(user(&app, &mut this).await, Some(8));
        let theme = app.request(&mut this, async |s: Shopping| s.theme().await);
        assert_eq!(theme.await.unwrap(), "light", "or none of it");
    })
    .await;
}

/// Prevents: an audit log with the wrong reason for an end, or with an end that is reported twice (L13).
#[tokio::test]
async fn every_end_is_told_once_with_its_reason_and_time() {
    over_every_store(async |store| {
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let app = App::over(store).with(|sessions| {
            sessions.observer(move |event| {
                if let Event::Ended {
                    session,
                    reason,
                    at,
                    ..
                } = event
                {
                    seen.lock().unwrap().push((session, reason, at));
                }
            })
        });
        let told = || std::mem::take(&mut *events.lock().unwrap());
        let now = app.clock.now();
        let mut this = sign_in(&app, 7).await;
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(handle(&app, &sign_in(&app, 7).await));
        }
        let [a, b, c, d] = others[..] else { panic!() };
        app.request(&mut this, async |s: Shopping| {
            s.end_other(Shop::USER_ID, &a).await
        })
        .await
        .unwrap();
        assert_eq!(told(), [(a, EndReason::OtherSession, now)]);
        app.sessions.end(&b).await.unwrap();
        assert_eq!(told(), [(b, EndReason::Application, now)]);
        app.request(&mut this, async |s: Shopping| {
            s.end_others(Shop::USER_ID).await
        })
        .await
        .unwrap();
        let both = sorted(vec![c, d]);
        let mut ends = told();
        ends.sort_unstable_by_key(|(session, ..)| *session);
        let wanted: Vec<_> = both
            .into_iter()
            .map(|it| (it, EndReason::OtherSession, now))
            .collect();
        assert_eq!(ends, wanted);
        app.sleep(1);
        let later = app.clock.now();
        let ours = handle(&app, &this);
        app.sessions.end_all(Shop::USER_ID, &7).await.unwrap();
        assert_eq!(
            told(),
            [(ours, EndReason::Application, later)],
            "and of no one else"
        );
        let mut last = sign_in(&app, 7).await;
        let ours = handle(&app, &last);
        app.request(&mut last, async |s: Shopping| s.destroy())
            .await
            .unwrap();
        assert_eq!(told(), [(ours, EndReason::SignedOut, later)]);
    })
    .await;
}

/// Prevents: an audit log without the sessions that expired.
#[tokio::test]
async fn an_expired_session_is_told_once() {
    // A server removes expired sessions by its own clock, and Redis does not report them.
    over_every_local_store(async |store| {
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let app = App::over(store).with(|sessions| {
            sessions.observer(move |event| {
                if let Event::Ended {
                    session,
                    reason,
                    at,
                    ..
                } = event
                {
                    seen.lock().unwrap().push((session, reason, at));
                }
            })
        });
        let idle = handle(&app, &sign_in(&app, 7).await);
        app.sleep(14 * 24 * 3600);
        for _ in 0..2 {
            app.sessions.sweep().await.unwrap();
            let told = events.lock().unwrap().clone();
            assert_eq!(told, [(idle, EndReason::Expired, app.clock.now())]);
        }
    })
    .await;
}

/// Prevents: an open page that stays signed in after its session was ended from another device (L12).
#[tokio::test]
async fn an_open_connection_learns_of_an_end_from_outside() {
    over_every_store(async |store| {
        let app = App::over(store);
        for end in 0..3 {
            let mut phone = sign_in(&app, 7).await;
            let mut laptop = sign_in(&app, 7).await;
            let session: Shopping = app.begin(&phone);
            let connection = session.detach().unwrap();
            let phones = session.handle().unwrap();
            app.finish(&session, &mut phone).await.unwrap();
            let waiting = tokio::spawn(async move { connection.ended().await });
            app.until_waits(&waiting).await;
            match end {
                0 => drop(app.sessions.end(&phones).await.unwrap()),
                1 => drop(app.sessions.end_all(Shop::USER_ID, &7).await.unwrap()),
                _ => {
                    let end = async |s: Shopping| s.end_others(Shop::USER_ID).await;
                    app.request(&mut laptop, end).await.unwrap();
                }
            }
            let told = tokio::time::timeout(Duration::from_secs(60), waiting).await;
            told.expect("it is notified at once").unwrap().unwrap();
        }
    })
    .await;
}
