//! The store of this crate under the conformance suite, and the suite itself.

mod broken;
mod moving;

use super::MemoryStore;
use crate::{
    Commit, Digest, Op, Step, Store, Timeouts, Timestamp, Write,
    conformance::{self, InTurn, model},
};
use proptest::prelude::*;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

crate::conformance_tests!(memory, MemoryStore::new(), pair: {
    let store = Arc::new(MemoryStore::new());
    (Arc::clone(&store), store)
});

// Homes, waiting, and all fields where some are requested: behaviour that a remote store may have.
crate::conformance_tests!(remote, broken::Remote::new());

// A promise that examines other sessions would fail here, or take too long.
crate::conformance_tests!(among_many_others, crowded().await);

/// A store that already holds many sessions, some of which have ended or expired.
async fn crowded() -> MemoryStore {
    let store = MemoryStore::new();
    let now = crate::Clock::system().now();
    for n in 0..3_000_u32 {
        let id = Digest::of("another session", &n.to_be_bytes());
        let life = Duration::from_secs(3600 * u64::from(n % 5));
        let step = Step::create(now, Timeouts::new(life).lease(now, now));
        let value = crate::Bytes::from(b"1");
        let writes = [Write::new("a".into(), Op::Set(value.clone())).with_index(Some(value))];
        let commit = Commit::new(id, now, step).with_writes(&writes);
        assert!(store.commit(commit).await.unwrap().is_done());
        if n % 7 == 0 {
            drop(store.commit(Commit::new(id, now, Step::Destroy)).await);
        }
    }
    store
}

/// A promise that is not on the list would not be tested on any store.
#[test]
fn every_promise_is_on_the_list() {
    let rooms = [
        include_str!("../conformance/adding.rs"),
        include_str!("../conformance/bounds.rs"),
        include_str!("../conformance/clocks.rs"),
        include_str!("../conformance/copying.rs"),
        include_str!("../conformance/dropped.rs"),
        include_str!("../conformance/expiry.rs"),
        include_str!("../conformance/fields.rs"),
        include_str!("../conformance/grace.rs"),
        include_str!("../conformance/guards.rs"),
        include_str!("../conformance/index.rs"),
        include_str!("../conformance/life.rs"),
        include_str!("../conformance/limits.rs"),
        include_str!("../conformance/paging.rs"),
        include_str!("../conformance/races.rs"),
        include_str!("../conformance/renewal.rs"),
        include_str!("../conformance/telling.rs"),
        include_str!("../conformance/upkeep.rs"),
        include_str!("../conformance/uses.rs"),
    ];
    let lines = rooms.iter().flat_map(|room| room.lines());
    let mut promises: BTreeSet<_> = lines
        .filter_map(|line| line.strip_prefix("pub async fn ")?.split_once('('))
        .map(|(name, _)| name)
        .collect();
    promises.insert("the_store_agrees_with_the_model");
    macro_rules! listed {
        (() $($promise:ident)*) => { BTreeSet::from([$(stringify!($promise)),*]) };
    }
    assert_eq!(promises, crate::__for_each_promise!(listed));
    assert!(promises.len() > 90);
}

/// Otherwise the functions would be usable through the macro alone.
#[tokio::test]
async fn the_suite_runs_without_its_macro() {
    conformance::run(async || MemoryStore::new()).await;
}

/// Two handles that take turns would prove nothing if one of them were never called.
#[tokio::test]
async fn calls_go_to_either_handle_after_either() {
    let (first, second) = (MemoryStore::new(), MemoryStore::new());
    let now = Timestamp::from_millis(1);
    for (n, store) in [&first, &second].into_iter().enumerate() {
        let step = Step::create(now, Timeouts::new(Duration::MAX).lease(now, now));
        let id = Digest::from_bytes([n as u8; 32]);
        assert!(
            store
                .commit(Commit::new(id, now, step))
                .await
                .unwrap()
                .is_done()
        );
    }
    let both = InTurn::new(first, second);
    let mut asked = Vec::new();
    for _ in 0..16 {
        let page = both.page(None, 10, now).await.unwrap();
        asked.push(page.items[0].as_bytes()[0]);
    }
    let pairs: BTreeSet<_> = asked.windows(2).map(|pair| (pair[0], pair[1])).collect();
    assert_eq!(pairs.len(), 4, "{asked:?}");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_memory_store_agrees_with_the_model(
        words in prop::collection::vec(any::<u64>(), 1..80)
    ) {
        let exact = model::Sweeps::Exact;
        block_on(model::run(&mut MemoryStore::new(), &words, exact, async |_| {}));
    }
}
