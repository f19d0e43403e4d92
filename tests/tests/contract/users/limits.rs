//! Limits on the number of sessions per user.

use super::*;
use level_session::{EndReason, ErrorKind, Event, WhenFull};
use level_session_tests::over_every_store;
use std::sync::Mutex;

async fn seat(app: &App, seat: u32) -> Result<Visitor, level_session::Error> {
    let mut visitor = Visitor::new();
    let sit = async |s: Membership| {
        s.seat().set(seat)?;
        s.note().set("seated")
    };
    app.request(&mut visitor, sit).await.map(|()| visitor)
}

/// Prevents: an account that more people share than the limit allows (L09).
#[tokio::test]
async fn a_sign_in_beyond_the_limit_is_refused() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut first = seat(&app, 1).await.unwrap();
        seat(&app, 1).await.unwrap();
        let refused = seat(&app, 1).await.unwrap_err();
        assert_eq!(
            (refused.kind(), refused.field()),
            (ErrorKind::Full, Some("member.seat"))
        );
        assert!(!refused.may_be_stored());
        seat(&app, 2).await.unwrap();
        assert_eq!(
            app.sessions.count().await.unwrap(),
            3,
            "a rejected commit stores nothing"
        );

        // A session that already has the value is never rejected; a further one is.
        let sit = async |s: Membership| {
            s.renew()?;
            s.seat().set(1)
        };
        app.request(&mut first, sit).await.unwrap();
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Membership| s.note().set("a guest"))
            .await
            .unwrap();
        let before = visitor.clone();
        let refused = app.request(&mut visitor, sit).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Full);
        assert_eq!(visitor, before, "no new id");

        // The handler can continue and explain the reason.
        app.request(&mut visitor, async |s: Membership| {
            s.note().set("seated")?;
            sit(s.clone()).await?;
            let refused = s.commit().await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Full);
            s.discard()?;
            assert_eq!(s.note().await?.as_deref(), Some("a guest"));
            assert_eq!(s.seat().await?, None);
            s.note().set("refused")
        })
        .await
        .unwrap();
        assert_eq!(visitor, before, "a renewal is discarded as well");
        // After one signs out, another can sign in.
        app.request(&mut first, async |s: Membership| s.destroy())
            .await
            .unwrap();
        app.request(&mut visitor, sit).await.unwrap();
        assert_eq!(
            app.sessions.find(Member::SEAT, &1).count().await.unwrap(),
            2
        );
    })
    .await;
}

/// Prevents: a sign-in that ends the wrong session, or none (L09).
#[tokio::test]
async fn a_sign_in_beyond_the_limit_ends_the_oldest() {
    over_every_store(async |store| {
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let app = App::over(store).with(|sessions| {
            sessions.observer(move |event| {
                if let Event::Ended {
                    session, reason, ..
                } = event
                {
                    seen.lock().unwrap().push((session, reason));
                }
            })
        });
        let sign_in = async || {
            app.sleep(1);
            let mut visitor = Visitor::new();
            let sign_in = async |s: Membership| s.user().set("ann");
            app.request(&mut visitor, sign_in).await.unwrap();
            visitor
        };
        let mut visitors = vec![sign_in().await, sign_in().await, sign_in().await];
        // The first signs in again: now the second is the oldest.
        app.sleep(1);
        let again = async |s: Membership| {
            s.renew()?;
            s.user().set("ann")
        };
        app.request(&mut visitors[0], again).await.unwrap();
        assert_eq!(*events.lock().unwrap(), []);
        let second = handle(&app, &visitors[1]);
        visitors.push(sign_in().await);
        assert_eq!(*events.lock().unwrap(), [(second, EndReason::Limit)]);
        let mut there = Vec::new();
        for visitor in &mut visitors {
            let user = app.request(visitor, async |s: Membership| s.user().await);
            there.push(user.await.unwrap().is_some());
        }
        assert_eq!(there, [true, false, true, true]);
    })
    .await;
}

/// Prevents: a limit that cannot be changed without a new release.
#[tokio::test]
async fn a_setting_replaces_the_declared_limit() {
    over_every_store(async |store| {
        let app = App::over(store);
        let none = app.clone().with(|s| s.limit(Member::SEAT, None));
        for _ in 0..5 {
            seat(&none, 1).await.unwrap();
        }
        assert_eq!(seat(&app, 1).await.unwrap_err().kind(), ErrorKind::Full);
        assert_eq!(
            app.sessions.count().await.unwrap(),
            5,
            "existing sessions stay"
        );
        let fewer = app.with(|s| s.limit(Member::SEAT, Some((2, WhenFull::EndOldest))));
        seat(&fewer, 1).await.unwrap();
        assert_eq!(fewer.sessions.count().await.unwrap(), 2);
        let refused = fewer
            .sessions
            .to_builder()
            .limit(Member::NOTE, None)
            .build();
        assert_eq!(refused.unwrap_err().setting(), "limit of `member.note`");
    })
    .await;
}

/// Prevents: a sign-out that is rejected for a minute because the sign-in that ended the session was a renewal of another
/// session (L16).
#[tokio::test]
async fn what_a_sign_in_elsewhere_has_ended_can_sign_out() {
    over_every_store(async |store| {
        let app = App::over(store).with(|s| s.limit(Member::SEAT, Some((1, WhenFull::EndOldest))));
        for password in [false, true] {
            let mut phone = seat(&app, 1).await.unwrap();
            let mut desk = Visitor::new();
            app.request(&mut desk, async |s: Membership| s.note().set("a guest"))
                .await
                .unwrap();
            let free = app.clone().with(|s| s.limit(Member::SEAT, None));
            let by = if password { &free } else { &app };
            let signs_in = by.request(&mut desk, async |s: Membership| {
                s.renew()?;
                s.seat().set(1)?;
                match password {
                    true => s.end_others(Member::SEAT).await,
                    false => Ok(()),
                }
            });
            signs_in.await.unwrap();
            let session: Membership = app.begin(&phone);
            session.destroy().unwrap();
            let answer = app.finish(&session, &mut phone).await.unwrap();
            let removal = answer["set-cookie"].to_str().unwrap();
            assert!(removal.contains("Max-Age=0"), "{removal}");
            app.request(&mut desk, async |s: Membership| s.destroy())
                .await
                .unwrap();
        }
    })
    .await;
}
