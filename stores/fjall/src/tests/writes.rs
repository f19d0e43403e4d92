//! How much is written: the design promises one key for a refresh and one for an existing field.

use super::*;

/// How many keys are written meanwhile. Every version of a key counts, as it does for fjall, including removals.
fn written(store: &FjallStore, work: impl FnOnce()) -> usize {
    let keys = || {
        store.inside(|disk| {
            let keyspaces = [&disk.meta, &disk.data, &disk.due, &disk.index];
            keyspaces
                .iter()
                .map(|keyspace| keyspace.approximate_len())
                .sum::<usize>()
        })
    };
    let before = keys();
    work();
    keys() - before
}

/// The number of the journal's entries so far: fjall numbers them.
fn batches(store: &FjallStore) -> u64 {
    store.inside(|disk| disk.entries())
}

#[test]
fn a_commit_writes_what_it_changes_and_no_more() {
    for cache in [0, 100] {
        let (_dir, path) = place();
        let store = FjallStore::builder()
            .cache_sessions(cache)
            .sweep_every(None)
            .open(path)
            .unwrap();
        create(&store, id(0), &[]);
        let write = |commit: Commit<'_>| {
            let before = batches(&store);
            let keys = written(&store, || {
                let outcome = now(store.commit(commit)).unwrap();
                assert!(outcome.is_done(), "{outcome:?}");
            });
            // In one batch, or a crash could leave half of it.
            assert_eq!(
                batches(&store) - before,
                u64::from(keys > 0),
                "of {keys} keys"
            );
            keys
        };
        let keep = || commit(id(1), KEEP, &[]);
        let with = |change: Write| write(commit(id(1), KEEP, &[change]));
        let new = [set("a", "1"), indexed("user", "7", "seven")];
        assert_eq!(
            write(commit(id(1), CREATE, &new)),
            5,
            "create: record, due, two values, an index entry"
        );
        assert_eq!(write(keep()), 0, "nothing");
        assert_eq!(write(refresh(id(1), 5, 1_000)), 1, "a refresh: the record");
        assert_eq!(with(set("a", "2")), 1, "an existing field: its value");
        assert_eq!(
            with(indexed("user", "7b", "seven")),
            1,
            "the same entry: the value"
        );
        assert_eq!(with(set("b", "1")), 2, "a new field: value and record");
        let remove = || Write::remove(FieldName::from_static("b"));
        assert_eq!(with(remove()), 2, "removing a field: value and record");
        assert_eq!(with(remove()), 0, "removing an absent field");
        assert_eq!(
            with(indexed("user", "8", "eight")),
            4,
            "another entry: value, record, two entries"
        );
        assert_eq!(
            write(refresh(id(1), 6, 894)),
            2,
            "an earlier deadline: record and due"
        );
        assert_eq!(
            write(commit(id(1), renew(id(2), None), &[])),
            6,
            "a renewal: two records, two dues, two entries, no value"
        );
        assert_eq!(
            write(commit(id(2), Step::Destroy, &[])),
            5,
            "an end: two values, an entry, record, due"
        );
        assert_eq!(
            written(&store, || drop(load(&store, id(0)))),
            0,
            "reading writes nothing"
        );
    }
}
