//! These tests prevent the loss of sessions by a restart, a crash or another store; files that other users can read;
//! and an error that does not name the file.

use super::*;
use crate::Durability;
use level_session_store::{ErrorKind, Outcome};
use std::{fs, path::Path};

#[test]
fn a_restart_keeps_everything() {
    let (_dir, path) = place();
    let store = FjallStore::open(&path).unwrap();
    create(
        &store,
        id(1),
        &[set("a", "1"), indexed("user", "7", "seven")],
    );
    for n in 2..=4 {
        create(&store, id(n), &[set("n", "x")]);
    }
    now(store.commit(commit(id(2), renew(id(12), Some(at(500))), &[]))).unwrap();
    now(store.commit(commit(id(3), renew(id(13), None), &[]))).unwrap();
    now(store.commit(commit(id(4), Step::Destroy, &[]))).unwrap();
    let writes = [set("b", "2")];
    now(store.commit(refresh(id(1), 9, 1_000).with_writes(&writes))).unwrap();
    drop(store);

    let store = FjallStore::open(&path).unwrap();
    assert_eq!(
        fields(&store, id(1)),
        [pair("a", "1"), pair("b", "2"), pair("user", "7")]
    );
    let Loaded::Live(snapshot) = load(&store, id(1)).unwrap() else {
        panic!()
    };
    assert_eq!(snapshot.meta.lease, lease(9));
    let Loaded::Live(snapshot) = load(&store, id(2)).unwrap() else {
        panic!()
    };
    assert!(snapshot.by_former_id);
    assert!(matches!(load(&store, id(3)).unwrap(), Loaded::Ended(_)));
    assert!(matches!(load(&store, id(4)).unwrap(), Loaded::Ended(_)));
    let found = now(store.find("user", b"seven", None, 9, at(1))).unwrap();
    let found: Vec<_> = found.items.iter().map(|found| found.id).collect();
    assert_eq!(found, [id(1)]);
    assert_eq!(
        now(store.page(None, 9, at(1))).unwrap().items,
        [id(1), id(12), id(13)]
    );
}

/// A killed process leaves the content of a database's files behind; data that it still has in its own memory is
/// lost.
fn as_if_killed(path: &Path) -> (TempDir, PathBuf) {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &to),
                // It is empty, and Windows lets nobody read it while it is locked.
                false if to.ends_with("lock") => fs::write(to, []).unwrap(),
                false => drop(fs::copy(entry.path(), to).unwrap()),
            }
        }
    }
    let (dir, copied) = place();
    copy(path, &copied);
    (dir, copied)
}

#[test]
fn every_answered_commit_survives_the_process() {
    for durability in [
        Durability::Buffer,
        Durability::Sync,
        Durability::Interval(Duration::from_secs(60)),
    ] {
        let (_dir, path) = place();
        let store = FjallStore::builder()
            .durability(durability)
            .open(&path)
            .unwrap();
        create(&store, id(1), &[set("a", "1")]);
        now(store.commit(commit(id(1), KEEP, &[set("a", "2")]))).unwrap();
        let (_dir, killed) = as_if_killed(&path);
        let store = FjallStore::open(killed).unwrap();
        assert_eq!(fields(&store, id(1)), [pair("a", "2")], "{durability:?}");
    }
}

/// Whether the disk then has the data is up to the operating system and the disk.
#[test]
fn under_sync_no_commit_is_answered_before_an_fsync() {
    let (_dir, path) = place();
    let store = FjallStore::builder()
        .durability(Durability::Sync)
        .open(&path)
        .unwrap();
    create(&store, id(1), &[set("a", "1")]);
    assert_eq!(store.syncs(), 1);
    for n in 2..=10 {
        let outcome = now(store.commit(commit(id(1), KEEP, &[set("a", "2")]))).unwrap();
        assert!(outcome.is_done());
        assert_eq!(store.syncs(), n);
    }
    let refused = now(store.commit(commit(id(2), KEEP, &[]))).unwrap();
    assert!(matches!(refused, Outcome::Gone));
    assert_eq!(store.syncs(), 10, "nothing was written");
}

#[test]
fn every_answered_commit_survives_the_process_in_a_database_that_does_not_flush_by_itself() {
    let (_dir, path) = place();
    let database = fjall::Database::builder(&path)
        .manual_journal_persist(true)
        .open()
        .unwrap();
    let store = FjallStore::new(database).unwrap();
    create(&store, id(1), &[set("a", "1")]);
    let (_dir, killed) = as_if_killed(&path);
    assert_eq!(
        fields(&FjallStore::open(killed).unwrap(), id(1)),
        [pair("a", "1")]
    );
}

#[test]
fn a_second_store_is_told_that_the_first_has_the_database() {
    let (_dir, path) = place();
    let store = FjallStore::open(&path).unwrap();
    let error = FjallStore::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    let message = error.to_string();
    assert!(
        message.contains("another process, or another store of this process, has it open"),
        "{message}"
    );
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    now(store.close()).unwrap();
    FjallStore::open(&path).expect("closing releases the database, though the handle still exists");
    let error = load(&store, id(1)).unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
}

#[test]
fn dropping_the_last_clone_lets_go_of_the_database() {
    for durability in [
        Durability::Buffer,
        Durability::Sync,
        Durability::Interval(Duration::from_secs(60)),
    ] {
        let (_dir, path) = place();
        let store = FjallStore::builder()
            .durability(durability)
            .open(&path)
            .unwrap();
        let clone = store.clone();
        drop(store);
        create(&clone, id(1), &[]);
        drop(clone);
        assert!(fields(&FjallStore::open(&path).unwrap(), id(1)).is_empty());
    }
}

#[test]
fn it_lives_beside_the_keyspaces_of_the_application_and_of_other_stores() {
    let (_dir, path) = place();
    let database = fjall::Database::builder(&path).open().unwrap();
    let theirs = database
        .keyspace("meta", fjall::KeyspaceCreateOptions::default)
        .unwrap();
    theirs.insert("key", "theirs").unwrap();
    let ours = FjallStore::new(database.clone()).unwrap();
    let others = FjallStore::builder()
        .prefix("admin")
        .build(database.clone())
        .unwrap();
    create(&ours, id(1), &[set("a", "ours")]);
    create(&others, id(1), &[set("a", "others'")]);
    assert_eq!(fields(&ours, id(1)), [pair("a", "ours")]);
    assert_eq!(fields(&others, id(1)), [pair("a", "others'")]);
    now(ours.commit(commit(id(1), Step::Destroy, &[]))).unwrap();
    assert_eq!(fields(&others, id(1)), [pair("a", "others'")]);
    assert_eq!(&*theirs.get("key").unwrap().unwrap(), b"theirs");
    assert_eq!(theirs.len().unwrap(), 1);

    let error = FjallStore::new(database.clone()).unwrap_err();
    assert!(
        error.to_string().contains("already open at"),
        "two stores over the same keyspaces: {error}"
    );
    now(ours.close()).unwrap();
    FjallStore::new(database).expect("a closed store gives up its claim");
    assert_eq!(
        &*theirs.get("key").unwrap().unwrap(),
        b"theirs",
        "the database is the application's"
    );
}

#[test]
fn a_setting_that_cannot_be_used_is_refused() {
    let (_dir, path) = place();
    let zero = Some(Duration::ZERO);
    let builders = [
        FjallStore::builder().prefix(""),
        FjallStore::builder().prefix("p".repeat(201)),
        FjallStore::builder().sweep_every(zero),
        FjallStore::builder().write_buffer_size(64 * 1024 - 1),
        FjallStore::builder().durability(Durability::Interval(Duration::ZERO)),
    ];
    for builder in builders {
        assert_eq!(builder.open(&path).unwrap_err().kind(), ErrorKind::Config);
    }
    FjallStore::open(path).expect("a refused setting leaves nothing locked");
}

#[test]
fn what_is_in_the_way_is_said_with_its_path() {
    let (dir, _) = place();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = FjallStore::open(&path).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("there is a file where a directory should be"),
            "{message}"
        );
        assert!(message.contains(path.to_str().unwrap()), "{message}");
        assert!(
            std::error::Error::source(&error).is_some(),
            "the cause is kept"
        );
    }
    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("version"), "something else").unwrap();
    let message = FjallStore::open(&foreign).unwrap_err().to_string();
    assert!(message.contains("another version of fjall"), "{message}");
}

#[cfg(unix)]
#[test]
fn the_directory_is_the_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (_dir, path) = place();
    let nested = path.join("of").join("sessions");
    FjallStore::open(&nested).unwrap();
    assert_eq!(mode(&nested), 0o700);
    let theirs = path.join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o750)).unwrap();
    FjallStore::open(&theirs).unwrap();
    assert_eq!(
        mode(&theirs),
        0o750,
        "a directory that was there keeps its mode"
    );
}

#[test]
fn debug_shows_nothing_of_a_session() {
    let (_dir, path) = place();
    let store = FjallStore::open(path).unwrap();
    create(&store, id(1), &[set("a", "secret")]);
    assert_eq!(format!("{store:?}"), "FjallStore { .. }");
}
