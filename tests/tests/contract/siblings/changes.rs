//! Changes of one task while another one takes, updates or clears.

use super::{
    By, Shopping, end, go_on,
    held::{At, Fate},
    over_every_scene, pairs, read,
};
use http::HeaderMap;
use level_session::ErrorKind;

/// Prevents: an addition that is taken but also stays, because a sibling task made another addition.
#[tokio::test]
async fn what_a_sibling_adds_during_a_take_is_added_to_what_is_left() {
    over_every_scene(
        &["nothing", "added", "updated"],
        async |mut scene, changed| {
            let session = scene.begin().await;
            match changed {
                "added" => session.visits().add(1).unwrap(),
                "updated" => {
                    let update = |visits: &mut Option<u64>| *visits = visits.map(|n| n + 1);
                    session.update("visits", update).await.unwrap();
                }
                _ => {}
            }
            let mut held = scene.gates.commits.hold(At::Answer);
            let taking = tokio::spawn({
                let session = session.clone();
                async move { session.take::<u64>("visits").await }
            });
            held.reached().await;
            session.visits().add(2).unwrap();
            held.release();
            let taken = if changed == "nothing" { 5 } else { 6 };
            assert_eq!(end(taking).await.unwrap(), Some(taken), "{changed}");
            assert_eq!(session.visits().await.unwrap(), 2, "{changed}");
            scene
                .app
                .finish(&session, &mut scene.visitor)
                .await
                .unwrap();
            assert_eq!(scene.visits().await, 2, "{changed}");
        },
    )
    .await;
}

/// Prevents: an addition that is taken twice: from the store, and as a pending change.
#[tokio::test]
async fn a_take_while_a_sibling_stores_an_addition() {
    let variants = pairs(&[At::Call, At::Answer], &[true, false]);
    over_every_scene(&variants, async |mut scene, (at, read_before)| {
        let session = scene.begin().await;
        if read_before {
            session.visits().await.unwrap();
        }
        session.visits().add(1).unwrap();
        let (storing, held) = scene.commit(&session, at).await;
        let taking = tokio::spawn({
            let session = session.clone();
            async move { session.take::<u64>("visits").await }
        });
        go_on().await;
        held.release();
        end(storing).await.unwrap();
        assert_eq!(end(taking).await.unwrap(), Some(6), "{at:?}");
        assert_eq!(session.visits().await.unwrap(), 0, "{at:?}");
        let finished = scene.app.finish(&session, &mut scene.visitor).await;
        finished.unwrap();
        assert_eq!(scene.visits().await, 0, "{at:?}");
    })
    .await;
}

/// Prevents: an `update` that overwrites the change of another request, because a take of the field failed and a
/// sibling task made an addition (F02).
#[tokio::test]
async fn a_take_that_fails_leaves_an_update_and_what_a_sibling_added_to_it() {
    over_every_scene(&[true, false], async |mut scene, taken_in_the_end| {
        let session = scene.begin().await;
        let update = |visits: &mut Option<u64>| *visits = visits.map(|n| n * 2);
        session.update("visits", update).await.unwrap();
        if !taken_in_the_end {
            scene.gates.set(Fate::Failed);
        }
        let mut held = scene.gates.commits.hold(At::Call);
        let taking = tokio::spawn({
            let session = session.clone();
            async move { session.take::<u64>("visits").await }
        });
        held.reached().await;
        session.visits().add(2).unwrap();
        if taken_in_the_end {
            let mut other = scene.visitor.clone();
            let add = async |s: Shopping| s.visits().add(95);
            scene.app.request(&mut other, add).await.unwrap();
        }
        held.release();
        let taken = end(taking).await;
        scene.gates.set(Fate::Stored);
        let left = match taken_in_the_end {
            // Another request was faster, so the update ran again, with the addition.
            true => {
                assert_eq!(taken.unwrap(), Some(202));
                0
            }
            false => {
                assert_eq!(taken.unwrap_err().kind(), ErrorKind::Store);
                let mut other = scene.visitor.clone();
                let add = async |s: Shopping| s.visits().add(95);
                scene.app.request(&mut other, add).await.unwrap();
                202
            }
        };
        scene
            .app
            .finish(&session, &mut scene.visitor)
            .await
            .unwrap();
        assert_eq!(scene.visits().await, left);
    })
    .await;
}

/// Prevents: a change that a `clear` has dropped and that comes back, because a failed take had claimed it.
#[tokio::test]
async fn a_take_that_fails_brings_back_nothing_that_a_sibling_has_cleared() {
    over_every_scene(&[true, false], async |mut scene, adds_since| {
        let session = scene.begin().await;
        session.visits().await.unwrap();
        session.visits().add(10).unwrap();
        scene.gates.set(Fate::Failed);
        let mut held = scene.gates.commits.hold(At::Call);
        let taking = tokio::spawn({
            let session = session.clone();
            async move { session.take::<u64>("visits").await }
        });
        held.reached().await;
        session.clear().unwrap();
        if adds_since {
            session.visits().add(1).unwrap();
        }
        held.release();
        assert_eq!(end(taking).await.unwrap_err().kind(), ErrorKind::Store);
        scene.gates.set(Fate::Stored);
        let left = u64::from(adds_since);
        assert_eq!(session.visits().await.unwrap(), left);
        let finished = scene.app.finish(&session, &mut scene.visitor).await;
        finished.unwrap();
        assert_eq!(scene.visits().await, left);
    })
    .await;
}

/// Prevents: a field that a `clear` has removed and that comes back with an `update` that read before it.
#[tokio::test]
async fn an_update_during_which_a_sibling_clears_begins_with_nothing() {
    over_every_scene(&[true, false], async |mut scene, read_before| {
        let session = scene.begin().await;
        if read_before {
            session.visits().await.unwrap();
        } else {
            session.user_id().await.unwrap(); // after which a store may return the others
        }
        let sibling = session.clone();
        let mut clears = true;
        let update = move |visits: &mut Option<u64>| {
            if std::mem::take(&mut clears) {
                sibling.clear().unwrap();
            }
            *visits = Some(visits.unwrap_or(0) + 1);
        };
        session.update("visits", update).await.unwrap();
        assert_eq!(session.visits().await.unwrap(), 1);
        scene
            .app
            .finish(&session, &mut scene.visitor)
            .await
            .unwrap();
        assert_eq!(scene.visits().await, 1);
    })
    .await;
}

/// Prevents: writes without effect through the handle of a request that ended while a task's commit was in flight.
#[tokio::test]
async fn a_request_that_ends_while_a_task_of_it_stores_stays_over() {
    over_every_scene(
        &[Fate::Stored, Fate::Failed, Fate::Lost],
        async |scene, fate| {
            let session = scene.begin().await;
            session.visits().add(1).unwrap();
            scene.gates.set(fate);
            let (storing, held) = scene.commit(&session, At::Answer).await;
            let reading = tokio::spawn(read(session.clone(), By::Accessor));
            go_on().await;
            scene.app.sessions.abandon(&session, &mut HeaderMap::new());
            held.release();
            assert_eq!(end(storing).await.is_ok(), fate == Fate::Stored);
            // Reads still work, and show only stored values.
            let stored = if fate == Fate::Failed { 5 } else { 6 };
            assert_eq!(end(reading).await.unwrap(), stored, "{fate:?}");
            let error = session.set("late", 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Closed, "{fate:?}");
            assert_eq!(scene.visits().await, stored, "{fate:?}");
        },
    )
    .await;
}
