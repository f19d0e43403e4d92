//! The index keeps live sessions, and leaks nothing; and every key expires eventually.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{builder, server, work::*};
use level_session_store::{Bytes, Commit, Step, Store, Timeouts, Timestamp, Use};
use std::time::Duration;

const HOUR: u64 = 3_600_000;

fn at(hours: u64) -> Timestamp {
    Timestamp::from_millis(now().as_millis() + hours * HOUR / 2)
}

/// A session that is used for a long time could drop out of the index, and a sign-out everywhere would miss it.
#[tokio::test]
async fn a_session_stays_in_the_index_for_as_long_as_it_is_used() {
    let Some(server) = server("redis") else {
        return;
    };
    let store = builder().connect(&server.url()).await.unwrap();
    let user = [set("user", b"7").with_index(Some(Bytes::from(b"7")))];
    done(
        store
            .commit(create(id("a")).with_writes(&user))
            .await
            .unwrap(),
    );
    let usage = Use::new(Timeouts::new(LIFE), Duration::ZERO);
    for half_hours in 1..12 {
        let step = Step::keep(Some(usage));
        done(
            store
                .commit(Commit::new(id("a"), at(half_hours), step))
                .await
                .unwrap(),
        );
        // Other sessions are added meanwhile, and tidy up.
        let other = id(&format!("other {half_hours}"));
        let lease = Timeouts::new(LIFE).lease(at(half_hours), at(half_hours));
        let step = Step::create(at(half_hours), lease);
        done(
            store
                .commit(Commit::new(other, at(half_hours), step).with_writes(&user))
                .await
                .unwrap(),
        );
        let found = store
            .find("user", b"7", None, 100, at(half_hours))
            .await
            .unwrap();
        assert!(
            found.items.iter().any(|found| found.id == id("a")),
            "after {half_hours} half hours"
        );
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let all = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let soon = tokio::time::timeout(Duration::from_secs(20), all).await;
    assert!(soon.is_ok(), "{what}");
}

#[tokio::test]
async fn what_ends_or_changes_leaves_nothing_in_the_index() {
    let Some(server) = server("redis") else {
        return;
    };
    let store = builder()
        .prefix("tidy")
        .connect(&server.url())
        .await
        .unwrap();
    let user = |n: &'static [u8]| [set("user", n).with_index(Some(Bytes::from(n)))];
    done(
        store
            .commit(create(id("a")).with_writes(&user(b"1")))
            .await
            .unwrap(),
    );
    done(
        store
            .commit(keep(id("a")).with_writes(&user(b"2")))
            .await
            .unwrap(),
    );
    done(store.commit(renew(id("a"), id("b"))).await.unwrap());
    let entries = || server.say(&["EVAL", COUNT, "0"]).unwrap();
    until("one entry of one session", || entries() == ":1\n").await;
    assert_eq!(
        store
            .find("user", b"2", None, 9, now())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    done(store.commit(destroy(id("b"))).await.unwrap());
    until("nothing of an ended session", || entries() == ":0\n").await;
}

const COUNT: &str = "local n = 0 \
    for _, key in ipairs(redis.call('KEYS', 'tidy!*')) do n = n + redis.call('ZCARD', key) end return n";

#[tokio::test]
async fn every_key_goes_by_itself() {
    let Some(server) = server("redis") else {
        return;
    };
    let store = builder()
        .prefix("ttl")
        .connect(&server.url())
        .await
        .unwrap();
    let user = [
        set("user", b"7").with_index(Some(Bytes::from(b"7"))),
        add_one("n"),
    ];
    let used = Step::keep(Some(Use::new(Timeouts::new(LIFE), Duration::ZERO)));
    let plain = [set("a", b"1")];
    for (n, writes) in [&user[..], &plain].into_iter().enumerate() {
        let name = |part: &str| id(&format!("{part} {n}"));
        done(
            store
                .commit(create(name("a")).with_writes(writes))
                .await
                .unwrap(),
        );
        done(
            store
                .commit(keep(name("a")).with_writes(writes))
                .await
                .unwrap(),
        );
        done(
            store
                .commit(Commit::new(name("a"), at(1), used).with_writes(writes))
                .await
                .unwrap(),
        );
        let lease = Timeouts::new(LIFE).lease(now(), now());
        let grace = Step::renew(name("b"), lease, Some(at(1)));
        done(
            store
                .commit(Commit::new(name("a"), now(), grace))
                .await
                .unwrap(),
        );
        done(
            store
                .commit(create(name("c")).with_writes(writes))
                .await
                .unwrap(),
        );
        done(store.commit(destroy(name("c"))).await.unwrap());
        done(store.commit(renew(name("b"), name("d"))).await.unwrap());
    }
    let keys = "local out = {} for _, key in ipairs(redis.call('KEYS', 'ttl*')) do \
        if key ~= 'ttl@format' then out[#out + 1] = redis.call('PTTL', key) end end return out";
    let left = server.say(&["EVAL", keys, "0"]).unwrap();
    let left: Vec<i64> = left
        .lines()
        .map(|line| line[1..].parse().unwrap())
        .collect();
    assert!(left.len() >= 8, "{left:?}");
    let longest = 3 * i64::try_from(HOUR).unwrap();
    assert!(
        left.iter().all(|left| (1..=longest).contains(left)),
        "{left:?}"
    );
}
