//! Promise 9: the server enforces expiry.

use crate::Shop;
use http::header::SET_COOKIE;
use level_session::{ErrorKind, Expiry, Refresh, Result, Session, store::testing::Call};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::time::Duration;

type Shopping = Session<Shop>;

const IDLE: Duration = Duration::from_secs(1_000);

async fn user(app: &App, visitor: &mut Visitor) -> Option<u64> {
    app.request(visitor, async |s: Shopping| s.user_id().await)
        .await
        .unwrap()
}

async fn sign_in(app: &App) -> Visitor {
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
        .await
        .unwrap();
    visitor
}

/// Prevents: a session that outlives its timeout because no sweep has run (L04).
#[tokio::test]
async fn the_idle_timeout_is_enforced_at_every_read_to_the_millisecond() {
    over_every_store(async |store| {
        let app = App::over(store).with_expiry(Expiry::idle(IDLE));
        let mut visitor = sign_in(&app).await;
        app.clock.advance(IDLE - Duration::from_millis(1));
        assert_eq!(
            user(&app, &mut visitor.clone()).await,
            Some(7),
            "the last millisecond, which refreshes"
        );
        app.clock.advance(IDLE);
        assert_eq!(user(&app, &mut visitor).await, None, "the first one after");
    })
    .await;
}

/// Prevents: a request that keeps reading a session that has ended, because the store returned all fields on the first
/// read (L04).
#[tokio::test]
async fn the_idle_timeout_is_enforced_at_every_read_of_one_request() {
    over_every_store(async |store| {
        let app = App::over(store).with_expiry(Expiry::idle(IDLE));
        let visitor = sign_in(&app).await;
        let session: Shopping = app.begin(&visitor);
        assert_eq!(session.user_id().await.unwrap(), Some(7));
        app.clock.advance(IDLE - Duration::from_millis(1));
        session.theme().await.unwrap();
        app.clock.advance(Duration::from_millis(1));
        let _ = app.faults.calls();
        let read = session.cart().await;
        if app.faults.calls().is_empty() {
            return; // the store has returned all fields, at a time at which the session was live
        }
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Gone);
    })
    .await;
}

#[tokio::test]
async fn use_keeps_a_session_alive_and_sends_the_cookie_again() {
    over_every_store(async |store| {
        let app = App::over(store).with_expiry(Expiry::idle(IDLE));
        let mut visitor = sign_in(&app).await;
        for _ in 0..5 {
            app.sleep(900);
            let session: Shopping = app.begin(&visitor);
            assert_eq!(session.user_id().await.unwrap(), Some(7));
            let response = app.finish(&session, &mut visitor).await.unwrap();
            let cookie = response[SET_COOKIE].to_str().unwrap();
            assert!(cookie.contains("Max-Age=1000"), "{cookie}");
        }
        app.sleep(1_000);
        assert_eq!(user(&app, &mut visitor).await, None);
    })
    .await;
}

/// Prevents: a write for every page view.
#[tokio::test]
async fn a_refresh_is_written_once_in_a_hundredth_of_the_timeout() -> Result<()> {
    let app = App::new().with_expiry(Expiry::idle(IDLE));
    let mut visitor = sign_in(&app).await;
    let _ = app.faults.calls();
    app.sleep(9);
    user(&app, &mut visitor).await;
    assert!(commits(&app).is_empty(), "too early");
    app.sleep(1);
    user(&app, &mut visitor).await;
    let refresh = commits(&app);
    assert!(
        matches!(&refresh[..], [Call::Commit { fields, .. }] if fields.is_empty()),
        "{refresh:?}"
    );
    user(&app, &mut visitor).await;
    assert!(commits(&app).is_empty(), "just done");
    app.request(&mut visitor, async |s: Shopping| s.touch())
        .await?;
    assert_eq!(commits(&app).len(), 1, "`touch` insists");

    let app = app.with_expiry(Expiry::idle(IDLE).with_refresh(Refresh::EveryRequest));
    app.clock.advance(Duration::from_millis(1));
    user(&app, &mut visitor).await;
    assert_eq!(commits(&app).len(), 1, "every request");
    Ok(())
}

fn commits(app: &App) -> Vec<Call> {
    app.faults
        .calls()
        .into_iter()
        .filter(|call| matches!(call, Call::Commit { .. }))
        .collect()
}

/// Prevents: a session that a polling page keeps alive forever (L05).
#[tokio::test]
async fn the_absolute_timeout_is_not_extended_by_activity_and_starts_anew_with_a_renewal() {
    over_every_store(async |store| {
        let app = App::over(store).with_expiry(Expiry::idle(IDLE).with_absolute(IDLE * 2));
        let mut visitor = sign_in(&app).await;
        for _ in 0..3 {
            app.sleep(600);
            assert_eq!(user(&app, &mut visitor).await, Some(7));
        }
        app.request(&mut visitor, async |s: Shopping| s.renew())
            .await
            .unwrap(); // re-authentication
        for _ in 0..3 {
            app.sleep(600);
            assert_eq!(user(&app, &mut visitor).await, Some(7));
        }
        app.clock.advance(Duration::from_millis(199_999));
        assert_eq!(user(&app, &mut visitor).await, Some(7));
        app.clock.advance(Duration::from_millis(1));
        assert_eq!(user(&app, &mut visitor).await, None);
    })
    .await;
}

/// Prevents: a stricter policy that applies only to new sessions.
#[tokio::test]
async fn a_timeout_that_was_shortened_holds_for_the_sessions_that_are_there() -> Result<()> {
    let app = App::new();
    let mut visitor = sign_in(&app).await;
    app.sleep(3_600);
    let app = app.with_expiry(Expiry::idle(IDLE));
    assert_eq!(user(&app, &mut visitor).await, None);
    Ok(())
}

/// Prevents: the same, for a request that is stored without a read of the session (L15).
#[tokio::test]
async fn a_timeout_that_was_shortened_holds_for_what_only_writes() {
    over_every_store(async |store| {
        for (absolute, renews) in [(false, false), (false, true), (true, false), (true, true)] {
            let app = App::over(store.clone());
            let mut visitor = sign_in(&app).await;
            app.sleep(3_600);
            let app = app.with_expiry(match absolute {
                true => Expiry::default().with_absolute(IDLE),
                false => Expiry::idle(IDLE),
            });
            let before = visitor.clone();
            app.request(&mut visitor, async |s: Shopping| {
                if renews {
                    s.renew()?;
                }
                s.theme().set("dark")
            })
            .await
            .unwrap();
            assert_ne!(visitor, before, "a new session");
            assert_eq!(user(&app, &mut visitor).await, None);
        }
    })
    .await;
}

/// Prevents: active users who are signed out an hour after a deployment, although its idle timeout is two weeks (L15).
#[tokio::test]
async fn a_timeout_that_was_lengthened_holds_from_the_next_use_on() {
    over_every_store(async |store| {
        for writes in [false, true] {
            let app =
                App::over(store.clone()).with_expiry(Expiry::idle(Duration::from_secs(3_600)));
            let mut visitor = sign_in(&app).await;
            app.sleep(60);
            let app = app.with_expiry(Expiry::default());
            for minute in (0..120).step_by(5) {
                app.sleep(300);
                let user = app
                    .request(&mut visitor, async |s: Shopping| {
                        if writes {
                            s.theme().set("dark")?;
                            s.commit().await?;
                        }
                        s.user_id().await
                    })
                    .await
                    .unwrap();
                assert_eq!(user, Some(7), "minute {minute}");
            }
        }
    })
    .await;
}

/// Prevents: a code that is valid after its deadline, because the request had read it before, or reads it by its key.
#[tokio::test]
async fn a_ttl_that_ends_within_a_request_ends() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = sign_in(&app).await;
        app.request(&mut visitor, async |s: Shopping| s.otp().set("1234"))
            .await
            .unwrap();
        let session: Shopping = app.begin(&visitor);
        app.sleep(599);
        let code = Some("1234".to_owned());
        assert_eq!(session.otp().await.unwrap(), code);
        assert_eq!(session.get::<String>("otp").await.unwrap(), code);
        assert!(session.get_all().await.unwrap().contains_key("otp"));
        app.sleep(1);
        assert_eq!(session.get::<String>("otp").await.unwrap(), None);
        assert_eq!(session.otp().await.unwrap(), None);
        assert!(!session.get_all().await.unwrap().contains_key("otp"));
        assert_eq!(session.load().await.unwrap().otp, None);
    })
    .await;
}

/// A value with a TTL expires before its session.
#[tokio::test]
async fn a_field_with_a_ttl_expires_by_itself() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = sign_in(&app).await;
        app.request(&mut visitor, async |s: Shopping| s.otp().set("1234"))
            .await
            .unwrap();
        app.sleep(599);
        let otp = app
            .request(&mut visitor, async |s: Shopping| s.otp().await)
            .await
            .unwrap();
        assert_eq!(otp.as_deref(), Some("1234"));
        app.sleep(1);
        app.request(&mut visitor, async |s: Shopping| {
            assert_eq!(s.otp().await?, None);
            assert_eq!(s.otp().take().await?, None);
            assert_eq!(s.get::<String>("otp").await?, None);
            assert!(!s.get_all().await?.contains_key("otp"));
            assert_eq!(s.load().await?.otp, None);
            assert_eq!(s.user_id().await?, Some(7));
            Ok(())
        })
        .await
        .unwrap();
    })
    .await;
}
