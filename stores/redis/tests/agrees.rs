//! The script agrees with the rules in Rust: on random sequences of commits, and on the bytes of counters.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{builder, server, work::*};
use level_session_redis::{RedisStore, Safety};
use level_session_store::{
    Add, Bytes, Digest, ErrorKind, FieldName, Loaded, Outcome, Select, Store, Timestamp, Watch,
    Write,
    conformance::model,
    value::{CounterRange, Value},
};
use proptest::{prelude::*, test_runner::TestRunner};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn the_store_agrees_with_the_model_also_when_it_is_opened_anew() {
    let Some(server) = server("redis") else {
        return;
    };
    let runtime = runtime();
    let settings = builder();
    let open = async || settings.clone().connect(&server.url()).await.unwrap();
    TestRunner::new(config(60))
        .run(&prop::collection::vec(any::<u64>(), 1..60), |words| {
            runtime.block_on(async {
                let mut store = open().await;
                let reopen = async |store: &mut RedisStore| {
                    store.close().await.unwrap();
                    *store = open().await;
                };
                model::run(&mut store, &words, model::Sweeps::AsItSeesFit, reopen).await;
            });
            Ok(())
        })
        .unwrap();
}

/// Numbers at which something changes: the encoding, the script's precision, the range of a type.
fn numbers() -> impl Strategy<Value = i128> {
    let around = [
        0i128,
        250,
        251,
        65_535,
        65_536,
        1 << 31,
        1 << 32,
        1 << 51,
        1 << 52,
        1 << 53,
        1 << 62,
        1 << 63,
        1 << 64,
        1 << 100,
        i128::MAX - 3,
    ];
    (
        prop::sample::select(around.to_vec()),
        -3i128..=3,
        any::<bool>(),
    )
        .prop_map(|(n, off, minus)| (n + off) * if minus { -1 } else { 1 })
}

fn stored() -> impl Strategy<Value = Option<Bytes>> {
    let expires = prop::option::of(prop_oneof![
        Just(now()),
        Just(Timestamp::from_millis(now().as_millis() + 1)),
        Just(Timestamp::from_millis(5)),
        Just(Timestamp::MAX)
    ]);
    let number = (numbers(), expires).prop_map(|(n, expires)| {
        let value = match u128::try_from(n) {
            Ok(n) => Value::Uint(n),
            Err(_) => Value::Int(n),
        };
        Some(value.to_stored(expires).unwrap())
    });
    let damaged = (numbers(), 0usize..20, any::<u8>()).prop_map(|(n, at, byte)| {
        let mut bytes = Value::Int(n).to_stored(Some(now())).unwrap().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        Some(Bytes::from(bytes))
    });
    let any_bytes =
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Some(Bytes::from(bytes)));
    prop_oneof![1 => Just(None), 6 => number, 2 => damaged, 1 => any_bytes]
}

/// A counter that the script calculates differently than [`Add::apply`] is wrong, or has unreadable bytes.
#[test]
fn the_script_adds_as_the_library_does() {
    let Some(server) = server("redis") else {
        return;
    };
    let runtime = runtime();
    let store = runtime.block_on(async { builder().connect(&server.url()).await.unwrap() });
    let id = id("counter");
    runtime.block_on(async { done(store.commit(create(id)).await.unwrap()) });
    let expires = prop::option::of(Just(now().after(LIFE)));
    let cases = (
        stored(),
        numbers(),
        numbers(),
        numbers(),
        numbers(),
        expires,
    );
    TestRunner::new(config(4_000))
        .run(&cases, |(stored, delta, base, one, two, expires)| {
            let range = CounterRange {
                min: one.min(two),
                max: one.max(two),
            };
            let add = Add {
                delta,
                range,
                base,
                expires,
            };
            let name = FieldName::from_static("n");
            let before = match &stored {
                Some(bytes) => Write::set(name.clone(), bytes.clone()),
                None => Write::remove(name.clone()),
            };
            runtime.block_on(async {
                done(store.commit(keep(id).with_writes(&[before])).await.unwrap());
                let expected = add.apply(stored.as_deref(), now());
                let answer = store
                    .commit(keep(id).with_writes(&[Write::add(name, add)]))
                    .await;
                let after = field(&store, id, "n").await.unwrap();
                match (expected, answer) {
                    (Ok(sum), Ok(Outcome::Done(_))) => prop_assert_eq!(after, Some(sum)),
                    (Err(expected), Err(error)) => {
                        let kind = expected.on_field(FieldName::from_static("n")).kind();
                        prop_assert_eq!(error.kind(), kind);
                        prop_assert!(kind == ErrorKind::Overflow || kind == ErrorKind::Decode);
                        prop_assert_eq!(after, stored);
                    }
                    (expected, answer) => prop_assert!(false, "{expected:?}, but {answer:?}"),
                }
                Ok(())
            })
        })
        .unwrap();
}

/// An end by another process is reported within moments, also after the connection broke, and on a Cluster.
#[tokio::test]
async fn ends_of_another_process_are_told_also_after_a_restart() {
    let Some(path) = level_session_servers::redis::program("redis") else {
        return;
    };
    let server =
        level_session_servers::redis::Server::start(&path, &["--appendonly", "yes"]).unwrap();
    let settings = builder().tell_ended(true).safety(Safety::Refuse);
    let here = settings.clone().connect(&server.url()).await.unwrap();
    let there = settings.connect(&server.url()).await.unwrap();
    let told = Arc::new((Mutex::new(Vec::new()), Notify::new()));
    let note = Arc::clone(&told);
    let watch: Arc<Watch> = Arc::new(move |id: Digest| {
        note.0.lock().unwrap().push(id);
        note.1.notify_one();
    });
    here.watch_ended(Arc::downgrade(&watch));
    done(there.commit(create(id("a"))).await.unwrap());
    done(there.commit(destroy(id("a"))).await.unwrap());
    let heard = async |id| {
        let soon = std::time::Duration::from_secs(20);
        tokio::time::timeout(soon, async {
            while !told.0.lock().unwrap().contains(&id) {
                told.1.notified().await;
            }
        })
        .await
        .expect("an end is reported");
    };
    heard(id("a")).await;
    server.stop();
    server.start_again().unwrap();
    // It listens again.
    while !server
        .say(&["PUBSUB", "NUMSUB", &channel(&server)])
        .unwrap()
        .contains(":2")
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    done(there.commit(create(id("b"))).await.unwrap());
    done(there.commit(destroy(id("b"))).await.unwrap());
    heard(id("b")).await;
}

/// The only channel.
fn channel(server: &level_session_servers::redis::Server) -> String {
    server
        .say(&["PUBSUB", "CHANNELS"])
        .unwrap()
        .trim()
        .to_owned()
}

/// Prevents: a round trip for each field of a request; and a large value that comes along with each small one.
#[tokio::test]
async fn a_small_session_is_read_whole_and_a_large_one_by_field() {
    let Some(server) = server("redis") else {
        return;
    };
    let store = builder().connect(&server.url()).await.unwrap();
    let all = async |id, name: &str| match store.load(id, Select::Names(&[name]), now()).await {
        Ok(Loaded::Live(snapshot)) => {
            let value = snapshot.fields.values(&[name]).unwrap().pop().unwrap();
            (value, snapshot.fields.into_all().is_some())
        }
        other => panic!("{other:?}"),
    };
    let (small, large) = (id("small"), id("large"));
    for (id, text) in [(small, 100), (large, 5_000)] {
        let fields = [set("a", b"1"), set("text", &vec![b'x'; text])];
        done(store.commit(create(id).with_writes(&fields)).await.unwrap());
    }
    let one = Some(Bytes::from(*b"1"));
    for _ in 0..2 {
        assert_eq!(all(small, "a").await, (one.clone(), true));
        assert_eq!(all(small, "b").await, (None, true));
    }
    assert_eq!(
        all(large, "a").await,
        (one.clone(), true),
        "it learns the size"
    );
    assert_eq!(all(large, "a").await, (one.clone(), false));

    // A field that was not requested and whose name is damaged.
    let damage = "for _, key in ipairs(redis.call('KEYS', '*')) do if redis.call('HEXISTS', key, '.a') == 1 then \
                  redis.call('HSET', key, '.\\255', 'x') end end return 'damaged'";
    let said = server.say(&["EVAL", damage, "0"]).unwrap();
    assert_eq!(said.trim(), "damaged");
    assert_eq!(all(small, "a").await, (one, false));
    let whole = store.load(small, Select::All, now()).await;
    assert_eq!(whole.unwrap_err().kind(), ErrorKind::Store);
}
