//! A counter that is read while an addition to it is being stored.

use super::{
    ANSWERED, BY, FATES, OVERTAKEN, end, go_on,
    held::{At, Fate},
    over_every_scene, pairs, poll_once, read,
};
use crate::Item;
use std::pin::pin;

/// Prevents: an addition that a request sees twice, because the store's result includes it while the handle still
/// considers it pending (F02).
#[tokio::test]
async fn a_counter_that_is_read_while_an_addition_to_it_is_stored() {
    let variants = pairs(&pairs(&BY, &FATES), &[At::Call, At::Answer]);
    over_every_scene(&variants, async |scene, ((by, fate), at)| {
        let session = scene.begin().await;
        session.visits().add(1).unwrap();
        scene.gates.set(fate);
        let (storing, held) = scene.commit(&session, at).await;
        let reading = tokio::spawn(read(session.clone(), by));
        go_on().await;
        held.release();
        assert_eq!(end(storing).await.is_ok(), fate == Fate::Stored);
        // A failed addition is pending again, and is added to the stored number.
        let visits = if fate == Fate::Lost { 7 } else { 6 };
        let what = format!("{by:?}, {fate:?}, held at its {at:?}");
        assert_eq!(end(reading).await.unwrap(), visits, "{what}");
        scene.gates.set(Fate::Stored);
        session.commit().await.unwrap();
        assert_eq!(session.visits().await.unwrap(), visits, "{what}");
        assert_eq!(scene.visits().await, visits, "{what}");
    })
    .await;
}

/// Prevents: the same, if the read was sent before the commit began.
#[tokio::test]
async fn a_counter_that_was_asked_for_before_an_addition_to_it_is_stored() {
    let ways = pairs(&OVERTAKEN, &FATES);
    let variants = pairs(&ways, &pairs(&[At::Call, At::Answer], &ANSWERED));
    over_every_scene(&variants, async |scene, ((by, fate), (at, answered))| {
        let session = scene.begin().await;
        session.visits().add(1).unwrap();
        let mut asked = scene.gates.loads.hold(at);
        let reading = tokio::spawn(read(session.clone(), by));
        asked.reached().await;
        scene.gates.set(fate);
        let (storing, held) = scene.commit(&session, At::Answer).await;
        answered.release(asked, held).await;
        assert_eq!(end(storing).await.is_ok(), fate == Fate::Stored);
        let visits = if fate == Fate::Lost { 7 } else { 6 };
        let what = format!("{by:?}, {fate:?}, held at its {at:?}, answered {answered:?}");
        assert_eq!(end(reading).await.unwrap(), visits, "{what}");
        scene.gates.set(Fate::Stored);
        session.commit().await.unwrap();
        assert_eq!(scene.visits().await, visits, "{what}");
    })
    .await;
}

/// Prevents: a request that hangs because the task that started a commit is no longer polled.
#[tokio::test]
async fn a_commit_that_is_held_blocks_nobody() {
    over_every_scene(&BY, async |scene, by| {
        let session = scene.begin().await;
        session.visits().add(1).unwrap();
        let held = scene.gates.commits.hold(At::Answer);
        let mut commit = pin!(session.commit());
        assert!(poll_once(&mut commit).await.is_none(), "the store waits");
        let reading = tokio::spawn(read(session.clone(), by));
        go_on().await;
        held.release();
        assert_eq!(end(reading).await.unwrap(), 6, "{by:?}");
        commit.await.unwrap();
        assert_eq!(scene.visits().await, 6, "{by:?}");
    })
    .await;
}

/// Prevents: a request that waits forever for its turn at a session, because the commit that has the turn is no longer
/// polled.
#[tokio::test]
async fn a_commit_that_is_held_keeps_no_other_request_from_its_turn() {
    over_every_scene(&[true, false], async |scene, dropped| {
        let add = |tag: &'static str| move |cart: &mut Vec<Item>| cart.push(Item(tag.into()));
        let session = scene.begin().await;
        session.cart().update(add("slow")).await.unwrap();
        let held = scene.gates.commits.hold(At::Call);
        let mut commit = Some(Box::pin(session.commit()));
        assert!(poll_once(commit.as_mut().unwrap()).await.is_none());
        if dropped {
            commit = None;
        }
        let other = scene.begin().await;
        other.cart().update(add("quick")).await.unwrap();
        let storing = tokio::spawn({
            let other = other.clone();
            async move { other.commit().await }
        });
        go_on().await;
        scene.app.sleep(1);
        end(storing).await.unwrap();
        held.release();
        match commit {
            Some(commit) => commit.await.unwrap(),
            None => session.commit().await.unwrap(),
        }
        let stored = scene.begin().await.cart().await.unwrap();
        assert_eq!(stored, [Item("quick".into()), Item("slow".into())]);
    })
    .await;
}

/// Prevents: a counter that permanently shows an addition twice, because its commit was dropped.
#[tokio::test]
async fn what_depends_on_a_commit_that_was_dropped_is_known_at_its_end() {
    over_every_scene(&pairs(&BY, &FATES), async |scene, (by, fate)| {
        let session = scene.begin().await;
        session.visits().add(1).unwrap();
        scene.gates.set(fate);
        let (storing, held) = scene.commit(&session, At::Answer).await;
        let reading = tokio::spawn(read(session.clone(), by));
        go_on().await;
        storing.abort();
        go_on().await;
        held.release();
        let visits = if fate == Fate::Lost { 7 } else { 6 };
        assert_eq!(end(reading).await.unwrap(), visits, "{by:?}, {fate:?}");
        scene.gates.set(Fate::Stored);
        let next = session.commit().await;
        match fate {
            Fate::Lost => assert!(next.unwrap_err().may_be_stored(), "{by:?}"),
            _ => next.unwrap(),
        }
        assert_eq!(scene.visits().await, 6, "{by:?}, {fate:?}");
    })
    .await;
}
