//! Runs the program on a real directory of the embedded store.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod kit;

use http::HeaderMap;
use kit::{SECRET, Shop, over, program, run, sessions, sign_in, text};
use level_session::{
    Clock, Expiry, FjallStore, Keyring, SessionHandle, Sessions, Timestamp,
    store::{Commit, Digest, FieldName, Lease, Step, Store as _, Write},
};
use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.db");
    (dir, path)
}

/// Two sessions of user 7 and one of user 8, in a closed store.
async fn three() -> (TempDir, PathBuf, Vec<SessionHandle>) {
    let (dir, path) = place();
    let store = FjallStore::open(&path).unwrap();
    let sessions = sessions(store.clone());
    let mut handles = Vec::new();
    for user in [7, 7, 8] {
        handles.push(sign_in(&sessions, user).await.0);
    }
    store.close().await.unwrap();
    (dir, path, handles)
}

fn handles(said: &kit::Said) -> BTreeSet<String> {
    let lines = said.out.lines().filter(|line| !line.starts_with(' '));
    lines.map(|line| line[..64].to_owned()).collect()
}

fn texts(handles: &[SessionHandle]) -> BTreeSet<String> {
    handles.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn sessions_are_listed_found_shown_and_ended() {
    let (_dir, path, all) = three().await;
    let path = text(&path);
    assert_eq!(handles(&over(path, &["list"]).ok()), texts(&all));
    let found = over(path, &["find", "user_id", "7", "--fields"]).ok();
    assert_eq!(handles(&found), texts(&all[..2]));
    assert!(found.out.contains("user_id") && found.out.contains("secret"));
    assert_eq!(over(path, &["find", "user_id", "\"7\""]).ok().out, "");

    let handle = all[2].to_string();
    let shown = over(path, &["show", &handle]).ok();
    let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["handle"], *handle);
    assert_eq!(shown["fields"][0]["name"], "secret");
    let bytes = shown["fields"][0]["bytes"].as_u64().unwrap();
    assert!(bytes > SECRET.len() as u64, "{shown}");
    assert!(shown["fields"][0].get("value").is_none(), "{shown}");
    assert!(shown["created"].as_str().unwrap().ends_with('Z'), "{shown}");

    assert_eq!(over(path, &["count"]).ok().out, "3 sessions live\n");
    assert_eq!(over(path, &["end", &handle]).ok().out, "1 session ended\n");
    let again = over(path, &["end", &handle]).ends(1);
    assert_eq!(again.out, "0 sessions ended\n");
    over(path, &["show", &handle]).ends(1);
    let ended = over(path, &["--json", "end-all", "user_id", "7"]).ok();
    assert_eq!(ended.objects(), [serde_json::json!({ "ended": 2 })]);
    assert_eq!(over(path, &["count"]).ok().out, "0 sessions live\n");
    assert_eq!(over(path, &["list"]).ok().out, "");
}

#[tokio::test]
async fn values_are_shown_when_they_are_asked_for() {
    let (_dir, path, all) = three().await;
    let path = text(&path);
    let handle = all[0].to_string();
    for command in [
        &["list", "--values"][..],
        &["find", "user_id", "7", "--values"],
        &["show", &handle, "--values"],
        &["--json", "list", "--values"],
    ] {
        let said = over(path, command);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains(SECRET), "{said:?}");
    }
    let objects = over(path, &["--json", "list", "--fields"]).ok().objects();
    assert_eq!(objects.len(), 3);
    assert_eq!(objects[0]["fields"][1]["name"], "user_id");
}

#[tokio::test]
async fn what_cannot_be_done_says_why_and_ends_with_2() {
    let (dir, path, all) = three().await;
    let store = text(&path);
    // The argument may be a pasted cookie, so it must not be echoed.
    let said = over(store, &["end", SECRET]).ends(2);
    assert!(
        said.err.contains("64 lowercase hexadecimal digits"),
        "{said:?}"
    );
    let nobody = "0".repeat(64);
    assert_eq!(
        over(store, &["end", &nobody]).ends(1).out,
        "0 sessions ended\n"
    );
    let said = over(store, &["show", &nobody]).ends(1);
    assert!(said.err.contains("no such session") && said.out.is_empty());
    for value in ["anna", "{", "7 8", ""] {
        let said = over(store, &["find", "user_id", value]).ends(2);
        assert!(said.err.contains("not valid JSON"), "{said:?}");
        over(store, &["end-all", "user_id", value]).ends(2);
    }
    over(store, &["unknown"]).ends(2);
    let said = run(&["list"]).ends(2);
    assert!(said.err.contains("--store"), "{said:?}");
    let address = format!("mysql://root:{SECRET}@localhost/db");
    over(&address, &["list"]).ends(2);

    // A mistyped path is not created.
    let other = dir.path().join("session.db");
    let said = over(text(&other), &["list"]).ends(2);
    assert!(said.err.contains("no session store at"), "{said:?}");
    assert!(!other.exists());
    assert_eq!(handles(&over(store, &["list"]).ok()), texts(&all));
}

#[tokio::test]
async fn the_store_of_a_running_application_is_refused() {
    let (_dir, path, all) = three().await;
    let store = FjallStore::open(&path).unwrap();
    for command in ["list", "verify", "sweep"] {
        let said = over(text(&path), &[command]).ends(2);
        assert!(said.err.contains("another process"), "{said:?}");
        assert_eq!(said.out, "");
    }
    store.close().await.unwrap();
    assert_eq!(handles(&over(text(&path), &["list"]).ok()), texts(&all));
}

/// Changes a keyspace while the store is closed.
fn on_disk(path: &Path, keyspace: &str, change: impl Fn(&fjall::Keyspace)) {
    let database = fjall::Database::builder(path).open().unwrap();
    let options = fjall::KeyspaceCreateOptions::default;
    let keyspace = database
        .keyspace(&format!("session.{keyspace}"), options)
        .unwrap();
    assert!(
        !keyspace.is_empty().unwrap(),
        "there is something to damage"
    );
    change(&keyspace);
    database.persist(fjall::PersistMode::SyncAll).unwrap();
}

fn keys(keyspace: &fjall::Keyspace) -> Vec<fjall::Slice> {
    keyspace.iter().map(|it| it.key().unwrap()).collect()
}

#[tokio::test]
async fn verify_finds_nothing_where_nothing_is_damaged() {
    let (_dir, path, _) = three().await;
    let said = over(text(&path), &["verify", "--index", "user_id"]).ok();
    assert_eq!(said.out, "verified: 3, findings: 0\n");
}

/// Prevents: damage that `verify` does not report.
#[tokio::test]
async fn verify_finds_a_value_that_was_damaged_and_names_the_session() {
    let (_dir, path, all) = three().await;
    let victim = all[1];
    // Sessions are numbered in order of creation. A key is the number of the session (here the second), then the field.
    on_disk(&path, "data", |data| {
        let key = keys(data).into_iter();
        let mut of_victim = key.filter(|key| key[..8] == 1_u64.to_be_bytes());
        let key = of_victim.find(|key| key.ends_with(b"secret")).unwrap();
        let mut value = data.get(&key).unwrap().unwrap().to_vec();
        value[2] = 250; // a length beyond the end of the value
        data.insert(key, value).unwrap();
    });
    let said = over(text(&path), &["verify"]).ends(1);
    let lines = said.lines();
    assert_eq!(lines.len(), 2, "{said:?}");
    assert!(lines[0].starts_with(&victim.to_string()), "{said:?}");
    assert!(lines[0].contains("secret: "), "{said:?}");
    assert_eq!(lines[1], "verified: 3, findings: 1");
    let objects = over(text(&path), &["--json", "verify"]).ends(1).objects();
    assert_eq!(objects[0]["handle"], victim.to_string());
    assert_eq!(objects[0]["field"], "secret");
    assert_eq!(objects[1]["findings"], 1);
    // `show` reports the damage and still shows the other fields.
    let shown = over(text(&path), &["show", &victim.to_string()]).ok();
    assert!(shown.out.contains("damaged"), "{shown:?}");
}

#[tokio::test]
async fn verify_finds_a_value_that_has_vanished() {
    let (_dir, path, all) = three().await;
    on_disk(&path, "data", |data| {
        let key = keys(data).into_iter();
        let mut of_first = key.filter(|key| key[..8] == 0_u64.to_be_bytes());
        let key = of_first.find(|key| key.ends_with(b"secret")).unwrap();
        data.remove(key).unwrap();
    });
    let said = over(text(&path), &["verify"]).ends(1);
    assert!(
        said.lines()[0].starts_with(&format!("{}  secret: ", all[0])),
        "{said:?}"
    );
    over(text(&path), &["list", "--fields"]).ends(1);
}

#[tokio::test]
async fn verify_finds_a_record_that_was_damaged_and_goes_on_behind_it() {
    let (_dir, path, all) = three().await;
    let victim = *all.iter().min().unwrap();
    on_disk(&path, "meta", |meta| {
        let key = *victim.digest().as_bytes();
        assert!(meta.contains_key(key).unwrap());
        meta.insert(key, b"\x01\x01garbage").unwrap();
    });
    let said = over(text(&path), &["verify"]).ends(1);
    let lines = said.lines();
    assert!(lines[0].starts_with(&victim.to_string()), "{said:?}");
    assert!(lines[0].contains("damaged"), "{said:?}");
    assert_eq!(lines[1], "verified: 3, findings: 1");
    // `list` shows the others and reports that this one cannot be read.
    let said = over(text(&path), &["list"]).ends(1);
    assert_eq!(handles(&said), texts(&all));
    over(text(&path), &["show", &victim.to_string()]).ends(2);
    // Readable sessions are copied.
    let (_other, to) = place();
    let said = run(&["copy", text(&path), text(&to)]).ends(1);
    assert!(
        said.out.ends_with("copied: 2, left alone: 0, failed: 1\n"),
        "{said:?}"
    );
}

#[tokio::test]
async fn verify_finds_entries_that_are_missing_and_reindex_makes_them() {
    let (_dir, path, all) = three().await;
    let store = text(&path);
    on_disk(&path, "index", |index| {
        for key in keys(index) {
            if key.ends_with(all[0].digest().as_bytes()) {
                index.remove(key).unwrap();
            }
        }
    });
    let found = over(store, &["find", "user_id", "7"]).ok();
    assert_eq!(handles(&found), texts(&all[1..2]));
    let said = over(store, &["verify", "--index", "user_id"]).ends(1);
    let expected = format!("{}  user_id: has no entry in the index", all[0]);
    assert!(said.lines()[0].starts_with(&expected), "{said:?}");
    assert_eq!(said.lines()[1], "verified: 3, findings: 1");

    let said = over(store, &["reindex", "user_id"]).ok();
    assert_eq!(said.out, "sessions: 3, entries: 3, failed: 0\n");
    let found = over(store, &["find", "user_id", "7"]).ok();
    assert_eq!(handles(&found), texts(&all[..2]));
    over(store, &["verify", "--index", "user_id"]).ok();
}

/// Prevents: dangling entries, and sessions that no lookup finds, which remain unnoticed because no session shows them.
#[tokio::test]
async fn verify_finds_index_entries_without_their_session() {
    let (_dir, path, all) = three().await;
    let store = text(&path);
    let nobody = [0xab; 32];
    on_disk(&path, "index", |index| {
        for (at, session) in [(0, &nobody), (1, all[2].digest().as_bytes())] {
            // Under an entry of the first user, who has two sessions.
            let keys = keys(index).into_iter();
            let mut keys = keys.filter(|key| key.ends_with(all[at].digest().as_bytes()));
            let mut key = keys.next().unwrap().to_vec();
            let from = key.len() - 32;
            key[from..].copy_from_slice(session);
            index.insert(key, []).unwrap();
        }
    });
    let said = over(store, &["verify"]).ends(1);
    let found = format!(
        "{}  is found in the index, and there is no such",
        kit::hex(Digest::from_bytes(nobody))
    );
    assert!(said.out.contains(&found), "{said:?}");
    let found = format!("{}  is found in the index by an entry", all[2]);
    assert!(said.out.contains(&found), "{said:?}");
    assert!(said.out.ends_with("verified: 3, findings: 2\n"), "{said:?}");
    let objects = over(store, &["--json", "verify"]).ends(1).objects();
    assert_eq!(objects.last().unwrap()["findings"], 2);

    // A lookup removes the first entry, as the finding says, and ending the session leaves the other.
    over(store, &["find", "user_id", "7"]).ok();
    over(store, &["end", &all[2].to_string()]).ok();
    let said = over(store, &["verify"]).ends(1);
    let found = format!("{}  is found in the index, and has ended", all[2]);
    assert!(said.lines()[0].starts_with(&found), "{said:?}");
    assert_eq!(said.lines()[1], "verified: 2, findings: 1");
}

#[tokio::test]
async fn verify_finds_a_session_that_is_missing_from_its_index_whatever_the_types() {
    let (_dir, path, all) = three().await;
    on_disk(&path, "index", |index| {
        for key in keys(index) {
            if key.ends_with(all[0].digest().as_bytes()) {
                index.remove(key).unwrap();
            }
        }
    });
    let said = over(text(&path), &["verify"]).ends(1);
    let found = format!(
        "{}  user_id: has no entry in the index: `reindex` creates it",
        all[0]
    );
    assert_eq!(said.lines(), [&*found, "verified: 3, findings: 1"]);
    over(text(&path), &["reindex", "user_id"]).ok();
    over(text(&path), &["verify"]).ok();
}

/// Prevents: sessions and marks that stay on disk for ever because the sweeper does not know them.
#[tokio::test]
async fn verify_finds_a_session_without_its_deadline() {
    let (_dir, path, all) = three().await;
    let store = text(&path);
    over(store, &["end", &all[2].to_string()]).ok();
    over(store, &["verify"]).ok();
    on_disk(&path, "due", |due| {
        for key in keys(due) {
            let id = &key[8..];
            if id == all[0].digest().as_bytes() || id == all[2].digest().as_bytes() {
                due.remove(&*key).unwrap();
                // A deadline after the session's own does not count, and an ended session leaves a deadline without a session.
                let later = [&[0xff; 8][..], id].concat();
                due.insert(later, []).unwrap();
            }
        }
        due.insert([&[0; 8][..], &[0xab; 32]].concat(), []).unwrap();
    });
    let said = over(store, &["verify"]).ends(1);
    for session in [&all[0], &all[2]] {
        let found = format!("{session}  has no deadline, so it stays on disk");
        assert!(said.out.contains(&found), "{said:?}");
    }
    assert!(said.out.ends_with("verified: 2, findings: 2\n"), "{said:?}");
    // The remedy that the finding names works.
    over(store, &["end", &all[0].to_string()]).ok();
    let said = over(store, &["verify"]).ends(1);
    assert!(said.out.ends_with("verified: 1, findings: 1\n"), "{said:?}");
}

/// Prevents: unnoticed index entries that are missing, because the index was declared later, or wrong.
#[tokio::test]
async fn entries_of_an_index_agree_with_the_values() {
    let (_dir, path) = place();
    let store = FjallStore::open(&path).unwrap();
    let now = Clock::system().now();
    let until = now.after(Duration::from_secs(3600));
    let value = level_session::Value::from(7_u32).to_stored(None).unwrap();
    let other = level_session::Value::from(8_u32).to_stored(None).unwrap();
    let entry = level_session::value::index_entry(&value).unwrap();
    let field = FieldName::from_static("user_id");
    let lease = Lease::new(now, now, until, None);
    let write = |value, entry| [Write::set(field.clone(), value).with_index(entry)];
    for (byte, write) in [
        (1, write(value.clone(), None)),
        (2, write(value, Some(entry.clone()))),
        (3, write(other, Some(entry))),
    ] {
        let id = Digest::from_bytes([byte; 32]);
        let commit = Commit::new(id, now, Step::create(now, lease)).with_writes(&write);
        assert!(store.commit(commit).await.unwrap().is_done());
    }
    store.close().await.unwrap();
    let path = text(&path);
    let said = over(path, &["verify", "--index", "user_id"]).ends(1);
    let findings: BTreeSet<_> = said.lines()[..3].iter().map(|line| &line[..2]).collect();
    assert_eq!(said.lines().len(), 4, "{said:?}");
    assert_eq!(findings, BTreeSet::from(["01", "03"]), "{said:?}");
    assert!(
        said.out
            .contains("is indexed under a value that the session does not have"),
        "{said:?}"
    );
    over(path, &["verify"]).ok(); // without `--index`, the field is not known to be an index
    let found = over(path, &["find", "user_id", "7"]).ok();
    let second = kit::hex(Digest::from_bytes([2; 32]));
    assert_eq!(
        handles(&found),
        BTreeSet::from([second]),
        "not the third, which has 8"
    );
    over(path, &["reindex", "user_id"]).ok();
    over(path, &["verify", "--index", "user_id"]).ok();
    let found = over(path, &["find", "user_id", "8"]).ok();
    assert_eq!(
        handles(&found),
        BTreeSet::from([kit::hex(Digest::from_bytes([3; 32]))])
    );
}

#[tokio::test]
async fn verify_finds_times_that_contradict_each_other() {
    let (_dir, path) = place();
    let store = FjallStore::open(&path).unwrap();
    let now = Clock::system().now();
    let day = Duration::from_secs(86_400);
    let id = Digest::from_bytes([9; 32]);
    let lease = Lease::new(now, now.after(day), now.after(2 * day), None);
    let create = Commit::new(id, now, Step::create(now, lease));
    assert!(store.commit(create).await.unwrap().is_done());
    store.close().await.unwrap();
    let said = over(text(&path), &["verify"]).ends(1);
    assert!(said.out.contains("was seen in the future"), "{said:?}");
    assert!(said.out.starts_with(&kit::hex(id)), "{said:?}");
}

#[tokio::test]
async fn what_has_expired_is_swept() {
    let (_dir, path) = place();
    let store = FjallStore::builder().sweep_every(None).open(&path).unwrap();
    let long_ago = Clock::manual(Timestamp::from_millis(1_000));
    let sessions = Sessions::builder(store.clone(), Keyring::generate().unwrap())
        .expiry(Expiry::idle(Duration::from_secs(60)))
        .clock(long_ago)
        .build()
        .unwrap();
    sign_in(&sessions, 7).await;
    store.close().await.unwrap();
    let path = text(&path);
    assert_eq!(over(path, &["count"]).ok().out, "0 sessions live\n");
    let swept = "1 session expired and removed\n";
    assert_eq!(over(path, &["sweep"]).ok().out, swept);
    let swept = over(path, &["--json", "sweep"]).ok().objects();
    assert_eq!(swept, [serde_json::json!({ "swept": 0 })]);
}

#[tokio::test]
async fn copied_sessions_are_those_that_they_were() {
    let (_dir, path) = place();
    let store = FjallStore::open(&path).unwrap();
    let before = sessions(store.clone());
    let (handle, request) = sign_in(&before, 7).await;
    store.close().await.unwrap();
    let (_other, to) = place();
    let copy = ["copy", text(&path), text(&to), "--index", "user_id"];
    let said = run(&copy).ok();
    assert_eq!(said.out, "copied: 1, left alone: 0, failed: 0\n");
    assert_eq!(said.err, "", "no progress without a terminal");
    let said = run(&copy).ok();
    assert_eq!(said.out, "copied: 0, left alone: 1, failed: 0\n");
    over(text(&to), &["verify", "--index", "user_id"]).ok();

    let after = sessions(FjallStore::open(&to).unwrap());
    let session = after.begin_typed::<Shop>(&request).unwrap();
    assert_eq!(session.secret().await.unwrap().as_deref(), Some(SECRET));
    assert_eq!(session.handle(), Some(handle));
    let mut found = after.find(Shop::USER_ID, &7);
    assert_eq!(found.next_page().await.unwrap().unwrap().len(), 1);
    let stranger = after.begin(&HeaderMap::new());
    assert_eq!(stranger.handle(), None);
}

/// Lists many pages of sessions. If the reader closes the pipe, the program stops.
#[tokio::test]
async fn more_sessions_than_a_page_holds_are_listed_page_by_page() {
    const SESSIONS: usize = 2_000;
    let (_dir, path) = place();
    let store = FjallStore::open(&path).unwrap();
    let sessions = sessions(store.clone());
    let mut all = Vec::new();
    for _ in 0..SESSIONS {
        all.push(sign_in(&sessions, 7).await.0);
    }
    store.close().await.unwrap();
    let path = text(&path);
    let listed = over(path, &["list"]).ok();
    assert_eq!(listed.lines().len(), SESSIONS, "each once");
    assert_eq!(handles(&listed), texts(&all));
    let found = over(path, &["find", "user_id", "7"]).ok();
    assert_eq!(found.lines().len(), SESSIONS);
    assert_eq!(handles(&found), texts(&all));
    let said = over(path, &["verify", "--index", "user_id"]).ok();
    assert_eq!(said.out, format!("verified: {SESSIONS}, findings: 0\n"));

    let mut program = program();
    program.args(["--store", path, "list", "--fields"]);
    let mut child = program.stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line.split_whitespace().next().map(str::len), Some(64));
    drop(reader);
    assert!(child.wait().unwrap().success(), "as with `head`");
    let ended = over(path, &["end-all", "user_id", "7"]).ok();
    assert_eq!(ended.out, format!("{SESSIONS} sessions ended\n"));
}
