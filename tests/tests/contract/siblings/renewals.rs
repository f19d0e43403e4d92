//! A session that is read while it is renewed or ends.

use super::{
    ANSWERED, BY, FATES, OVERTAKEN, Shopping, end, go_on,
    held::{At, Fate},
    over_every_scene, pairs, read,
};
use level_session::ErrorKind;
use level_session_tests::visitor::Visitor;
use std::time::Duration;

/// Prevents: a request that is told that its session has ended, although it has renewed the session itself (L07).
#[tokio::test]
async fn a_read_under_the_id_that_a_sibling_renews() {
    let variants = pairs(&OVERTAKEN, &pairs(&[At::Call, At::Answer], &ANSWERED));
    over_every_scene(&variants, async |scene, (by, (at, answered))| {
        let session = scene.begin().await;
        session.renew().unwrap();
        let mut asked = scene.gates.loads.hold(at);
        let reading = tokio::spawn(read(session.clone(), by));
        asked.reached().await;
        let (storing, held) = scene.commit(&session, At::Answer).await;
        answered.release(asked, held).await;
        end(storing).await.unwrap();
        let what = format!("{by:?}, held at its {at:?}, answered {answered:?}");
        assert_eq!(end(reading).await.unwrap(), 5, "{what}");
    })
    .await;
}

/// Prevents: the same, if the read begins during the renewal.
#[tokio::test]
async fn a_read_that_begins_while_a_sibling_renews() {
    over_every_scene(&pairs(&BY, &FATES), async |scene, (by, fate)| {
        let session = scene.begin().await;
        session.renew().unwrap();
        scene.gates.set(fate);
        let (storing, held) = scene.commit(&session, At::Answer).await;
        let reading = tokio::spawn(read(session.clone(), by));
        go_on().await;
        held.release();
        assert_eq!(end(storing).await.is_ok(), fate == Fate::Stored);
        let read = end(reading).await.map_err(|error| error.kind());
        // If the result was lost, the session has ended as far as the request knows.
        let wanted = match fate {
            Fate::Lost => Err(ErrorKind::Gone),
            Fate::Stored | Fate::Failed => Ok(5),
        };
        assert_eq!(read, wanted, "{by:?}, {fate:?}");
    })
    .await;
}

/// Prevents: a request that is treated as a new visitor's, or told of an end, because it loaded the session while a
/// sibling task renewed it.
#[tokio::test]
async fn a_request_that_is_identified_while_a_sibling_renews() {
    let variants = pairs(&[At::Call, At::Answer], &ANSWERED);
    over_every_scene(&variants, async |scene, (at, answered)| {
        let session: Shopping = scene.app.begin(&scene.visitor);
        let mut asked = scene.gates.loads.hold(at);
        let living = tokio::spawn({
            let session = session.clone();
            async move { session.is_live().await }
        });
        asked.reached().await;
        session.renew().unwrap();
        let (storing, held) = scene.commit(&session, At::Answer).await;
        answered.release(asked, held).await;
        end(storing).await.unwrap();
        assert!(end(living).await.unwrap());
    })
    .await;
}

/// Prevents: an end by another request that goes unnoticed, because a sibling task was committing (L03).
#[tokio::test]
async fn an_end_by_another_request_while_a_sibling_stores() {
    over_every_scene(
        &pairs(&BY, &[true, false]),
        async |mut scene, (by, renews)| {
            let session = scene.begin().await;
            session.visits().add(1).unwrap();
            if renews {
                session.renew().unwrap();
            }
            let (storing, held) = scene.commit(&session, At::Call).await;
            let destroy = async |s: Shopping| s.destroy();
            let mut other = scene.visitor.clone();
            scene.app.request(&mut other, destroy).await.unwrap();
            let reading = tokio::spawn(read(session.clone(), by));
            go_on().await;
            held.release();
            let kinds = (
                end(storing).await.unwrap_err().kind(),
                end(reading).await.unwrap_err().kind(),
            );
            assert_eq!(kinds, (ErrorKind::Gone, ErrorKind::Gone), "{by:?}");
            let finished = scene.app.finish(&session, &mut scene.visitor).await;
            assert_eq!(finished.unwrap_err().kind(), ErrorKind::Gone);
        },
    )
    .await;
}

/// Prevents: a form that is rejected, because its token was created for the id that a sibling task was about to replace
/// (R12).
#[tokio::test]
async fn a_csrf_token_that_is_made_while_a_sibling_renews() {
    over_every_scene(&[true, false], async |mut scene, known| {
        if !known {
            scene.visitor = Visitor::new();
        }
        let session: Shopping = scene.app.begin(&scene.visitor);
        session.theme().set("dark").unwrap();
        session.renew().unwrap();
        let (storing, held) = scene.commit(&session, At::Answer).await;
        let making = tokio::spawn({
            let session = session.clone();
            async move { session.csrf_token().await }
        });
        go_on().await;
        held.release();
        end(storing).await.unwrap();
        let token = end(making).await.unwrap();
        let finished = scene.app.finish(&session, &mut scene.visitor).await;
        finished.unwrap();
        let verify = async |s: Shopping| s.verify_csrf(&token).await;
        assert!(scene.app.request(&mut scene.visitor, verify).await.unwrap());
    })
    .await;
}

/// Prevents: a request that stops its own wait for the session's end by renewing the session.
#[tokio::test]
async fn the_watch_of_a_request_goes_on_when_the_request_renews() {
    over_every_scene(
        &[None, Some(At::Call), Some(At::Answer)],
        async |mut scene, load_at| {
            let session = scene.begin().await;
            let mut asked = load_at.map(|at| scene.gates.loads.hold(at));
            let mut watching = tokio::spawn({
                let session = session.clone();
                async move { session.ended().await }
            });
            if let Some(asked) = &mut asked {
                asked.reached().await;
            }
            go_on().await;
            session.renew().unwrap();
            let (storing, held) = scene.commit(&session, At::Answer).await;
            if let Some(asked) = asked {
                asked.release();
            }
            go_on().await;
            held.release();
            end(storing).await.unwrap();
            go_on().await;
            assert!(!watching.is_finished(), "it lives, under another id");
            let finished = scene.app.finish(&session, &mut scene.visitor).await;
            finished.unwrap();
            let destroy = async |s: Shopping| s.destroy();
            let ended = scene.app.request(&mut scene.visitor, destroy).await;
            ended.unwrap();
            let ended = tokio::time::timeout(Duration::from_secs(20), &mut watching).await;
            ended.expect("it learns of the end").unwrap().unwrap();
        },
    )
    .await;
}

/// Prevents: a watch that continues with the new session that a request begins after it destroyed the watched one
/// (L12).
#[tokio::test]
async fn the_watch_of_a_request_ends_when_the_request_destroys() {
    over_every_scene(&[true, false], async |scene, begins_another| {
        let session = scene.begin().await;
        let watching = tokio::spawn({
            let session = session.clone();
            async move { session.ended().await }
        });
        go_on().await;
        session.destroy().unwrap();
        if begins_another {
            session.theme().set("dark").unwrap();
        }
        session.commit().await.unwrap();
        end(watching).await.unwrap();
    })
    .await;
}
