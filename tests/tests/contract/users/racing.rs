//! Requests that race with an end of all, and with a limit.

use super::*;
use level_session::{
    ErrorKind, Event, Found,
    store::{Cursor, Page, Result as Stored, StoreFuture, Timestamp, Wrapper},
};
use level_session_tests::over_every_store;
use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use tokio::{sync::Barrier, task::JoinSet};

/// A store that runs a closure once, after a page of a listing was read and before it is returned.
struct Between {
    inner: Shared,
    happens: Mutex<Option<Happening>>,
}

type Happening = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Wrapper for Between {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }

    fn wrap_find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<level_session::store::Found>> {
        StoreFuture::boxed(async move {
            let page: Stored<_> = self.inner.find(field, entry, after, limit, now).await;
            let happens = self.happens.lock().unwrap().take();
            if let Some(happens) = happens {
                happens.await;
            }
            page
        })
    }
}

/// Prevents: an attacker who stays signed in by renewing the session at the right moment, so that it is listed under neither
/// id (L08).
#[tokio::test]
async fn a_session_that_is_renewed_behind_the_listing_ends_as_well() {
    over_every_store(async |store| {
        for leaves_one in [false, true] {
            let between = Arc::new(Between {
                inner: store.clone(),
                happens: Mutex::new(None),
            });
            let app = App::over(between.clone());
            let mut visitors = Vec::new();
            for _ in 0..100 {
                visitors.push(sign_in(&app, 7).await);
            }
            // These stores list sessions in the order of their digests, within a home: the last one moves forward in its own.
            visitors.sort_by_key(|visitor| handle(&app, visitor));
            let last = visitors.pop().unwrap();
            let home = |visitor: &Visitor| store.home(handle(&app, visitor).digest());
            let neighbours = visitors.iter().filter(|other| home(other) == home(&last));
            let neighbours: Vec<_> = neighbours.map(|other| handle(&app, other)).collect();
            // Far enough to fall within the page that was read, but not so far that hitting it by chance takes long.
            let front = neighbours.get(neighbours.len() / 3).copied();
            let moved = Arc::new(Mutex::new(last));
            let (here, there) = (app.clone(), moved.clone());
            *between.happens.lock().unwrap() = Some(Box::pin(async move {
                let mut visitor = there.lock().unwrap().clone();
                loop {
                    here.request(&mut visitor, async |s: Shopping| s.renew())
                        .await
                        .unwrap();
                    if front.is_none_or(|front| handle(&here, &visitor) < front) {
                        break;
                    }
                }
                *there.lock().unwrap() = visitor;
            }));
            let (ended, left) = match leaves_one {
                false => (
                    app.sessions.end_all(Shop::USER_ID, &7).await.unwrap(),
                    vec![],
                ),
                true => {
                    let this = handle(&app, &visitors[50]);
                    let ended = app.sessions.end_all_but(&this, Shop::USER_ID, &7).await;
                    (ended.unwrap(), vec![this])
                }
            };
            assert!(between.happens.lock().unwrap().is_none(), "it has happened");
            assert_eq!(ended, 100 - left.len() as u64);
            assert_eq!(found(&app.sessions, 7).await, left);
            let mut moved = moved.lock().unwrap().clone();
            assert_eq!(user(&app, &mut moved).await, None);
            assert_eq!(app.sessions.count().await.unwrap(), left.len() as u64);
            app.sessions.end_all(Shop::USER_ID, &7).await.unwrap();
        }
    })
    .await;
}

/// Prevents: a session that outlives "sign out everywhere" because it was renewed, or signed in, at the same time (L08).
///
/// The last step of an end of all is a limit: if limits are not exact, a renewal may escape it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_sign_ins_and_renewals_against_an_end_of_all() {
    over_every_store(async |store| {
        let exact = store.abilities().exact_limits;
        let alive = Arc::new(AtomicU64::new(0));
        let count = alive.clone();
        let app = App::over(store).with(|sessions| {
            sessions.observer(move |event| {
                match event {
                    Event::Created { .. } => count.fetch_add(1, Ordering::SeqCst),
                    Event::Ended { .. } => count.fetch_sub(1, Ordering::SeqCst),
                    _ => 0,
                };
            })
        });
        for _ in 0..3 {
            let over = Arc::new(AtomicBool::new(false));
            let start = Arc::new(Barrier::new(64 + 16 + 1));
            let mut tasks = JoinSet::new();
            // Visitors who were signed in before and keep renewing.
            for _ in 0..16 {
                let mut visitor = sign_in(&app, 7).await;
                app.request(&mut visitor, async |s: Shopping| s.theme().set("before"))
                    .await
                    .unwrap();
                let (app, over, start) = (app.clone(), over.clone(), start.clone());
                tasks.spawn(async move {
                    start.wait().await;
                    while !over.load(Ordering::SeqCst) {
                        let renew = async |s: Shopping| {
                            s.user_id().await?;
                            s.renew()
                        };
                        match app.request(&mut visitor, renew).await {
                            Ok(()) => {}
                            Err(error) => assert_eq!(error.kind(), ErrorKind::Gone),
                        }
                        tokio::task::yield_now().await;
                    }
                });
            }
            for _ in 0..64 {
                let (app, start) = (app.clone(), start.clone());
                tasks.spawn(async move {
                    start.wait().await;
                    let mut visitor = sign_in(&app, 7).await;
                    let renew = async |s: Shopping| s.renew();
                    match app.request(&mut visitor, renew).await {
                        Ok(()) => {}
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Gone),
                    }
                });
            }
            start.wait().await;
            app.sessions.end_all(Shop::USER_ID, &7).await.unwrap();
            // The sessions that remain began later.
            let mut listing = app.sessions.find(Shop::USER_ID, &7).with(Shop::THEME);
            while let Some(page) = listing.next_page().await.unwrap() {
                for found in page.into_iter().filter(|_| exact) {
                    assert_eq!(
                        found.get(Shop::THEME).unwrap(),
                        None,
                        "{found:?} was there before"
                    );
                }
            }
            over.store(true, Ordering::SeqCst);
            while let Some(task) = tasks.join_next().await {
                task.unwrap();
            }
            let left: Vec<_> = found(&app.sessions, 7).await;
            let listed = left.len() as u64;
            assert_eq!(
                alive.load(Ordering::SeqCst),
                listed,
                "each end was reported once"
            );
            app.sessions.end_all(Shop::USER_ID, &7).await.unwrap();
            assert_eq!(alive.load(Ordering::SeqCst), 0);
            assert_eq!(found(&app.sessions, 7).await, []);
        }
    })
    .await;
}

/// Prevents: thirty-three sessions instead of three, because all of them counted before the others were stored (L09).
///
/// If limits are not exact, delayed sign-ins may exceed the limit until the next sign-in.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_sign_ins_against_a_limit() {
    over_every_store(async |store| {
        let most = Arc::new(AtomicU64::new(0));
        let exact = store.abilities().exact_limits;
        let app = App::over(store);
        let start = Arc::new(Barrier::new(64));
        let mut tasks = JoinSet::new();
        for number in 0..64_u32 {
            let (app, start, most) = (app.clone(), start.clone(), most.clone());
            tasks.spawn(async move {
                start.wait().await;
                let mut visitor = Visitor::new();
                let sign_in = async |s: Membership| {
                    s.user().set("ann")?;
                    if number.is_multiple_of(2) {
                        s.user().remove()?;
                        s.seat().set(1)?;
                    }
                    Ok(())
                };
                let signed_in = app.request(&mut visitor, sign_in).await;
                match &signed_in {
                    Ok(()) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Full),
                }
                if signed_in.is_ok() {
                    let renew = async |s: Membership| {
                        s.seat().await?;
                        s.renew()
                    };
                    match app.request(&mut visitor, renew).await {
                        Ok(()) => {}
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Gone),
                    }
                }
                let handles = |page: Option<Vec<Found>>| page.map_or(0, |page| page.len() as u64);
                let there = app
                    .sessions
                    .find(Member::USER, "ann")
                    .next_page()
                    .await
                    .unwrap();
                // A renewed session may be listed under both ids.
                most.fetch_max(handles(there), Ordering::SeqCst);
                signed_in.is_ok() && number.is_multiple_of(2)
            });
        }
        let mut seated = 0;
        while let Some(task) = tasks.join_next().await {
            seated += u64::from(task.unwrap());
        }
        if !exact {
            let mut visitor = Visitor::new();
            app.request(&mut visitor, async |s: Membership| s.user().set("ann"))
                .await
                .unwrap();
            let listing = app.sessions.find(Member::USER, "ann");
            assert_eq!(listing.count().await.unwrap(), 3);
            return;
        }
        assert_eq!(seated, 2, "two seats were given");
        assert_eq!(
            app.sessions.find(Member::SEAT, &1).count().await.unwrap(),
            2
        );
        assert_eq!(
            app.sessions
                .find(Member::USER, "ann")
                .count()
                .await
                .unwrap(),
            3
        );
        assert_eq!(app.sessions.count().await.unwrap(), 5);
        assert!(most.load(Ordering::SeqCst) <= 6, "{most:?}");
    })
    .await;
}
