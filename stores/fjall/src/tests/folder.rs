//! These tests prevent a foreign file in the database's directory from ending the process or causing a useless message
//! (F14); an interrupted creation from keeping the store from ever opening (F07); and the removal of a file that is not
//! a leftover.

use super::{super::creation, *};
use level_session_store::ErrorKind;
use std::{collections::BTreeMap, fs, path::Path};

/// A database with tables, and a session in it.
fn with_tables() -> (TempDir, PathBuf) {
    let (dir, path) = place();
    let store = FjallStore::builder().sweep_every(None).open(&path).unwrap();
    create(&store, id(1), &[set("a", "1")]);
    store.inside(|disk| {
        for keyspace in [&disk.meta, &disk.data] {
            keyspace.rotate_memtable_and_wait().unwrap();
        }
    });
    now(store.close()).unwrap();
    (dir, path)
}

/// Every file below a directory, with its bytes, except for the zeros of a journal.
fn contents(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.append(&mut contents(&path)),
            // Windows lets nobody read it while it is locked.
            false if path.ends_with("lock") => drop(found.insert(path, Vec::new())),
            false => {
                let bytes = fs::read(&path).unwrap();
                found.insert(path, bytes);
            }
        }
    }
    found
}

#[test]
fn what_is_not_the_database_s_is_named_and_left_alone() {
    let cases: &[(&str, bool)] = &[
        ("@eaDir/", false),
        ("notes.txt", false),
        (".nfs0001", false),
        ("lost+found/", false),
        ("keyspaces/Thumbs.db", false),
        ("keyspaces/1/@eaDir/", false),
        ("keyspaces/1/tables/.DS_Store", false),
        ("keyspaces/1/tables/._0", false),
        ("1.bak.jnl", true),
        ("copy.JNL", true),
        ("7.jnl/", true),
        ("keyspaces/@eaDir/", true),
        ("keyspaces/1.bak/", true),
        ("keyspaces/0/tables/@eaDir/", true),
        ("keyspaces/1/tables/@eaDir/", true),
        ("keyspaces/1/tables/77/", true),
        ("keyspaces/1/tables/1.bak", true),
        ("keyspaces/1/tables/.nfs0001", true),
        ("keyspaces/1/tables/Thumbs.db", true),
        ("keyspaces/1/vacation.txt", true),
        ("keyspaces/99/photo.jpg", true),
    ];
    let (_dir, path) = with_tables();
    for (entry, is_in_the_way) in cases {
        let foreign = path.join(entry.trim_end_matches('/'));
        if entry.ends_with('/') {
            fs::create_dir(&foreign).unwrap();
        } else {
            fs::create_dir_all(foreign.parent().unwrap()).unwrap();
            fs::write(&foreign, "theirs").unwrap();
        }
        let opened = FjallStore::builder().sweep_every(None).open(&path);
        match (opened, is_in_the_way) {
            (Ok(store), false) => assert_eq!(fields(&store, id(1)), [pair("a", "1")], "{entry}"),
            (Err(error), true) => {
                let message = error.to_string();
                // Collected, so that it has the separators of the system.
                let entry: PathBuf = Path::new(entry).components().collect();
                let name = format!("{entry:?}");
                assert!(message.contains(&name), "{name}: {message}");
                assert!(message.contains(path.to_str().unwrap()), "{message}");
                assert!(message.contains("move that entry"), "{message}");
                assert_eq!(error.kind(), ErrorKind::Store);
            }
            (Ok(_), true) => panic!("{entry} is a problem and was not detected"),
            (Err(error), false) => panic!("{entry} is harmless: {error:?}"),
        }
        assert!(foreign.exists(), "{entry} was removed");
        match foreign.is_dir() {
            true => fs::remove_dir(&foreign).unwrap(),
            false => fs::remove_file(&foreign).unwrap(),
        }
        let _ = fs::remove_dir(path.join("keyspaces/99"));
    }
    let store = FjallStore::open(&path).expect("nothing foreign is left");
    assert_eq!(fields(&store, id(1)), [pair("a", "1")]);
}

/// Prevents: a partial restore after which every session is removed, without a word, by the second start (F09).
#[test]
fn a_lost_manifest_is_refused_at_every_start_and_nothing_else_is_lost() {
    for number in 0..=4 {
        let (_dir, path) = with_tables();
        let manifest = path.join(format!("keyspaces/{number}/current"));
        let kept = path.join("kept");
        fs::rename(&manifest, &kept).unwrap();
        let before = contents(&path.join("keyspaces"));
        for start in 0..3 {
            let opened = FjallStore::builder().sweep_every(None).open(&path);
            let error = opened.expect_err("a keyspace is lost");
            let message = error.to_string();
            assert!(message.contains("is missing"), "{number}: {message}");
            assert!(message.contains("restore"), "{number}: {message}");
            assert_eq!(error.kind(), ErrorKind::Store, "start {start}");
        }
        if number == 0 {
            assert_eq!(contents(&path.join("keyspaces")), before);
            fs::rename(&kept, &manifest).unwrap();
            let store = FjallStore::open(&path).expect("all files are there again");
            assert_eq!(fields(&store, id(1)), [pair("a", "1")]);
        } else {
            // fjall has removed the keyspace before it can be asked which ones it has.
            let others = |path: &PathBuf| !path.starts_with(manifest.parent().unwrap());
            let after = contents(&path.join("keyspaces"));
            for (file, bytes) in before.iter().filter(|(path, _)| others(path)) {
                let is_table = file.parent().is_some_and(|dir| dir.ends_with("tables"));
                assert!(!is_table || after.get(file) == Some(bytes), "{file:?}");
            }
        }
    }
}

/// A store opens its database whatever files the database itself creates while it is used.
#[test]
fn what_is_the_database_s_own_is_never_in_the_way() {
    let (_dir, path) = with_tables();
    for round in 0..3 {
        fs::write(
            path.join(super::super::recovery::TRIAL_NAME),
            "left by a kill",
        )
        .unwrap();
        fs::write(path.join("keyspaces/0/.tmpAbC123"), "left by a kill").unwrap();
        let store = FjallStore::builder()
            .sweep_every(None)
            .write_buffer_size(64 * 1024)
            .open(&path)
            .unwrap_or_else(|error| panic!("in round {round}: {error:?}"));
        let value = "v".repeat(8 * 1024);
        for n in 0..60 {
            now(store.commit(commit(id(1), KEEP, &[set("b", &value)]))).unwrap();
            create(
                &store,
                Digest::from_bytes([round * 60 + n + 2; 32]),
                &[set("a", &value)],
            );
            if round > 0 {
                break;
            }
        }
        now(store.close()).unwrap();
    }
}

/// A directory as a kill leaves it at this moment of a creation: the journal and the marker, if they exist.
fn cut_off(journal: Option<&[u8]>, marker: Option<&[u8]>) -> (TempDir, PathBuf) {
    let (dir, path) = place();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("lock"), "").unwrap();
    fs::create_dir(path.join("keyspaces")).unwrap();
    for (name, bytes) in [("0.jnl", journal), ("version", marker)] {
        if let Some(bytes) = bytes {
            fs::write(path.join(name), bytes).unwrap();
        }
    }
    (dir, path)
}

#[test]
fn a_creation_that_was_cut_off_is_completed() {
    let zeros = vec![0; 1 << 20];
    let journals = [None, Some(&[][..]), Some(&zeros[..])];
    let markers: [Option<&[u8]>; 6] = [
        None,
        Some(b""),
        Some(b"FJL"),
        Some(b"FJ"),
        Some(b"\0\0\0\0"),
        Some(&creation::MARK),
    ];
    for journal in journals {
        for marker in markers {
            let (_dir, path) = cut_off(journal, marker);
            let store = FjallStore::open(&path).unwrap_or_else(|error| {
                panic!("{:?}, {marker:?}: {error:?}", journal.map(<[_]>::len))
            });
            create(&store, id(1), &[set("a", "1")]);
            drop(store);
            let store = FjallStore::open(&path).unwrap();
            assert_eq!(fields(&store, id(1)), [pair("a", "1")]);
        }
    }
}

/// The completed marker is identical to fjall's own.
#[test]
fn the_mark_is_fjall_s() {
    let (_dir, path) = with_tables();
    assert_eq!(fs::read(path.join("version")).unwrap(), creation::MARK);
}

#[test]
fn what_may_be_more_than_a_cut_off_creation_is_left_as_it_is() {
    let entries = |bytes: &[u8]| cut_off(Some(bytes), None);
    let with = |make: &dyn Fn(&Path)| {
        let made = cut_off(Some(&[]), Some(b"FJL"));
        make(&made.1);
        made
    };
    let without_marker = with_tables();
    fs::remove_file(without_marker.1.join("version")).unwrap();
    let cases = [
        ("entries", entries(b"\0\0\0\x01")),
        (
            "journals",
            with(&|path| fs::write(path.join("1.jnl"), "").unwrap()),
        ),
        (
            "tables",
            with(&|path| fs::create_dir(path.join("keyspaces/0")).unwrap()),
        ),
        ("tables", without_marker),
    ];
    for (what, (_dir, path)) in cases {
        let before = contents(&path);
        let error = FjallStore::open(&path).expect_err(what);
        let message = error.to_string();
        assert!(
            message.contains("nothing was changed") && message.contains(what),
            "{message}"
        );
        assert!(message.contains(path.to_str().unwrap()), "{message}");
        assert_eq!(contents(&path), before, "{what}");
    }
}

/// A process that creates a database holds its lock: a second process changes nothing in it.
#[test]
fn a_folder_that_was_restored_without_its_tables_is_left_as_it_is() {
    let (_dir, path) = with_tables();
    let tables = path.join("keyspaces");
    let away = path.with_extension("away");
    fs::rename(&tables, &away).unwrap();
    let before = contents(&path);
    for _ in 0..2 {
        let message = FjallStore::open(&path).unwrap_err().to_string();
        assert!(
            message.contains("its folder `keyspaces` is missing"),
            "{message}"
        );
        assert_eq!(contents(&path), before);
    }
    fs::rename(&away, &tables).unwrap();
    let store = FjallStore::builder().sweep_every(None).open(&path).unwrap();
    assert_eq!(fields(&store, id(1)), [pair("a", "1")]);
}

#[test]
fn a_folder_that_was_restored_without_its_lock_file_opens() {
    let (_dir, path) = with_tables();
    fs::remove_file(path.join("lock")).unwrap();
    let store = FjallStore::builder().sweep_every(None).open(&path).unwrap();
    assert_eq!(fields(&store, id(1)), [pair("a", "1")]);
    let locked = FjallStore::open(&path).unwrap_err().to_string();
    assert!(locked.contains("has it open"), "{locked}");
}

#[test]
fn a_creation_at_work_is_left_to_the_one_who_works() {
    let (_dir, path) = cut_off(Some(&[]), Some(b"FJL"));
    let lock = fs::File::open(path.join("lock")).unwrap();
    lock.lock().unwrap();
    let before = contents(&path);
    let message = FjallStore::open(&path).unwrap_err().to_string();
    assert!(
        message.contains("another process, or another store of this process, has it open"),
        "{message}"
    );
    assert_eq!(contents(&path), before);
    drop(lock);
    FjallStore::open(&path).expect("the other one was killed");
}
