//! Listing sessions for a devices page.

use super::*;
use level_session::{ErrorKind, Expiry, Value};
use level_session_tests::over_every_store;
use std::time::Duration;

/// Prevents: a devices page that misses a session, or shows one of another user, or one that has ended (L08).
#[tokio::test]
async fn the_sessions_of_a_user_are_found_page_by_page() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut of_7 = Vec::new();
        for _ in 0..8 {
            of_7.push(sign_in(&app, 7).await);
            sign_in(&app, 8).await;
        }
        let handles = |of: &[Visitor]| sorted(of.iter().map(|v| handle(&app, v)).collect());
        assert_eq!(found(&app.sessions, 7).await, handles(&of_7));
        assert_eq!(found(&app.sessions, 9).await, []);
        assert_eq!(app.sessions.count().await.unwrap(), 16);
        let listing = app.sessions.find(Shop::USER_ID, &7);
        assert_eq!(listing.count().await.unwrap(), 8);

        // One signs out, one changes to another user, one is renewed.
        let mut gone = of_7.pop().unwrap();
        app.request(&mut gone, async |s: Shopping| s.destroy())
            .await
            .unwrap();
        let mut other = of_7.pop().unwrap();
        app.request(&mut other, async |s: Shopping| s.user_id().set(9))
            .await
            .unwrap();
        let before = handle(&app, &of_7[0]);
        app.request(&mut of_7[0], async |s: Shopping| s.renew())
            .await
            .unwrap();
        assert_ne!(
            handle(&app, &of_7[0]),
            before,
            "a handle lasts as long as the id"
        );
        assert_eq!(found(&app.sessions, 7).await, handles(&of_7));
        assert_eq!(found(&app.sessions, 9).await, [handle(&app, &other)]);

        // Expired sessions are not listed, including those that have expired only by the deployment's current timeouts.
        app.sleep(3600);
        let shorter = app
            .clone()
            .with_expiry(Expiry::idle(Duration::from_secs(60)));
        assert_eq!(found(&shorter.sessions, 7).await, []);
        assert_eq!(found(&app.sessions, 7).await.len(), 6);
        app.sleep(14 * 24 * 3600);
        assert_eq!(found(&app.sessions, 7).await, []);
        assert_eq!(app.sessions.count().await.unwrap(), 0);
        app.sessions.sweep().await.unwrap();
    })
    .await;
}

/// Prevents: wrong times, and fields that were read at different times (L08).
#[tokio::test]
async fn what_is_found_says_what_a_devices_page_shows() {
    over_every_store(async |store| {
        let expiry =
            Expiry::idle(Duration::from_secs(1_000)).with_absolute(Duration::from_secs(5_000));
        let app = App::over(store).with_expiry(expiry);
        let begin = app.clock.now();
        let mut visitor = sign_in(&app, 7).await;
        sign_in(&app, 7).await;
        app.sleep(100);
        app.request(&mut visitor, async |s: Shopping| {
            s.renew()?;
            s.theme().set("dark")?;
            s.set("device", "a phone")
        })
        .await
        .unwrap();
        app.sleep(50);
        app.request(&mut visitor, async |s: Shopping| s.theme().await)
            .await
            .unwrap();
        let session: Shopping = app.begin(&visitor);
        let mut listing = app
            .sessions
            .find(Shop::USER_ID, &7)
            .with(Shop::THEME)
            .with("device");
        let page = listing.next_page().await.unwrap().unwrap();
        assert_eq!(page.len(), 2);
        assert!(listing.next_page().await.unwrap().is_none());
        assert!(
            listing.next_page().await.unwrap().is_none(),
            "after the end, too"
        );
        let ours: Vec<_> = page
            .iter()
            .filter(|found| found.is_current(&session))
            .collect();
        let [ours] = ours[..] else {
            panic!("one is the current session")
        };
        let at = |seconds| begin.after(Duration::from_secs(seconds));
        assert_eq!(Some(ours.handle()), session.handle());
        assert_eq!(ours.created_at(), begin);
        assert_eq!(ours.signed_in_at(), at(100));
        assert_eq!(ours.last_seen(), at(150));
        assert_eq!(ours.expires_at(), at(1_150));
        assert_eq!(ours.absolute_deadline(), Some(at(5_100)));
        assert_eq!(ours.lifetime(), None);
        assert_eq!(ours.get(Shop::THEME).unwrap().as_deref(), Some("dark"));
        assert_eq!(
            ours.get::<String>("device").unwrap().as_deref(),
            Some("a phone")
        );
        assert_eq!(
            ours.get(Shop::USER_ID).unwrap(),
            Some(7),
            "it is read anyway"
        );
        let error = ours.get(Shop::VISITS).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        let error = ours.get::<u8>("device").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        let other = page
            .iter()
            .find(|found| !found.is_current(&session))
            .unwrap();
        assert_eq!(
            other.get(Shop::THEME).unwrap(),
            None,
            "nothing is stored there"
        );
        assert_eq!(other.last_seen(), begin);

        // Listing a session does not count as a use.
        app.sleep(1_000);
        assert_eq!(found(&app.sessions, 7).await, []);
    })
    .await;
}

/// Prevents: an index that supports only integers, or that requires the application's types.
#[tokio::test]
async fn sessions_are_found_by_texts_and_without_types() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        let long = "x".repeat(500);
        for name in ["ann", &long] {
            app.request(&mut visitor, async |s: Membership| s.user().set(name))
                .await
                .unwrap();
            let mut listing = app.sessions.find(Member::USER, name);
            let page = listing.next_page().await.unwrap().unwrap();
            assert_eq!(page[0].handle(), handle(&app, &visitor));
            let value = Value::from(name);
            let listing = app.sessions.find_by("member.user", &value);
            assert_eq!(listing.count().await.unwrap(), 1);
        }
        assert_eq!(
            app.sessions
                .find(Member::USER, "ann")
                .count()
                .await
                .unwrap(),
            0
        );

        let handle = handle(&app, &visitor);
        let shown = app.sessions.show(&handle).await.unwrap().unwrap();
        let fields = shown.fields();
        assert_eq!(fields.len(), 1);
        assert_eq!(fields["member.user"], Value::from(&*long));
        assert_eq!(shown.get::<String>("nothing").unwrap(), None);
        let mut all = app.sessions.all().with_all_fields();
        let page = all.next_page().await.unwrap().unwrap();
        assert_eq!(page[0].fields().into_map(), fields.into_map());
        assert!(app.sessions.end(&handle).await.unwrap());
        assert!(app.sessions.show(&handle).await.unwrap().is_none());
    })
    .await;
}

/// Prevents: invalid arguments that look like a user without sessions.
#[tokio::test]
async fn what_cannot_be_sought_is_an_error() {
    let app = App::new();
    let mut listing = app.sessions.find(Shop::THEME, "dark");
    let error = listing.next_page().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Misuse, Some("theme"))
    );
    assert!(listing.next_page().await.unwrap().is_none());
    let error = app.sessions.end_all(Shop::THEME, "dark").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    let error = app
        .sessions
        .find_by("user_id", &"x".repeat(2 << 20))
        .count()
        .await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Encode);
    sign_in(&app, 7).await;
    app.faults.fail_loads(true);
    let mut listing = app.sessions.find(Shop::USER_ID, &7);
    assert_eq!(
        listing.next_page().await.unwrap_err().kind(),
        ErrorKind::Store
    );
    app.faults.fail_loads(false);
    assert_eq!(
        listing.next_page().await.unwrap().unwrap().len(),
        1,
        "the same page once more"
    );
}

/// Prevents: a long list of sessions that cannot be paged through in several requests.
#[tokio::test]
async fn a_listing_goes_on_where_another_ended() {
    over_every_store(async |store| {
        let app = App::over(store);
        for _ in 0..7 {
            sign_in(&app, 7).await;
        }
        let mut handles = Vec::new();
        let mut cursor = None;
        loop {
            let mut listing = app.sessions.find(Shop::USER_ID, &7).page_size(2);
            if let Some(cursor) = cursor.take() {
                listing = listing.after(cursor);
            }
            let Some(page) = listing.next_page().await.unwrap() else {
                break;
            };
            handles.extend(page.iter().map(level_session::Found::handle));
            cursor = listing.cursor().cloned();
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(sorted(handles), found(&app.sessions, 7).await);
    })
    .await;
}
