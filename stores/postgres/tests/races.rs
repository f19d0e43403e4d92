//! Many tasks, several handles, dropped commits and clocks that differ: nothing is lost, nothing is done twice.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod kit;

use kit::{Kit, Now, digest, fresh_schema, guard, set};
use level_session_postgres::PostgresStore;
use level_session_store::{
    Add, Clock, Commit, Digest, FieldName, Loaded, Op, Outcome, Select, Step, Store, Timeouts, Use,
    Value, Watch, Write, value::CounterRange,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::JoinSet;

/// Handles of one store, as if each belonged to a different process.
async fn handles(many: usize, pooled: bool) -> (Vec<PostgresStore>, String) {
    let schema = fresh_schema();
    let url = match pooled {
        true => Kit::get().pooled(),
        false => Kit::get().url(),
    };
    let builder = PostgresStore::builder(url)
        .schema(&schema)
        .pgbouncer(pooled);
    let builder = builder.timeout(Duration::from_secs(60)).pool_size(6);
    let builder = builder.sweep_every(None);
    builder.migrate().await.unwrap();
    let mut stores = Vec::new();
    for _ in 0..many {
        stores.push(builder.open().await.unwrap());
    }
    (stores, schema)
}

fn one(seen: Option<Option<level_session_store::Bytes>>) -> Write {
    let range = CounterRange {
        min: 0,
        max: i128::from(u32::MAX),
    };
    let add = Add {
        delta: 1,
        range,
        base: 0,
        expires: None,
    };
    Write::new(FieldName::from_static("n"), Op::add(add, seen))
}

async fn count(now: Now, store: &PostgresStore, id: Digest) -> Value {
    let names = ["n"];
    match store
        .load(id, Select::Names(&names), now.at(0))
        .await
        .unwrap()
    {
        Loaded::Live(snapshot) => {
            let value = snapshot.fields.values(&names).unwrap().remove(0).unwrap();
            Value::from_stored(&value).unwrap().1
        }
        other => panic!("{other:?}"),
    }
}

/// A one-time code that two requests can take is not a one-time code (requirement F03).
async fn codes(pooled: bool) {
    const CODES: u8 = 30;
    const TAKERS: usize = 16;
    let (stores, _) = handles(2, pooled).await;
    let now = Now::new();
    // Large ones as well: those are in the separate table.
    let code = |n: u8| format!("code {n}").repeat(if n.is_multiple_of(2) { 1 } else { 400 });
    for n in 0..CODES {
        let store = &stores[0];
        store
            .commit(now.create(digest(n), &[set("otp", &code(n))]))
            .await
            .unwrap();
    }
    let mut takers = JoinSet::new();
    for taker in 0..TAKERS {
        let store = stores[taker % 2].clone();
        takers.spawn(async move {
            let mut taken = Vec::new();
            for n in 0..CODES {
                let (guards, writes) = (
                    [guard("otp", &code(n))],
                    [Write::remove(FieldName::from_static("otp"))],
                );
                let take = now.keep(digest(n), &writes).with_guards(&guards);
                match store.commit(take).await.unwrap() {
                    Outcome::Done(_) => taken.push(n),
                    Outcome::Conflict(found) => assert_eq!(found, [None]),
                    other => panic!("{other:?}"),
                }
            }
            taken
        });
    }
    let mut taken: Vec<u8> = takers.join_all().await.into_iter().flatten().collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..CODES).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_time_codes_are_taken_once() {
    codes(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_time_codes_are_taken_once_behind_pgbouncer() {
    codes(true).await;
}

/// Commits that are dropped at any moment, among others that are not: each is stored whole or not at all, and every
/// acknowledged commit is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_that_are_dropped_lose_and_double_nothing() {
    const TASKS: usize = 16;
    const EACH: usize = 30;
    let (stores, _) = handles(2, false).await;
    let now = Now::new();
    let id = digest(1);
    stores[0]
        .commit(now.create(id, &[set("a", "0"), set("b", "0")]))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = stores[task % 2].clone();
        tasks.spawn(async move {
            let mut answered = 0;
            let mut dropped = 0;
            for n in 0..EACH {
                // Both fields are set by one commit, and one of them is large now and then.
                let text = format!("{task}.{n}").repeat(if n % 5 == 0 { 300 } else { 1 });
                let writes = [set("a", &text), set("b", &text), one(None)];
                let commit = store.commit(now.keep(id, &writes));
                if n % 3 == 0 {
                    let micros = 37 * ((task * EACH + n) as u64 % 60);
                    match tokio::time::timeout(Duration::from_micros(micros), commit).await {
                        Ok(outcome) => answered += usize::from(outcome.unwrap().is_done()),
                        Err(_) => dropped += 1,
                    }
                } else {
                    assert!(commit.await.unwrap().is_done());
                    answered += 1;
                }
                let names = ["a", "b"];
                match store
                    .load(id, Select::Names(&names), now.at(0))
                    .await
                    .unwrap()
                {
                    Loaded::Live(snapshot) => {
                        let values = snapshot.fields.values(&names).unwrap();
                        assert!(
                            values[0].is_some() && values[0] == values[1],
                            "half a commit"
                        );
                    }
                    other => panic!("{other:?}"),
                }
            }
            (answered, dropped)
        });
    }
    let all = tasks.join_all().await;
    let answered: usize = all.iter().map(|(answered, _)| answered).sum();
    let dropped: usize = all.iter().map(|(_, dropped)| dropped).sum();
    assert!(dropped > 10, "{dropped} were dropped");
    // Dropped commits may still be applied: none of them takes long.
    stores[0].close().await.unwrap();
    let store = &stores[1];
    assert!(
        store
            .commit(now.keep(id, &[set("c", "end")]))
            .await
            .unwrap()
            .is_done()
    );
    let counted = count(now, store, id).await;
    let within = (answered..=answered + dropped).map(|n| Value::from(n as u64));
    assert!(
        within.into_iter().any(|n| n == counted),
        "{answered} {dropped} {counted:?}"
    );
}

/// Values that no field refers to would fill the disk; a value that a field refers to must never be removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn values_that_lie_aside_come_and_go_with_their_fields() {
    let (stores, schema) = handles(2, false).await;
    let now = Now::new();
    let texts: Vec<String> = (0..4).map(|n| format!("{n}").repeat(2_000)).collect();
    for id in 1..=4 {
        stores[0].commit(now.create(digest(id), &[])).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for task in 0..12 {
        let (store, texts) = (stores[task % 2].clone(), texts.clone());
        tasks.spawn(async move {
            for n in 0..40 {
                let id = digest((task + n) as u8 % 4 + 1);
                let field = ["a", "b", "c"][(task * 7 + n) % 3];
                // The same values under several fields, set and replaced by several.
                let writes = match (task + n) % 5 {
                    0 => [Write::remove(FieldName::from_static(field))],
                    1 => [set(field, "small")],
                    more => [set(field, &texts[(more + n) % 4])],
                };
                assert!(store.commit(now.keep(id, &writes)).await.unwrap().is_done());
                match store.load(id, Select::All, now.at(0)).await.unwrap() {
                    Loaded::Live(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    tasks.join_all().await;
    let orphans = format!(
        "select count(*) from {schema}.value v join {schema}.session s using (digest) where not exists \
         (select from jsonb_each_text(s.fields) f where f.value = '#' || encode(v.hash, 'base64'))"
    );
    // Values left over by commits that collided are removed by the next commit that replaces a value.
    for id in 1..=4 {
        for text in [&texts[0], &texts[1], "x"] {
            stores[0]
                .commit(now.keep(digest(id), &[set("a", text)]))
                .await
                .unwrap();
        }
    }
    assert_eq!(Kit::get().postgres.psql(&orphans).unwrap(), "0");
    // They are removed with the session, under whichever id it ends.
    let all = format!("select count(*) from {schema}.value");
    for id in 1..=4 {
        let large = [set("a", &texts[id as usize % 4])];
        stores[0]
            .commit(now.keep(digest(id), &large))
            .await
            .unwrap();
        let to = digest(id + 100);
        let step = Step::renew(to, now.lease(), None);
        // Written again with the same bytes, by the renewal itself.
        let renewal = Commit::new(digest(id), now.at(0), step).with_writes(&large);
        assert!(stores[1].commit(renewal).await.unwrap().is_done());
        let value = now.field(&stores[0], to, "a").await;
        assert_eq!(value.as_deref(), Some(&*texts[id as usize % 4]));
        stores[1]
            .commit(Commit::new(to, now.at(0), Step::Destroy))
            .await
            .unwrap();
    }
    assert_eq!(Kit::get().postgres.psql(&all).unwrap(), "0");
}

/// Machines whose clocks are an hour apart (requirement F12): an ended session stays ended, no use shortens a session's
/// life, and the sweep of the machine whose clock is ahead signs no user out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clocks_an_hour_apart() {
    const HOUR: u64 = 3_600;
    let (stores, _) = handles(2, false).await;
    let now = Now::new();
    let idle = Duration::from_secs(30 * 60);
    let usage = Use::new(Timeouts::new(idle), Duration::ZERO);
    let lease = |seconds| Timeouts::new(idle).lease(now.at(0), now.at(seconds));
    let at = |id, seconds, step| Commit::new(id, now.at(seconds), step);
    // The second machine is an hour ahead.
    let (right, ahead) = (&stores[0], &stores[1]);
    for id in 1..=20 {
        let create = at(digest(id), 0, Step::create(now.at(0), lease(0)));
        assert!(right.commit(create).await.unwrap().is_done());
    }
    for _ in 0..3 {
        let swept = ahead.sweep(now.at(HOUR), 1_000).await.unwrap();
        assert_eq!(swept.sessions, 0, "they are live by the correct clock");
    }
    for id in 1..=20 {
        let used = at(digest(id), 60, Step::keep(Some(usage)));
        assert!(right.commit(used).await.unwrap().is_done());
    }
    // By its own clock the second machine may reject them, and it revives none.
    let late = at(digest(1), HOUR, Step::keep(Some(usage)));
    assert_eq!(ahead.commit(late).await.unwrap(), Outcome::Gone);
    // A session that it creates is live for both; a use by the first machine does not shorten it.
    let create = at(digest(50), HOUR, Step::create(now.at(HOUR), lease(HOUR)));
    assert!(ahead.commit(create).await.unwrap().is_done());
    let used = at(digest(50), 0, Step::keep(Some(usage.with_forced(true))));
    match right.commit(used).await.unwrap() {
        Outcome::Done(done) => assert_eq!(done.meta.unwrap().lease, lease(HOUR)),
        other => panic!("{other:?}"),
    }
    // An end by either machine is an end for both.
    assert!(
        ahead
            .commit(at(digest(50), HOUR, Step::Destroy))
            .await
            .unwrap()
            .is_done()
    );
    assert!(
        right
            .commit(at(digest(2), 61, Step::Destroy))
            .await
            .unwrap()
            .is_done()
    );
    for (id, end) in [(50, HOUR), (2, 61)] {
        for store in &stores {
            for seconds in [0, 61, HOUR, HOUR + 61] {
                let loaded = store.load(digest(id), Select::All, now.at(seconds)).await;
                assert_eq!(loaded.unwrap(), Loaded::Ended(now.at(end)));
                let keep = at(digest(id), seconds, Step::keep(Some(usage)));
                assert_eq!(store.commit(keep).await.unwrap(), Outcome::Gone);
            }
        }
    }
}

/// If two nodes that sweep at once both reported a session, an application would be told twice (requirement L13).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_expired_session_is_told_by_one_of_the_nodes() {
    const SESSIONS: usize = 300;
    let (stores, schema) = handles(4, false).await;
    let long_ago = Clock::system().now().as_millis() - 3 * 3_600_000;
    let then = level_session_store::Timestamp::from_millis(long_ago);
    let lease = Timeouts::new(Duration::from_secs(60)).lease(then, then);
    let large = "x".repeat(3_000);
    for n in 0..SESSIONS {
        let id = Digest::of("test", &n.to_le_bytes());
        let writes = [set("a", if n % 3 == 0 { &large } else { "1" })];
        let create = Commit::new(id, then, Step::create(then, lease)).with_writes(&writes);
        assert!(stores[0].commit(create).await.unwrap().is_done());
    }
    let told: Arc<Mutex<BTreeMap<Digest, usize>>> = Arc::default();
    let watch: Arc<Watch> = Arc::new({
        let told = Arc::clone(&told);
        move |id: Digest| *told.lock().unwrap().entry(id).or_default() += 1
    });
    let mut tasks = JoinSet::new();
    for store in &stores {
        store.watch_expired(Arc::downgrade(&watch));
        let store = store.clone();
        tasks.spawn(async move {
            let mut swept = 0;
            for _ in 0..60 {
                swept += store
                    .sweep(Clock::system().now(), 10)
                    .await
                    .unwrap()
                    .sessions;
            }
            swept
        });
    }
    let swept: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(swept, SESSIONS);
    let told = told.lock().unwrap();
    assert_eq!(told.len(), SESSIONS);
    assert!(told.values().all(|times| *times == 1));
    for table in ["session", "value"] {
        let left = format!("select count(*) from {schema}.{table}");
        assert_eq!(Kit::get().postgres.psql(&left).unwrap(), "0", "{table}");
    }
}

/// An update of an indexed column is written to every index: using a session must not cause one.
#[tokio::test]
async fn uses_and_writes_leave_the_indexes_alone() {
    let (stores, schema) = handles(1, false).await;
    let now = Now::new();
    let id = digest(1);
    let indexed = set("user", "7").with_index(Some(level_session_store::Bytes::from(b"7")));
    stores[0]
        .commit(now.create(id, &[indexed, set("a", "0")]))
        .await
        .unwrap();
    let usage = Use::new(
        Timeouts::new(Duration::from_secs(24 * 3_600)),
        Duration::ZERO,
    );
    for n in 1..=500 {
        let step = Step::keep(Some(usage));
        let commit = Commit::new(id, now.at(n), step);
        let writes = [set("a", if n % 2 == 0 { "1" } else { "2" })];
        assert!(
            stores[0]
                .commit(commit.with_writes(&writes))
                .await
                .unwrap()
                .is_done()
        );
    }
    stores[0].close().await.unwrap();
    let asked = format!(
        "select n_tup_upd || ' ' || n_tup_hot_upd from pg_stat_user_tables \
         where schemaname = '{schema}' and relname = 'session'"
    );
    // The server updates its statistics a moment later.
    let (mut updated, mut hot) = (0.0, 0.0);
    for _ in 0..500 {
        let text = Kit::get().postgres.psql(&asked).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        (updated, hot) = (words[0].parse().unwrap(), words[1].parse().unwrap());
        if updated >= 500.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        updated >= 500.0 && hot / updated > 0.9,
        "{hot} of {updated}"
    );
}
