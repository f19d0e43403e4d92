//! Faults around the store: each gives a clear error, stores nothing in part, and needs no restart once it is over.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod kit;

use kit::{Kit, Now, digest, fresh_schema, guard, set};
use level_session_postgres::{PostgresStore, PostgresStoreBuilder};
use level_session_servers::{free_port, postgres::Postgres};
use level_session_store::{
    Clock, Commit, Digest, Error, ErrorKind, Loaded, Outcome, Select, Step, Store, Timeouts,
    Timestamp, Watch,
};
use std::{
    error::Error as _,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Everything that an error prints.
fn shown(error: &Error) -> String {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause} {error:?}")
}

#[track_caller]
fn says(error: &Error, what: &str) {
    assert_eq!(error.kind(), ErrorKind::Store, "{error:?}");
    assert!(shown(error).contains(what), "{}", shown(error));
}

fn settings(url: String, schema: &str) -> PostgresStoreBuilder {
    let builder = PostgresStore::builder(url).schema(schema).pool_size(4);
    builder.timeout(Duration::from_secs(20)).sweep_every(None)
}

/// A store in its own schema.
async fn store() -> (PostgresStore, String) {
    let schema = fresh_schema();
    let builder = settings(Kit::get().url(), &schema);
    builder.migrate().await.unwrap();
    (builder.open().await.unwrap(), schema)
}

fn psql(sql: &str) -> String {
    Kit::get().postgres.psql(sql).unwrap()
}

/// The address of a new role with this password.
fn role(name: &str, password: &str) -> String {
    psql(&format!("create role {name} login password '{password}'"));
    let port = Kit::get().postgres.port();
    format!("postgres://{name}:{password}@127.0.0.1:{port}/postgres")
}

#[tokio::test]
async fn without_a_server() {
    let port = free_port().unwrap();
    let url = format!("postgres://shop:hunter2@127.0.0.1:{port}/shop");
    for error in [
        PostgresStore::connect(&url).await.unwrap_err(),
        PostgresStore::builder(&url).migrate().await.unwrap_err(),
    ] {
        says(&error, "the server cannot be reached");
        assert!(!error.may_be_stored() && !shown(&error).contains("hunter2"));
    }
}

#[tokio::test]
async fn with_a_wrong_password() {
    let url = role("alice", "hunter2");
    Kit::get().postgres.ask_for_password("alice").unwrap();
    // The server reloads its configuration a moment later.
    let wrong = url.replace("hunter2", "hunter3");
    let mut answer = PostgresStore::connect(&wrong).await.unwrap_err();
    for _ in 0..500 {
        if shown(&answer).contains("28P01") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        answer = PostgresStore::connect(&wrong).await.unwrap_err();
    }
    says(&answer, "rejected the user or the password");
    assert!(!shown(&answer).contains("hunter3"));
    says(
        &PostgresStore::connect(&url).await.unwrap_err(),
        "the schema has no tables",
    );
    let elsewhere = url.replace("/postgres", "/nowhere");
    let elsewhere = elsewhere
        .replace("postgres:/", "postgres://")
        .replace(":///", "://");
    says(
        &PostgresStore::connect(elsewhere).await.unwrap_err(),
        "the database does not exist",
    );
}

#[tokio::test]
async fn without_tables_and_with_those_of_another_version() {
    let schema = fresh_schema();
    let builder = settings(Kit::get().url(), &schema);
    says(&builder.open().await.unwrap_err(), "run `migrate`");
    builder.migrate().await.unwrap();
    builder.migrate().await.unwrap();
    let store = builder.open().await.unwrap();
    for (version, advice) in [
        (0, "run `migrate`"),
        (2, "a newer level-session has made them"),
    ] {
        psql(&format!("update {schema}.version set version = {version}"));
        says(&builder.open().await.unwrap_err(), advice);
        says(&builder.migrate().await.unwrap_err(), advice);
    }
    psql(&format!("update {schema}.version set version = 1"));
    // Tables that disappear while the store is open, and come back.
    psql(&format!("alter table {schema}.session rename to gone"));
    let now = Now::new();
    let load = store.load(digest(1), Select::All, now.at(0)).await;
    says(&load.unwrap_err(), "no tables of level-session");
    let commit = store.commit(now.create(digest(1), &[])).await.unwrap_err();
    says(&commit, "no tables of level-session");
    assert!(!commit.may_be_stored());
    psql(&format!("alter table {schema}.gone rename to session"));
    assert!(
        store
            .commit(now.create(digest(1), &[]))
            .await
            .unwrap()
            .is_done()
    );
}

#[tokio::test]
async fn migrations_at_once_and_without_the_right_to_a_schema() {
    let schema = fresh_schema();
    let url = role("bob", "b");
    psql(&format!("create schema {schema} authorization bob"));
    // No right to create a schema in the database, but the schema exists.
    let builder = settings(url, &schema);
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let builder = builder.clone();
        tasks.push(tokio::spawn(async move { builder.migrate().await }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(psql(&format!("select count(*) from {schema}.version")), "1");
    let other = settings(role("carol", "c"), "nobody_has_made_it");
    says(&other.migrate().await.unwrap_err(), "lacks a privilege");
    // The failed migration left nothing behind.
    assert_eq!(
        psql("select count(*) from pg_namespace where nspname = 'nobody_has_made_it'"),
        "0"
    );
    // The shipped file creates the same tables.
    let by_hand = settings(Kit::get().url(), "by_hand");
    psql(&by_hand.schema_sql().unwrap());
    by_hand.migrate().await.unwrap();
    by_hand.open().await.unwrap();
}

#[tokio::test]
async fn without_rights() {
    let (store, schema) = store().await;
    let now = Now::new();
    store
        .commit(now.create(digest(1), &[set("a", "1")]))
        .await
        .unwrap();
    let url = role("dave", "d");
    let builder = settings(url, &schema);
    says(&builder.open().await.unwrap_err(), "lacks a privilege");
    psql(&format!(
        "grant usage on schema {schema} to dave; grant select on all tables in schema {schema} to dave"
    ));
    let theirs = builder.open().await.unwrap();
    builder.migrate().await.unwrap();
    let load = theirs
        .load(digest(1), Select::All, now.at(0))
        .await
        .unwrap();
    assert!(matches!(load, Loaded::Live(_)));
    for commit in [
        now.create(digest(2), &[]),
        now.keep(digest(1), &[set("a", "2")]),
        Commit::new(digest(1), now.at(0), Step::Destroy),
    ] {
        let error = theirs.commit(commit).await.unwrap_err();
        says(&error, "lacks a privilege");
        assert!(!error.may_be_stored());
    }
    assert_eq!(
        now.field(&store, digest(1), "a").await.as_deref(),
        Some("1")
    );
    // The privileges that the file lists are enough, also for large values.
    psql(&format!(
        "grant insert, update, delete on {schema}.session, {schema}.value to dave"
    ));
    let large = "x".repeat(5_000);
    let writes = [set("a", &large)];
    assert!(
        theirs
            .commit(now.keep(digest(1), &writes))
            .await
            .unwrap()
            .is_done()
    );
    let renewed = Step::renew(digest(9), now.lease(), None);
    let renewal = Commit::new(digest(1), now.at(0), renewed);
    assert!(theirs.commit(renewal).await.unwrap().is_done());
    assert_eq!(now.field(&theirs, digest(9), "a").await, Some(large));
    let writes = [set("a", "small")];
    assert!(
        theirs
            .commit(now.keep(digest(9), &writes))
            .await
            .unwrap()
            .is_done()
    );
    assert_eq!(psql(&format!("select count(*) from {schema}.value")), "0");
    theirs.sweep(now.at(0), 10).await.unwrap();
}

/// A full disk, simulated by a trigger that raises the server's error: filling a disk takes a disk of its own.
#[tokio::test]
async fn with_a_full_disk() {
    let (store, schema) = store().await;
    let now = Now::new();
    store
        .commit(now.create(digest(1), &[set("a", "1")]))
        .await
        .unwrap();
    psql(&format!(
        "create function {schema}.no_room() returns trigger language plpgsql as $$ begin \
         raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$; \
         create trigger no_room before insert or update or delete on {schema}.session execute function {schema}.no_room()"
    ));
    for commit in [
        now.create(digest(2), &[]),
        now.keep(digest(1), &[set("a", "2")]),
    ] {
        let error = store.commit(commit).await.unwrap_err();
        says(&error, "the server's disk is full");
        assert!(!error.may_be_stored());
    }
    assert_eq!(
        now.field(&store, digest(1), "a").await.as_deref(),
        Some("1"),
        "reads still work"
    );
    psql(&format!("drop trigger no_room on {schema}.session"));
    assert!(
        store
            .commit(now.create(digest(2), &[]))
            .await
            .unwrap()
            .is_done()
    );
}

/// A transaction of another client that holds a row.
async fn holding(schema: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&Kit::get().url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let lock = format!("begin; select from {schema}.session for update");
    client.batch_execute(&lock).await.unwrap();
    client
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_and_stores_nothing() {
    let schema = fresh_schema();
    let builder = settings(Kit::get().url(), &schema);
    builder.migrate().await.unwrap();
    let short = builder.timeout(Duration::from_millis(300));
    let by_server = short.open().await.unwrap();
    let by_us = short.pgbouncer(true).open().await.unwrap();
    let now = Now::new();
    by_server
        .commit(now.create(digest(1), &[set("a", "1")]))
        .await
        .unwrap();
    let writes = [set("a", "2")];
    let holder = holding(&schema).await;
    let error = by_server
        .commit(now.keep(digest(1), &writes))
        .await
        .unwrap_err();
    says(&error, "exceeded its time limit");
    assert!(!error.may_be_stored(), "the server has cancelled it");
    assert_eq!(
        now.field(&by_server, digest(1), "a").await.as_deref(),
        Some("1")
    );
    // If the server has no time limit, the outcome is unknown.
    let error = by_us
        .commit(now.keep(digest(1), &writes))
        .await
        .unwrap_err();
    says(&error, "did not respond within");
    assert!(error.may_be_stored());
    holder.batch_execute("rollback").await.unwrap();
    for store in [by_server, by_us] {
        assert!(
            store
                .commit(now.keep(digest(1), &writes))
                .await
                .unwrap()
                .is_done()
        );
    }
}

#[tokio::test]
async fn a_connection_that_is_killed_leaves_doubt_and_no_damage() {
    let (store, schema) = store().await;
    let now = Now::new();
    store
        .commit(now.create(digest(1), &[set("a", "1")]))
        .await
        .unwrap();
    for round in 0..3 {
        let holder = holding(&schema).await;
        let writes = [set("a", "2"), set("b", "2")];
        let (answer, ()) = tokio::join!(store.commit(now.keep(digest(1), &writes)), async {
            // As soon as it waits for the row lock.
            let waits = format!(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                 where wait_event_type = 'Lock' and query like '%{schema}%'"
            );
            let mut killed = "0".to_owned();
            for _ in 0..500 {
                let waits = waits.clone();
                killed = tokio::task::spawn_blocking(move || psql(&waits))
                    .await
                    .unwrap();
                if killed != "0" {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_ne!(killed, "0", "round {round}");
        });
        let error = answer.unwrap_err();
        assert!(error.may_be_stored(), "{error:?}");
        holder.batch_execute("rollback").await.unwrap();
        assert_eq!(
            now.field(&store, digest(1), "a").await.as_deref(),
            Some("1")
        );
        assert_eq!(now.field(&store, digest(1), "b").await, None);
    }
    // All connections of the pool, while they are idle. A read gets a new one, and the closed ones are noticed
    // meanwhile.
    let all = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%{schema}%' and pid <> pg_backend_pid()"
    );
    tokio::task::spawn_blocking(move || psql(&all))
        .await
        .unwrap();
    let value = now.field(&store, digest(1), "a").await;
    assert_eq!(value.as_deref(), Some("1"));
    let writes = [set("a", "3")];
    let kept = store.commit(now.keep(digest(1), &writes)).await;
    assert!(kept.unwrap().is_done());
}

#[tokio::test]
async fn damaged_rows_are_errors_and_stay_as_they_are() {
    let (store, schema) = store().await;
    let now = Now::new();
    let large = "large".repeat(1_000);
    let fields = [set("good", "1"), set("bad", "2"), set("large", &large)];
    let damage = [
        "fields = '[]'",
        "fields = fields || '{\"bad\": 7}'",
        "fields = fields || '{\"bad\": \"no base64!\"}'",
        "fields = fields || '{\"bad\": \"#AAAA\"}'",
        "fields = fields || '{\"bad\\u0001x\": \"\"}'",
        "seen = null",
        "idle_at = -1",
        "own_idle = -1",
        "former = '\\x00', former_until = 1",
    ];
    for (n, damage) in damage.into_iter().enumerate() {
        let id = digest(n as u8 + 1);
        store.commit(now.create(id, &fields)).await.unwrap();
        let which = format!("digest = '\\x{}'", kit::hex(id));
        psql(&format!(
            "update {schema}.session set {damage} where {which}"
        ));
        let row = format!("select * from {schema}.session where {which}");
        let before = psql(&row);
        if damage.starts_with("idle_at") {
            // The row claims to be long dead.
        } else {
            let error = store.load(id, Select::All, now.at(0)).await.unwrap_err();
            says(&error, "damaged");
        }
        let guards = [guard("bad", "3")];
        let keep = now.keep(id, &[]).with_guards(&guards);
        match store.commit(keep).await {
            Err(error) => says(&error, "damaged"),
            other => assert!(
                matches!(other, Ok(Outcome::Gone | Outcome::Conflict(_))),
                "{damage}: {other:?}"
            ),
        }
        assert_eq!(psql(&row), before, "{damage}");
        if n == 2 {
            // A damaged field does not affect the others.
            assert_eq!(now.field(&store, id, "good").await.as_deref(), Some("1"));
            assert_eq!(
                now.field(&store, id, "large").await.as_deref(),
                Some(&*large)
            );
            let bad = store
                .load(id, Select::Names(&["bad"]), now.at(0))
                .await
                .unwrap_err();
            assert_eq!(bad.field(), Some("bad"));
        }
    }
    let id = digest(100);
    store.commit(now.create(id, &fields)).await.unwrap();
    psql(&format!("delete from {schema}.value"));
    let lost = store
        .load(id, Select::Names(&["large"]), now.at(0))
        .await
        .unwrap_err();
    assert_eq!(lost.field(), Some("large"));
    assert_eq!(now.field(&store, id, "good").await.as_deref(), Some("1"));
}

/// The server's own text of an error prints the row.
#[tokio::test]
async fn an_error_shows_no_row() {
    let (store, schema) = store().await;
    let now = Now::new();
    psql(&format!(
        "alter table {schema}.session add check (fields = '{{}}')"
    ));
    let error = store
        .commit(now.create(digest(0xAB), &[set("a", "hunter2")]))
        .await
        .unwrap_err();
    says(&error, "23514");
    let text = shown(&error);
    for secret in ["hunter2", "aHVudGVyMg", "abab", "Failing row"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// A server that goes away with all connections, by a kill and by an orderly shutdown, and comes back.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_the_server_nothing_of_ours_is_restarted() {
    let mut server = Postgres::start(&[]).unwrap();
    let schema = fresh_schema();
    let builder = settings(server.url(), &schema).timeout(Duration::from_secs(5));
    builder.migrate().await.unwrap();
    let store = builder.clone().tell_ended(true).open().await.unwrap();
    let now = Now::new();
    store
        .commit(now.create(digest(1), &[set("a", "0")]))
        .await
        .unwrap();
    for round in 1..4 {
        let value = round.to_string();
        assert!(
            store
                .commit(now.keep(digest(1), &[set("a", &value)]))
                .await
                .unwrap()
                .is_done()
        );
        match round {
            1 => server.stop().unwrap(),
            _ => server.kill().unwrap(),
        }
        let error = store
            .load(digest(1), Select::All, now.at(0))
            .await
            .unwrap_err();
        says(&error, "the server cannot be reached");
        let error = store
            .commit(now.keep(digest(1), &[set("a", "lost")]))
            .await
            .unwrap_err();
        says(&error, "the server cannot be reached");
        assert!(!error.may_be_stored(), "nothing was sent");
        server.resume().unwrap();
        assert_eq!(
            now.field(&store, digest(1), "a").await,
            Some(value),
            "an acknowledged commit is stored"
        );
    }
    // Ends by other processes are reported again once the listening connection is reopened.
    let other = builder.tell_ended(true).open().await.unwrap();
    let told: Arc<Mutex<Vec<Digest>>> = Arc::default();
    let watch: Arc<Watch> = Arc::new({
        let told = Arc::clone(&told);
        move |id: Digest| told.lock().unwrap().push(id)
    });
    store.watch_ended(Arc::downgrade(&watch));
    let mut heard = false;
    for n in 0..600_u32 {
        let id = Digest::of("test", &n.to_le_bytes());
        other.commit(now.create(id, &[])).await.unwrap();
        let end = Commit::new(id, now.at(0), Step::Destroy);
        other.commit(end).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        heard = told.lock().unwrap().contains(&id);
        if heard {
            break;
        }
    }
    assert!(heard, "no end is reported after a restart");
    store.close().await.unwrap();
}

/// A standby accepts no writes; after a failover the store continues with the promoted server.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_refuses_writes_until_it_is_promoted() {
    let mut primary = Postgres::start(&["wal_keep_size=64MB"]).unwrap();
    let schema = fresh_schema();
    settings(primary.url(), &schema).migrate().await.unwrap();
    let standby = primary.standby().unwrap();
    let both = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        primary.port(),
        standby.port()
    );
    let store = settings(both, &schema).open().await.unwrap();
    let now = Now::new();
    store
        .commit(now.create(digest(1), &[set("a", "1")]))
        .await
        .unwrap();
    let reader = settings(standby.url(), &schema).open().await.unwrap();
    let mut follows = false;
    for _ in 0..1_000 {
        let loaded = reader
            .load(digest(1), Select::Nothing, now.at(0))
            .await
            .unwrap();
        follows = matches!(loaded, Loaded::Live(_));
        if follows {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(follows, "the standby follows");
    for error in [
        reader
            .commit(now.keep(digest(1), &[set("a", "2")]))
            .await
            .unwrap_err(),
        reader.commit(now.create(digest(2), &[])).await.unwrap_err(),
        reader.sweep(now.at(0), 10).await.unwrap_err(),
    ] {
        says(&error, "accepts no writes");
        assert!(!error.may_be_stored());
    }
    primary.kill().unwrap();
    standby.promote().unwrap();
    assert_eq!(
        now.field(&store, digest(1), "a").await.as_deref(),
        Some("1")
    );
    assert!(
        store
            .commit(now.keep(digest(1), &[set("a", "2")]))
            .await
            .unwrap()
            .is_done()
    );
    assert!(
        reader
            .commit(now.keep(digest(1), &[set("a", "3")]))
            .await
            .unwrap()
            .is_done()
    );
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused_with_a_sentence() {
    let builder = || PostgresStore::builder(Kit::get().url());
    for refused in [
        builder().schema("a b"),
        builder().pool_size(0),
        builder().timeout(Duration::ZERO),
        builder().sweep_every(Some(Duration::ZERO)),
        builder().pgbouncer(true).tell_ended(true),
        PostgresStore::builder("postgres://u:hunter2@h:x/d"),
    ] {
        let error = refused.open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        let text = format!("{refused:?} {}", shown(&error));
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// If an outage stopped the sweeper for good, the disk would fill up (requirement F08).
#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_survives_errors() {
    let schema = fresh_schema();
    let builder = settings(Kit::get().url(), &schema).sweep_every(Some(Duration::from_millis(20)));
    builder.migrate().await.unwrap();
    let store = builder.open().await.unwrap();
    let long_ago = Clock::system().now().as_millis() - 3 * 3_600_000;
    let then = Timestamp::from_millis(long_ago);
    let lease = Timeouts::new(Duration::from_secs(60)).lease(then, then);
    let count = format!("select count(*) from {schema}.session");
    for round in 1..=2 {
        let create = Commit::new(digest(round), then, Step::create(then, lease));
        assert!(store.commit(create).await.unwrap().is_done());
        let mut left = String::new();
        for _ in 0..1_000 {
            left = psql(&count);
            if left == "0" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(left, "0", "round {round}");
        psql(&format!("alter table {schema}.session rename to gone"));
        tokio::time::sleep(Duration::from_millis(200)).await;
        psql(&format!("alter table {schema}.gone rename to session"));
    }
}

/// Prevents a shutdown that never ends because a request is held up elsewhere.
#[tokio::test]
async fn a_held_commit_does_not_block_close() {
    let schema = fresh_schema();
    let settings = settings(Kit::get().url(), &schema).timeout(Duration::from_secs(2));
    settings.migrate().await.unwrap();
    let store = settings.open().await.unwrap();
    let commit = Commit::new(digest(1), Timestamp::from_millis(1), Step::Destroy);
    let mut held = store.commit(commit);
    std::future::poll_fn(|cx| {
        let polled = std::pin::Pin::new(&mut held).poll(cx);
        assert!(polled.is_pending(), "there is nothing to hold");
        std::task::Poll::Ready(())
    })
    .await;
    let closed = tokio::time::timeout(Duration::from_secs(60), store.close()).await;
    closed.expect("a held commit blocks `close`").unwrap();
    store.commit(commit).await.unwrap_err();
}
