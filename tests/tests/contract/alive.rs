//! Promise 6: ended sessions stay ended.

use crate::{Item, Shop};
use level_session::{ErrorKind, Expiry, Result, Session};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::time::Duration;

type Shopping = Session<Shop>;

/// How a slow request uses its session before another request ends it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Slow {
    WroteBlindly,
    Read,
    Updated,
    Counted,
    OnlyBegan,
}

pub(crate) const SLOW: [Slow; 5] = [
    Slow::WroteBlindly,
    Slow::Read,
    Slow::Updated,
    Slow::Counted,
    Slow::OnlyBegan,
];

pub(crate) async fn begin_slowly(app: &App, visitor: &Visitor, slow: Slow) -> Result<Shopping> {
    let session: Shopping = app.begin(visitor);
    match slow {
        Slow::WroteBlindly => session.theme().set("dark")?,
        Slow::Read => drop(session.user_id().await?),
        Slow::Updated => {
            session
                .cart()
                .update(|cart| cart.push(Item("tea".into())))
                .await?;
        }
        Slow::Counted => session.visits().add(1)?,
        Slow::OnlyBegan => {}
    }
    Ok(session)
}

pub(crate) async fn sign_in(app: &App) -> Visitor {
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
        .await
        .unwrap();
    visitor
}

/// The outcome of the slow request: `Gone`, no cookie, and nothing in the store.
pub(crate) async fn must_be_gone(app: &App, session: &Shopping, slow: Slow) {
    let mut visitor = Visitor::new();
    if slow == Slow::OnlyBegan {
        assert_eq!(session.theme().await.unwrap_err().kind(), ErrorKind::Gone);
        assert_eq!(
            session.theme().set("x").unwrap_err().kind(),
            ErrorKind::Gone
        );
    }
    if slow == Slow::Read {
        session.theme().set("dark").unwrap();
    }
    let error = app.finish(session, &mut visitor).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone, "{slow:?}");
    assert_eq!(visitor, Visitor::new(), "{slow:?}: no cookie of any kind");
}

/// Prevents: a logout that a slow request undoes, field by field or under a new id (L03).
#[tokio::test]
async fn logout_against_a_slow_writer() {
    for slow in SLOW {
        over_every_store(async |store| {
            let app = App::over(store);
            let mut visitor = sign_in(&app).await;
            let old = visitor.clone();
            let session = begin_slowly(&app, &visitor, slow).await.unwrap();
            app.request(&mut visitor, async |s: Shopping| s.destroy())
                .await
                .unwrap();
            assert_eq!(visitor.cookie(), None, "the cookie is removed");
            must_be_gone(&app, &session, slow).await;
            must_be_a_stranger(&app, old).await;
        })
        .await;
    }
}

/// A request with the id of an ended session is a new visitor's, and gets a new id with its first write.
pub(crate) async fn must_be_a_stranger(app: &App, mut visitor: Visitor) {
    let old = visitor.cookie().unwrap().to_owned();
    app.request(&mut visitor, async |s: Shopping| {
        assert!(!s.is_live().await?);
        assert_eq!(s.load().await?, Shop::fresh());
        assert!(s.get_all().await?.is_empty());
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(
        visitor.cookie(),
        Some(old.as_str()),
        "reading gives no cookie"
    );
    app.request(&mut visitor, async |s: Shopping| s.visits().add(1))
        .await
        .unwrap();
    assert_ne!(
        visitor.cookie(),
        Some(old.as_str()),
        "a dead id is never adopted"
    );
}

impl Shop {
    fn fresh() -> Self {
        Self {
            user_id: None,
            cart: Vec::new(),
            visits: 0,
            lives: 10,
            notice: None,
            otp: None,
            theme: "light".into(),
        }
    }
}

/// Prevents: an id known to an attacker that still works after the sign-in, through a request in flight (L01).
#[tokio::test]
async fn renew_against_a_slow_writer_on_the_old_id() {
    for slow in SLOW {
        over_every_store(async |store| {
            let app = App::over(store);
            let mut visitor = sign_in(&app).await;
            let old = visitor.clone();
            let session = begin_slowly(&app, &visitor, slow).await.unwrap();
            app.request(&mut visitor, async |s: Shopping| {
                s.renew()?;
                s.user_id().set(8)
            })
            .await
            .unwrap();
            assert_ne!(visitor, old);
            must_be_gone(&app, &session, slow).await;
            must_be_a_stranger(&app, old).await;
            app.request(&mut visitor, async |s: Shopping| {
                assert_eq!(s.user_id().await?, Some(8), "the data moved");
                assert_eq!(
                    (s.theme().await?.as_str(), s.visits().await?),
                    ("light", 0),
                    "and nothing else came"
                );
                Ok(())
            })
            .await
            .unwrap();
        })
        .await;
    }
}

/// Prevents: a logout that reports success while the session lives on under another id.
#[tokio::test]
async fn destroy_against_renew() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = sign_in(&app).await;
        let (renewing, destroying): (Shopping, Shopping) =
            (app.begin(&visitor), app.begin(&visitor));
        destroying.destroy().unwrap();
        renewing.renew().unwrap();
        app.finish(&renewing, &mut visitor).await.unwrap();
        let error = app
            .finish(&destroying, &mut visitor.clone())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone);
        assert!(
            app.request(&mut visitor, async |s: Shopping| s.is_live().await)
                .await
                .unwrap()
        );
    })
    .await;
}

/// Prevents: two sessions from one, or one session shared under two ids.
#[tokio::test]
async fn two_tabs_signing_in() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = sign_in(&app).await;
        let tabs: [Shopping; 2] = [app.begin(&visitor), app.begin(&visitor)];
        for (user, tab) in tabs.iter().enumerate() {
            tab.renew().unwrap();
            tab.user_id().set(user as u64).unwrap();
        }
        app.finish(&tabs[0], &mut visitor).await.unwrap();
        let error = app.finish(&tabs[1], &mut visitor).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone);
        let user = app
            .request(&mut visitor, async |s: Shopping| s.user_id().await)
            .await
            .unwrap();
        assert_eq!(user, Some(0));
    })
    .await;
}

/// Prevents: an expired session that a late request revives.
#[tokio::test]
async fn an_expired_session_touched_by_a_late_request() {
    for slow in SLOW {
        over_every_store(async |store| {
            let app = App::over(store).with_expiry(Expiry::idle(Duration::from_secs(60)));
            let visitor = sign_in(&app).await;
            let session = begin_slowly(&app, &visitor, slow).await.unwrap();
            app.sleep(60);
            let result = app.finish(&session, &mut Visitor::new()).await;
            match slow {
                // The session had expired before this request, so it is a new visitor's.
                Slow::WroteBlindly | Slow::Counted | Slow::OnlyBegan => result.map(drop).unwrap(),
                Slow::Updated => assert_eq!(result.unwrap_err().kind(), ErrorKind::Gone),
                Slow::Read => result.map(drop).unwrap(), // it wrote nothing
            }
            must_be_a_stranger(&app, visitor).await;
        })
        .await;
    }
}

/// Prevents: session fixation, and records created by arbitrary requests (S03).
#[tokio::test]
async fn an_id_that_never_lived_here_just_means_a_new_visitor() -> Result<()> {
    let (app, elsewhere) = (App::new(), App::new());
    let visitor = sign_in(&elsewhere).await; // the same key, another store
    must_be_a_stranger(&app, visitor).await;
    Ok(())
}

/// Prevents: one visitor who gets another's session because the generator repeats itself (S07).
#[tokio::test]
async fn an_id_generator_that_repeats_itself() {
    over_every_store(async |store| {
        let next = std::sync::atomic::AtomicU8::new(0);
        // 1, 1, 1, 1, 2, 2, 2, 2, ...
        let source =
            move || Ok([1 + next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) / 4; 24]);
        let app = App::over(store).with(|sessions| sessions.id_source(source));
        let (mut a, mut b) = (Visitor::new(), Visitor::new());
        app.request(&mut a, async |s: Shopping| s.user_id().set(1))
            .await
            .unwrap();
        app.request(&mut b, async |s: Shopping| s.user_id().set(2))
            .await
            .unwrap();
        assert_ne!(a, b);
        app.request(&mut b, async |s: Shopping| s.renew())
            .await
            .unwrap();
        for (visitor, user) in [(&mut a, 1), (&mut b, 2)] {
            let seen = app
                .request(visitor, async |s: Shopping| s.user_id().await)
                .await
                .unwrap();
            assert_eq!(seen, Some(user));
        }
        // Ids of destroyed sessions are not reused either.
        app.request(&mut b, async |s: Shopping| s.destroy())
            .await
            .unwrap();
        let app = app.with(|sessions| sessions.id_source(|| Ok([1; 24])));
        let error = app
            .request(&mut b, async |s: Shopping| s.user_id().set(3))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contended);
        assert!(error.to_string().contains("generator"), "{error}");
        assert_eq!(
            app.request(&mut a, async |s: Shopping| s.user_id().await)
                .await
                .unwrap(),
            Some(1)
        );
    })
    .await;
}

/// A notice after signing out begins a new session, in the commit that ends the old one.
#[tokio::test]
async fn what_is_written_after_a_destroy_begins_a_new_session() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = sign_in(&app).await;
        let old = visitor.clone();
        app.request(&mut visitor, async |s: Shopping| {
            s.theme().set("dark")?;
            s.destroy()?;
            assert_eq!(
                (s.user_id().await?, s.theme().await?.as_str()),
                (None, "light")
            );
            s.notice().set("You are signed out")
        })
        .await
        .unwrap();
        app.request(&mut visitor, async |s: Shopping| {
            let mut expected = Shop::fresh();
            expected.notice = Some("You are signed out".into());
            assert_eq!(s.load().await?, expected);
            Ok(())
        })
        .await
        .unwrap();
        must_be_a_stranger(&app, old).await;
    })
    .await;
}

/// A sign-in without the data of the former visitor (L02).
#[tokio::test]
async fn clear_and_renew_keep_nothing_of_the_former_user() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = sign_in(&app).await;
        app.request(&mut visitor, async |s: Shopping| {
            s.clear()?;
            s.renew()?;
            s.theme().set("dark")
        })
        .await
        .unwrap();
        let data = app
            .request(&mut visitor, async |s: Shopping| s.load().await)
            .await
            .unwrap();
        assert_eq!(
            data,
            Shop {
                theme: "dark".into(),
                ..Shop::fresh()
            }
        );
    })
    .await;
}
