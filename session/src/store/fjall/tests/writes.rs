//! How much is written: the design counts on one key for a refresh and one for a field that is there.

use super::*;

/// How many keys are written meanwhile. Every version of a key counts for fjall, removed ones too.
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

/// How many entries the journal has had: fjall numbers them.
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
                assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
            });
            // All at once, or a crash leaves half of it.
            assert_eq!(
                batches(&store) - before,
                u64::from(keys > 0),
                "of {keys} keys"
            );
            keys
        };
        let keep = || commit(id(1), Step::Keep, &[]);
        let with = |change: Write| write(commit(id(1), Step::Keep, &[change]));
        let new = [set("a", "1"), indexed("user", "7", "seven")];
        assert_eq!(
            write(commit(id(1), CREATE, &new)),
            5,
            "create: record, due, two values, an index entry"
        );
        assert_eq!(write(keep()), 0, "nothing");
        assert_eq!(
            write(Commit {
                lease: Some(lease(5)),
                ..keep()
            }),
            1,
            "a refresh: the record"
        );
        assert_eq!(with(set("a", "2")), 1, "a field that is there: its value");
        assert_eq!(
            with(indexed("user", "7b", "seven")),
            1,
            "the same entry: the value"
        );
        assert_eq!(with(set("b", "1")), 2, "a new field: value and record");
        let remove = || Write {
            op: Op::Remove,
            ..set("b", "")
        };
        assert_eq!(with(remove()), 2, "removing a field: value and record");
        assert_eq!(with(remove()), 0, "removing what is not there");
        assert_eq!(
            with(indexed("user", "8", "eight")),
            4,
            "another entry: value, record, two entries"
        );
        let sooner = Lease {
            idle_deadline: at(900),
            ..lease(6)
        };
        assert_eq!(
            write(Commit {
                lease: Some(sooner),
                ..keep()
            }),
            2,
            "an earlier deadline: record and due"
        );
        let renew = Step::Renew {
            to: id(2),
            former_works_until: None,
        };
        assert_eq!(
            write(commit(id(1), renew, &[])),
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
