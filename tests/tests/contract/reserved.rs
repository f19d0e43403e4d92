//! Keys that are reserved for the library.

use crate::Shop;
use level_session::{
    ErrorKind, Session,
    store::{Bytes, Commit, Digest, Select, Step, Write, testing::Call},
};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};

type Shopping = Session<Shop>;

const OWN: &str = "level-session:test";

async fn only_session(app: &App) -> Digest {
    let store = app.sessions.store();
    let page = store.page(None, 10, app.clock.now()).await.unwrap();
    let [id] = page.items[..] else {
        panic!("one session: {page:?}")
    };
    id
}

async fn stored(app: &App) -> Vec<String> {
    let id = only_session(app).await;
    let store = app.sessions.store();
    let loaded = store.load(id, Select::All, app.clock.now()).await.unwrap();
    let level_session::store::Loaded::Live(snapshot) = loaded else {
        panic!("it lives: {loaded:?}")
    };
    let all = snapshot.fields.into_all().unwrap();
    let mut names: Vec<_> = all.iter().map(|(name, _)| name.to_string()).collect();
    names.sort();
    names
}

/// Prevents: an application that overwrites, or shows, the value that binds a session to a device.
#[tokio::test]
async fn the_library_s_own_fields_are_not_the_application_s() {
    over_every_store(async |store| {
        let app = App::over(store);
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
            .await
            .unwrap();
        let id = only_session(&app).await;
        let writes = [Write::set(OWN.into(), Bytes::from(*b"\x01\x01"))];
        let now = app.clock.now();
        let commit = Commit::new(id, now, Step::keep(None)).with_writes(&writes);
        let done = app.sessions.store().commit(commit).await.unwrap();
        assert!(done.is_done());

        app.request(&mut visitor, async |s: Shopping| {
            for error in [
                s.get::<u8>(OWN).await.unwrap_err(),
                s.set(OWN, 1).unwrap_err(),
                s.update(OWN, |_: &mut Option<u8>| ())
                    .await
                    .map(drop)
                    .unwrap_err(),
                s.take::<u8>(OWN).await.unwrap_err(),
                s.del(OWN).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Misuse);
                assert_eq!(error.field(), Some(OWN));
                assert!(error.to_string().contains("reserved"), "{error}");
            }
            assert_eq!(s.get_all().await?.keys().collect::<Vec<_>>(), ["user_id"]);
            Ok(())
        })
        .await
        .unwrap();

        app.request(&mut visitor, async |s: Shopping| {
            s.clear()?;
            s.theme().set("dark")?;
            s.commit().await?;
            assert_eq!(s.get_all().await?.keys().collect::<Vec<_>>(), ["theme"]);
            s.renew()
        })
        .await
        .unwrap();
        assert_eq!(stored(&app).await, [OWN, "theme"], "`clear` keeps it");
        app.request(&mut visitor, async |s: Shopping| {
            s.destroy()?;
            s.notice().set("bye")
        })
        .await
        .unwrap();
        assert_eq!(stored(&app).await, ["notice"], "a new session");
    })
    .await;
}

/// Prevents: a separate round trip with every request for the value that binds a session to a device.
#[tokio::test]
async fn the_library_s_own_fields_come_along_with_the_first_read() {
    over_every_store(async |store| {
        let app = App::over(store).with(|sessions| sessions.fields_along([OWN]));
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
            .await
            .unwrap();
        for first in ["accessor", "key", "struct", "life"] {
            let _ = app.faults.calls();
            app.request(&mut visitor, async |s: Shopping| {
                match first {
                    "accessor" => assert_eq!(s.user_id().await?, Some(7)),
                    "key" => assert_eq!(s.get::<u64>("user_id").await?, Some(7)),
                    "struct" => assert_eq!(s.load().await?.user_id, Some(7)),
                    _ => assert!(s.is_live().await?),
                }
                Ok(())
            })
            .await
            .unwrap();
            let calls = app.faults.calls();
            let [Call::Load(Some(names))] = &calls[..] else {
                panic!("{first}: {calls:?}")
            };
            assert!(names.contains(&OWN.to_owned()), "{first}: {names:?}");
        }
        // Once the session is known, only the requested fields are loaded.
        let session: Shopping = app.begin(&visitor);
        assert!(session.is_live().await.unwrap());
        let _ = app.faults.calls();
        session.theme().await.unwrap();
        for call in app.faults.calls() {
            assert_eq!(call, Call::Load(Some(vec!["theme".into()])));
        }
    })
    .await;
}

/// Prevents: a key made of a visitor's input that every later request of the session has to load.
#[tokio::test]
async fn keys_have_a_bound() {
    let app = App::new();
    let session: Session = app.begin(&Visitor::new());
    let long = "k".repeat(1024);
    session.set(&*long, 1).unwrap();
    assert_eq!(session.get::<u8>(&*long).await.unwrap(), Some(1));
    for key in [String::new(), format!("{long}k")] {
        let refused = session.set(&*key, 1).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misuse, "{} bytes", key.len());
        let refused = session.get::<u8>(&*key).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misuse, "{} bytes", key.len());
    }
}
