//! Two processes with 64 tasks each on a few sessions of one server: 0 changes lost, 0 applied twice, 0 sessions
//! revived.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod kit;

use kit::{Kit, Now, digest, fresh_schema, set};
use level_session_postgres::PostgresStore;
use level_session_store::{
    Add, Commit, FieldName, Loaded, Outcome, Select, Step, Store, Value, Write, value::CounterRange,
};
use std::{
    env,
    process::{Command, Stdio},
    time::Duration,
};
use tokio::task::JoinSet;

const TASKS: u64 = 64;
const EACH: u64 = 12;

/// The sessions that all tasks add to; the others are ended by one of the processes meanwhile.
const LASTING: u8 = 4;
const ENDING: u8 = 40;

fn store(url: &str, schema: &str) -> level_session_postgres::PostgresStoreBuilder {
    let builder = PostgresStore::builder(url).schema(schema).sweep_every(None);
    builder.timeout(Duration::from_secs(120)).pool_size(16)
}

fn add(field: &'static str) -> Write {
    let add = Add {
        delta: 1,
        range: CounterRange {
            min: 0,
            max: i128::from(u32::MAX),
        },
        base: 0,
        expires: None,
    };
    Write::add(FieldName::from_static(field), add)
}

/// The second process: this program, configured by its environment.
#[test]
#[ignore = "is run by the other test"]
fn child() {
    let (url, schema) = (env::var("URL").unwrap(), env::var("SCHEMA").unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(
        &url,
        &schema,
        env::var("NODE").unwrap().parse().unwrap(),
    ));
}

/// The work of each process: add to counters, set fields of its own, end sessions and keep writing to them.
async fn work(url: &str, schema: &str, node: u64) {
    let store = store(url, schema).open().await.unwrap();
    let now = Now::new();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for n in 0..EACH {
                let id = digest((task + n) as u8 % LASTING);
                let name = FieldName::from(format!("{node}.{task}.{n}"));
                let own = Write::set(name, b"1".into());
                let writes = [add("n"), own];
                let outcome = store.commit(now.keep(id, &writes)).await.unwrap();
                assert!(outcome.is_done(), "{outcome:?}");
                // Every session is ended by one task of each process, and written to by many.
                let id = digest(LASTING + (task * EACH + n) as u8 % ENDING);
                if task == n * 5 {
                    let end = Commit::new(id, now.at(0), Step::Destroy);
                    store.commit(end).await.unwrap();
                }
                let before = store.load(id, Select::Nothing, now.at(0)).await.unwrap();
                let outcome = store.commit(now.keep(id, &[add("n")])).await.unwrap();
                if matches!(before, Loaded::Ended(_)) {
                    assert_eq!(outcome, Outcome::Gone, "an ended session is live again");
                }
            }
        });
    }
    tasks.join_all().await;
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_lose_double_and_revive_nothing() {
    let (url, schema) = (Kit::get().url(), fresh_schema());
    let builder = store(&url, &schema);
    builder.migrate().await.unwrap();
    let store = builder.open().await.unwrap();
    let now = Now::new();
    for id in 0..LASTING + ENDING {
        let created = store.commit(now.create(digest(id), &[set("a", "1")])).await;
        assert!(created.unwrap().is_done());
    }
    let children: Vec<_> = (0..2)
        .map(|node| {
            Command::new(env::current_exe().unwrap())
                .args(["--exact", "child", "--ignored"])
                .env("URL", &url)
                .env("SCHEMA", &schema)
                .env("NODE", node.to_string())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let ended = tokio::task::spawn_blocking(|| {
        let statuses = children.into_iter().map(|mut child| child.wait().unwrap());
        statuses.collect::<Vec<_>>()
    });
    for status in ended.await.unwrap() {
        assert!(status.success(), "{status}");
    }
    let (mut added, mut own) = (0, 0);
    for id in 0..LASTING {
        match store
            .load(digest(id), Select::All, now.at(0))
            .await
            .unwrap()
        {
            Loaded::Live(snapshot) => {
                for (name, bytes) in snapshot.fields.into_all().unwrap() {
                    if &*name == "n" {
                        match Value::from_stored(&bytes).unwrap().1 {
                            Value::Uint(n) => added += n,
                            other => panic!("{other:?}"),
                        }
                    } else if name.contains('.') {
                        own += 1;
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }
    let expected = 2 * TASKS * EACH;
    assert_eq!(
        u128::from(expected),
        added,
        "additions lost or applied twice"
    );
    assert_eq!(expected, own, "fields lost");
    let mut dead = 0;
    for id in LASTING..LASTING + ENDING {
        let loaded = store
            .load(digest(id), Select::All, now.at(0))
            .await
            .unwrap();
        dead += usize::from(matches!(loaded, Loaded::Ended(_)));
    }
    assert!(dead > 5, "{dead} were ended");
}
