//! A counter that is read while an addition to it is being stored.

use super::{
    ANSWERED, BY, FATES, OVERTAKEN, end, go_on,
    held::{At, Fate},
    over_every_scene, pairs, read,
};
use level_session::ErrorKind;

/// Prevents: an addition that a request sees twice, since it is in what the store answers already, while the handle does
/// not know yet that it is stored (F02).
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
        // What failed is wanted as before, and is added to what is there.
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

/// Prevents: the same, where the store was asked before the commit began.
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

/// Prevents: reads that wait for each commit, though it cannot change what they see.
#[tokio::test]
async fn other_fields_are_read_while_a_commit_is_under_way() {
    over_every_scene(&[()], async |scene, ()| {
        let session = scene.begin().await;
        session.visits().add(1).unwrap();
        session.theme().set("dark").unwrap();
        let (storing, held) = scene.commit(&session, At::Answer).await;
        let user = tokio::spawn({
            let session = session.clone();
            async move { (session.user_id().await, session.theme().await) }
        });
        let (user, theme) = end(user).await;
        assert_eq!(
            (user.unwrap(), theme.unwrap().as_str()),
            (Some(7), "dark"),
            "the commit is not over"
        );
        held.release();
        end(storing).await.unwrap();
    })
    .await;
}

/// Prevents: a counter shown with an addition that may be in it already, for ever, since the commit was dropped.
#[tokio::test]
async fn what_depends_on_a_commit_that_was_interrupted_is_not_known() {
    over_every_scene(&BY, async |scene, by| {
        let session = scene.begin().await;
        session.visits().add(1).unwrap();
        let (storing, held) = scene.commit(&session, At::Answer).await;
        let reading = tokio::spawn(read(session.clone(), by));
        go_on().await;
        storing.abort();
        go_on().await;
        drop(held);
        let error = end(reading).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store, "{by:?}");
        assert!(error.to_string().contains("interrupted"), "{error}");
        assert_eq!(session.user_id().await.unwrap(), Some(7), "it is not in it");
        let error = session.take::<u64>("user_id").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store, "nothing more is stored");
        let error = session.commit().await.unwrap_err();
        assert!(error.to_string().contains("interrupted"), "{error}");
    })
    .await;
}
