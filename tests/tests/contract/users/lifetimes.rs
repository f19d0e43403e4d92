//! The lifetime of a single session.

use super::*;
use level_session::{CookieConfig, ErrorKind, Expiry, Lifetime, Result};
use level_session_tests::over_every_store;
use std::time::Duration;

const DAY: u64 = 24 * 3600;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Sends a request of this visitor, and returns the cookie of the response.
async fn cookie(
    app: &App,
    visitor: &mut Visitor,
    handler: impl AsyncFnOnce(Shopping) -> Result<()>,
) -> String {
    let session: Shopping = app.begin(visitor);
    handler(session.clone()).await.unwrap();
    let headers = app.finish(&session, visitor).await.unwrap();
    headers
        .get("set-cookie")
        .map(|header| header.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

/// Prevents: "remember me" that is lost at the next renewal, or when the browser is closed (L15).
#[tokio::test]
async fn a_chosen_lifetime_holds_through_renewals() {
    over_every_store(async |store| {
        let half_an_hour = Expiry::idle(seconds(1_800)).with_absolute(seconds(DAY));
        let app = App::over(store).with_expiry(half_an_hour);
        let mut visitor = Visitor::new();
        let remember = Expiry::idle(seconds(30 * DAY)).with_absolute(seconds(90 * DAY));
        let set = cookie(&app, &mut visitor, async |s| {
            s.set_lifetime(remember)?;
            s.user_id().set(7)
        });
        assert!(set.await.ends_with("; Max-Age=2592000"));
        let ends = async |visitor: &mut Visitor| {
            app.request(visitor, async |s: Shopping| s.expires_at().await)
                .await
                .unwrap()
                .unwrap()
        };
        let mut now = app.clock.now();
        assert_eq!(ends(&mut visitor).await, now.after(seconds(30 * DAY)));
        let mut listing = app.sessions.find(Shop::USER_ID, &7);
        let found = listing.next_page().await.unwrap().unwrap();
        assert_eq!(found[0].lifetime(), Some(Lifetime::from(remember)));
        assert_eq!(
            found[0].absolute_deadline(),
            Some(now.after(seconds(90 * DAY)))
        );

        // Through a renewal in a request that has read the session, and in one that has not.
        for looks in [true, false] {
            app.sleep(29 * DAY);
            now = app.clock.now();
            let set = cookie(&app, &mut visitor, async |s| {
                if looks {
                    s.user_id().await?;
                }
                s.renew()
            });
            assert!(set.await.ends_with("; Max-Age=2592000"), "{looks}");
            assert_eq!(ends(&mut visitor).await, now.after(seconds(30 * DAY)));
        }
        // A use extends the session, and the choice can be undone.
        app.sleep(20 * DAY);
        let used = cookie(&app, &mut visitor, async |s| s.theme().await.map(drop)).await;
        assert!(used.ends_with("; Max-Age=2592000"), "{used}");
        now = app.clock.now();
        let back = cookie(&app, &mut visitor, async |s| s.set_lifetime(None)).await;
        assert!(back.ends_with("; Max-Age=1800"), "{back}");
        assert_eq!(ends(&mut visitor).await, now.after(seconds(1_800)));
        app.sleep(1_800);
        assert_eq!(user(&app, &mut visitor).await, None);
    })
    .await;
}

/// Prevents: a short session that expires despite being used, because uses are stored at the granularity of the deployment's
/// long timeout (L15).
#[tokio::test]
async fn a_short_lifetime_is_extended_by_use() {
    over_every_store(async |store| {
        let app = App::over(store); // two weeks, of which 1 % is three hours
        for writes in [false, true] {
            let mut visitor = Visitor::new();
            let public = Lifetime::from(Expiry::idle(seconds(900))).with_transient(true);
            let set = cookie(&app, &mut visitor, async |s| {
                s.set_lifetime(public)?;
                s.user_id().set(7)
            });
            let set = set.await;
            assert!(!set.contains("Max-Age") && !set.is_empty(), "{set}");
            for _ in 0..10 {
                app.sleep(600);
                let used = cookie(&app, &mut visitor, async |s| match writes {
                    false => s.theme().await.map(drop),
                    true => s.visits().add(1), // committed without reading the session first
                });
                let used = used.await;
                assert!(!used.contains("Max-Age"), "{used}");
            }
            assert_eq!(user(&app, &mut visitor).await, Some(7));
            app.sleep(900);
            assert_eq!(user(&app, &mut visitor).await, None, "to the second");
        }
    })
    .await;
}

/// Prevents: a cookie that outlives the browser without being asked to, and one that does not although it should (C10).
#[tokio::test]
async fn what_was_chosen_goes_before_the_cookie_s_settings() {
    let forgotten = CookieConfig::builder().browser_session().build().unwrap();
    let app = App::new().with(|s| s.cookie(forgotten));
    let mut visitor = Visitor::new();
    let plain = cookie(&app, &mut visitor, async |s| s.user_id().set(7)).await;
    assert!(!plain.contains("Max-Age"), "{plain}");
    let chosen = Expiry::idle(seconds(DAY));
    let chosen = cookie(&app, &mut visitor, async |s| s.set_lifetime(chosen)).await;
    assert!(chosen.ends_with("; Max-Age=86400"), "{chosen}");
}

/// Prevents: a chosen lifetime that changes of the deployment's timeouts override (L15).
#[tokio::test]
async fn settings_that_change_leave_what_was_chosen_and_a_new_choice_holds_at_once() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        let choose = async |visitor: &mut Visitor, idle: u64| {
            let choose = async |s: Shopping| s.set_lifetime(Expiry::idle(seconds(idle)));
            app.request(visitor, choose).await.unwrap();
        };
        app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
            .await
            .unwrap();
        choose(&mut visitor, 10 * DAY).await;
        let shorter = app.clone().with_expiry(Expiry::idle(seconds(60)));
        app.sleep(5 * DAY);
        assert_eq!(user(&shorter, &mut visitor).await, Some(7));
        choose(&mut visitor, 100).await;
        app.sleep(99);
        assert_eq!(user(&app, &mut visitor).await, Some(7));
        app.sleep(100);
        assert_eq!(user(&app, &mut visitor).await, None);
        // Sessions without a chosen lifetime follow the settings.
        let mut other = sign_in(&app, 7).await;
        app.sleep(60);
        assert_eq!(user(&shorter, &mut other).await, None);
    })
    .await;
}

/// Prevents: "remember me" that outlives the operator's current maximum, on any store (L15).
#[tokio::test]
async fn a_shorter_longest_lifetime_holds_at_once() {
    over_every_store(async |store| {
        let long = App::over(store).with(|s| s.max_lifetime(Expiry::idle(seconds(60 * DAY))));
        let short = long
            .clone()
            .with(|s| s.max_lifetime(Expiry::idle(seconds(DAY))));
        let remember = async |s: Shopping| {
            s.set_lifetime(Expiry::idle(seconds(30 * DAY)))?;
            s.user_id().set(7)
        };
        for writes in [false, true] {
            let mut visitor = Visitor::new();
            long.request(&mut visitor, remember).await.unwrap();
            let began = long.clock.now();
            let mut listing = short.sessions.find(Shop::USER_ID, &7);
            let found = listing.next_page().await.unwrap().unwrap();
            assert_eq!(found[0].expires_at(), began.after(seconds(DAY)));
            let mut there = visitor.clone();
            let until = short.request(&mut there, async |s: Shopping| s.expires_at().await);
            assert_eq!(until.await.unwrap(), Some(began.after(seconds(DAY))));
            // This use has stored the shorter deadline; the next use in the other application replaces it.
            assert_eq!(user(&long, &mut there).await, Some(7));
            long.sleep(DAY);
            let mut there = visitor.clone();
            // A commit without a preceding read does not revive the session.
            let revived = short.request(&mut visitor, async |s: Shopping| match writes {
                false => s.user_id().await,
                true => {
                    s.visits().add(1)?;
                    s.commit().await?;
                    s.user_id().await
                }
            });
            assert_eq!(revived.await.unwrap(), None, "writes: {writes}");
            assert_eq!(
                user(&long, &mut there).await,
                Some(7),
                "a longer maximum applies"
            );
            assert_eq!(short.sessions.end_all(Shop::USER_ID, &7).await.unwrap(), 1);
        }
    })
    .await;
}

/// Prevents: "remember me" that stays short after the operator has raised the maximum, and a renewal that exceeds the maximum,
/// on any store (L15).
#[tokio::test]
async fn a_longer_longest_lifetime_holds_from_the_next_use_on() {
    over_every_store(async |store| {
        let month = Expiry::idle(seconds(30 * DAY)).with_absolute(seconds(90 * DAY));
        let app = App::over(store).with(|s| s.max_lifetime(Expiry::idle(seconds(DAY))));
        let longer = app.clone().with(|s| s.max_lifetime(month));
        let expires = async |app: &App, visitor: &mut Visitor| {
            let at = app.request(visitor, async |s: Shopping| s.expires_at().await);
            at.await.unwrap().unwrap()
        };
        let week = Lifetime::from(Expiry::idle(seconds(7 * DAY)));
        for (chosen, then) in [(Lifetime::longest(), 30 * DAY), (week, 7 * DAY)] {
            for writes in [false, true] {
                let mut visitor = Visitor::new();
                let set = cookie(&app, &mut visitor, async |s| {
                    s.set_lifetime(chosen)?;
                    s.user_id().set(7)
                });
                let set = set.await;
                assert!(set.ends_with("; Max-Age=86400"), "{set}");
                let now = app.clock.now();
                assert_eq!(expires(&app, &mut visitor).await, now.after(seconds(DAY)));
                app.sleep(60);
                let now = app.clock.now();
                let set = cookie(&longer, &mut visitor, async |s| match writes {
                    false => s.theme().await.map(drop),
                    true => s.visits().add(1),
                });
                let set = set.await;
                assert!(set.ends_with(&format!("; Max-Age={then}")), "{set}");
                let until = expires(&longer, &mut visitor).await;
                assert_eq!(until, now.after(seconds(then)));
                // A renewal keeps the choice, capped at the maximum of the application that renews.
                for (app, lasts) in [(&app, DAY), (&longer, then), (&app, DAY)] {
                    let renewed = cookie(app, &mut visitor, async |s| s.renew()).await;
                    assert!(
                        renewed.ends_with(&format!("; Max-Age={lasts}")),
                        "{renewed}"
                    );
                    let now = app.clock.now();
                    assert_eq!(expires(app, &mut visitor).await, now.after(seconds(lasts)));
                }
                app.sleep(DAY);
                assert_eq!(user(&app, &mut visitor).await, None, "to the second");
            }
        }
    })
    .await;
}

/// Prevents: a session that never expires because a setting is missing.
#[tokio::test]
async fn a_lifetime_without_end_is_refused() {
    let app = App::new();
    let session: Shopping = app.begin(&Visitor::new());
    let refused = session.set_lifetime(Lifetime::longest()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misuse);
    assert!(refused.to_string().contains("max_lifetime"), "{refused}");
    let bounded = app.with(|s| s.max_lifetime(Expiry::nist_aal1()));
    let session: Shopping = bounded.begin(&Visitor::new());
    session.set_lifetime(Lifetime::longest()).unwrap();
}

#[tokio::test]
async fn a_detached_handle_chooses_nothing() {
    let app = App::new();
    let visitor = sign_in(&app, 7).await;
    let session: Shopping = app.begin(&visitor);
    let detached = session.detach().unwrap();
    let refused = detached.set_lifetime(Expiry::default()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misuse);
}
