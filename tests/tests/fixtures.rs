//! Prevents: sessions that a new version cannot read. `fixtures/` contains databases that earlier versions wrote. They
//! are never changed; `cargo test --test fixtures -- --ignored` adds one when a version is released.

use level_session::{FjallStore, Session, Value};
use level_session_tests::{
    history::Data,
    visitor::{App, Visitor},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn open(path: &Path) -> (App, FjallStore) {
    let store = FjallStore::builder()
        .sweep_every(None)
        .open(path)
        .expect("it opens");
    let next = AtomicU8::new(1);
    let source = move || Ok([next.fetch_add(1, Ordering::Relaxed); 24]);
    let app = App::over(Arc::new(store.clone())).with(|sessions| sessions.id_source(source));
    (app, store)
}

/// Three sessions: one with every kind of field, one that was renewed, one that was destroyed. Returns the last cookies
/// of their browsers, and the former cookies of the last two.
async fn write(app: &App) -> [Visitor; 4] {
    let [mut full, mut renewed, mut destroyed] = [(); 3].map(|()| Visitor::new());
    app.request(&mut full, async |s: Session<Data>| {
        s.user().set(7)?;
        s.list().set(vec![1, 2, 3])?;
        s.visits().add(40)?;
        s.lives().sub(3)?;
        s.notice().set(9)?;
        s.otp().set(1234)?;
        s.left().set(u64::MAX)?;
        s.set("note", "näh\u{1f9f5}")?;
        s.set("pairs", [("a", 1.5), ("b", -2.0)])
    })
    .await
    .expect("it is stored");
    for visitor in [&mut renewed, &mut destroyed] {
        let set = async |s: Session<Data>| s.user().set(7);
        app.request(visitor, set).await.expect("it is stored");
    }
    let former = [renewed.clone(), destroyed.clone()];
    app.request(&mut renewed, async |s: Session<Data>| {
        s.user().set(8)?;
        s.renew()
    })
    .await
    .expect("it is stored");
    app.request(&mut destroyed, async |s: Session<Data>| s.destroy())
        .await
        .expect("it is stored");
    let [old, ended] = former;
    [full, renewed, old, ended]
}

async fn read(app: &App, [mut full, mut renewed, mut old, mut ended]: [Visitor; 4]) {
    app.request(&mut full, async |s: Session<Data>| {
        let data = s.load().await?;
        assert_eq!(
            (data.user, data.list.as_slice()),
            (Some(7), [1, 2, 3].as_slice())
        );
        assert_eq!((data.visits, data.lives, data.notice), (40, 7, Some(9)));
        assert_eq!((data.otp, data.left, data.right), (Some(1234), u64::MAX, 0));
        assert_eq!(
            s.get::<String>("note").await?.as_deref(),
            Some("näh\u{1f9f5}")
        );
        assert_eq!(
            s.get::<Vec<(String, f64)>>("pairs")
                .await?
                .map(|pairs| pairs.len()),
            Some(2)
        );
        assert_eq!(s.get_all().await?.damaged().len(), 0);
        // The session can still be changed.
        s.list().update(|list| list.push(4)).await?;
        s.visits().add(2)
    })
    .await
    .expect("the session of that time");
    let after = app
        .request(&mut full, async |s: Session<Data>| s.load().await)
        .await
        .expect("it is stored");
    assert_eq!((after.list, after.visits), (vec![1, 2, 3, 4], 42));
    let user = async |s: Session<Data>| s.user().await;
    assert_eq!(
        app.request(&mut renewed, user).await.expect("an answer"),
        Some(8)
    );
    for dead in [&mut old, &mut ended] {
        let live = app
            .request(dead, async |s: Session<Data>| s.is_live().await)
            .await;
        assert!(
            !live.expect("an answer"),
            "the dead stay dead, also over versions"
        );
    }
    let store = app.sessions.store();
    let stored = Value::Uint(7).to_stored(None).expect("a number");
    let found = store
        .find("user", &stored[1..], None, 10, app.clock.now())
        .await
        .expect("a look-up");
    assert_eq!(found.items.len(), 1, "the index of that time");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
    {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

#[tokio::test]
async fn databases_of_earlier_versions_stay_readable() {
    let mut versions = 0;
    for version in fs::read_dir(fixtures()).expect("the fixtures") {
        let version = version.expect("a folder").path();
        let folder = tempfile::tempdir().expect("a temporary folder");
        // The ids and the key determine the visitors' cookies, and never change.
        let (elsewhere, other) = open(&folder.path().join("elsewhere"));
        let visitors = write(&elsewhere).await;
        other.close().await.expect("it closes");

        let path = folder.path().join("sessions");
        copy(&version, &path);
        // git does not store empty folders.
        for keyspace in fs::read_dir(path.join("keyspaces")).expect("keyspaces") {
            let tables = keyspace.expect("a folder").path().join("tables");
            fs::create_dir_all(tables).expect("a folder");
        }
        let (app, store) = open(&path);
        app.clock.advance(Duration::from_secs(1));
        read(&app, visitors).await;
        store.close().await.expect("it closes");
        versions += 1;
    }
    assert!(versions > 0, "there are no fixtures");
}

/// Writes the fixture of this version.
#[tokio::test]
#[ignore = "it is done once for every version"]
async fn write_a_fixture() {
    let path = fixtures().join(format!("fjall-{}", env!("CARGO_PKG_VERSION")));
    assert!(
        !path.exists(),
        "{} is there already, and is not to be changed",
        path.display()
    );
    let (app, store) = open(&path);
    write(&app).await;
    store.close().await.expect("it closes");
    drop((app, store));
    // Opening it once more truncates the preallocated part.
    let (app, store) = open(&path);
    store.close().await.expect("it closes");
    drop(app);
}
