//! Finding sessions by what is in them.

use super::kit::*;
use crate::store::{Add, Commit, Lease, Op, Range, Step};

/// All sessions that live and have the entry are found, oldest first, with their times, and no others.
pub async fn sessions_are_found_by_an_entry_oldest_first(store: Subject) {
    let bench = Bench::new(store);
    let mut ids = Vec::new();
    for seconds in [30, 10, 20] {
        let id = fresh();
        let writes = [
            set_indexed("user", "7", "seven"),
            set("other", seconds.to_string()),
        ];
        let mut commit = bench.commit(
            id,
            Step::Create {
                created: bench.at(seconds),
            },
        );
        commit.writes = &writes;
        done(bench.apply(commit).await, "a session with an index entry");
        ids.push((seconds, id));
    }
    bench.session(&[set_indexed("user", "8", "eight")]).await;
    bench.session(&[set_indexed("use", "7", "rseven")]).await;
    bench.session(&[set_indexed("user2", "7", "seven")]).await;
    bench.session(&[set("user", "7")]).await;
    ids.sort_unstable();
    let expected: Vec<_> = ids.iter().map(|(_, id)| *id).collect();
    assert_eq!(
        bench.found("user", b"seven", bench.start).await,
        expected,
        "sessions are found by entry, oldest first"
    );
    assert!(
        bench.found("user", b"sev", bench.start).await.is_empty(),
        "a part of an entry is another one"
    );
    assert!(
        bench
            .found("nobody", b"seven", bench.start)
            .await
            .is_empty(),
        "another field is another index"
    );
    let found = bench
        .store
        .find("user", b"seven", bench.start)
        .await
        .expect("a look-up by index");
    for ((id, meta), (seconds, _)) in found.iter().zip(&ids) {
        assert_eq!(
            *meta,
            bench.live(*id, bench.start).await.meta,
            "a session is found with its times"
        );
        assert_eq!(
            meta.created,
            bench.at(*seconds),
            "a session is found with the time it was made"
        );
    }
}

/// An entry follows its field: replaced with it, gone with it, and left alone when others change.
pub async fn an_entry_follows_its_field(store: Subject) {
    let bench = Bench::new(store);
    let id = bench
        .session(&[
            set_indexed("user", "7", "seven"),
            set_indexed("role", "r", "seven"),
        ])
        .await;
    let has = async |field: &str, entry: &str| {
        bench.found(field, entry.as_bytes(), bench.start).await == [id]
    };
    done(
        bench.write(id, &[set("other", "1")]).await,
        "a write of another field",
    );
    assert!(
        has("user", "seven").await,
        "a write of another field leaves the entry"
    );
    done(
        bench.write(id, &[set_indexed("user", "8", "eight")]).await,
        "another value",
    );
    assert!(
        has("user", "eight").await && !has("user", "seven").await,
        "the new value's entry replaces the old one"
    );
    done(
        bench.write(id, &[set_indexed("user", "8b", "eight")]).await,
        "another value with the same entry",
    );
    assert!(
        has("user", "eight").await,
        "an entry that stays the same stays"
    );
    done(
        bench.write(id, &[set("user", "9")]).await,
        "a value without an entry",
    );
    assert!(
        !has("user", "eight").await,
        "a field that is set without an entry has none"
    );
    done(
        bench.write(id, &[set_indexed("user", "10", "ten")]).await,
        "an entry again",
    );
    done(
        bench.write(id, &[remove("user")]).await,
        "removing the field",
    );
    assert!(
        !has("user", "ten").await,
        "a field that is removed has no entry"
    );
    assert!(
        has("role", "seven").await,
        "another field's entry of the same bytes is its own"
    );
    let writes = [set_indexed("user", "11", "eleven")];
    done(
        bench
            .apply(Commit {
                clear: true,
                writes: &writes,
                ..bench.commit(id, Step::Keep)
            })
            .await,
        "`clear`",
    );
    assert!(!has("role", "seven").await, "`clear` removes entries");
    assert!(
        has("user", "eleven").await,
        "and the writes of the same commit make theirs"
    );
}

/// An addition leaves the entry of its field as it is, unless `clear` removed it before.
pub async fn an_addition_leaves_the_entry(store: Subject) {
    let bench = Bench::new(store);
    let add = Add {
        delta: 1,
        range: Range { min: 0, max: 9 },
        base: 0,
        expires: None,
    };
    let one = add.apply(None, bench.start).expect("the sum is in range");
    let id = bench.session(&[set_indexed("n", one, "entry")]).await;
    let writes = [write("n", Op::Add(add))];
    for (clear, expected) in [(false, &[id][..]), (true, &[])] {
        let commit = Commit {
            clear,
            writes: &writes,
            ..bench.commit(id, Step::Keep)
        };
        done(bench.apply(commit).await, "an addition to an indexed field");
        assert_eq!(
            bench.found("n", b"entry", bench.start).await,
            expected,
            "an addition leaves the entry, and `clear` does not: {clear}"
        );
    }
}

/// Entries lead to the new id after a renewal, and nowhere after the session has ended.
pub async fn entries_move_with_a_renewal_and_go_with_the_session(store: Subject) {
    let bench = Bench::new(store);
    let old = bench
        .session(&[
            set_indexed("user", "7", "seven"),
            set_indexed("role", "r", "admin"),
        ])
        .await;
    let new = fresh();
    let writes = [set_indexed("role", "r", "guest")];
    let step = Step::Renew {
        to: new,
        former_works_until: Some(bench.at(30)),
    };
    done(
        bench
            .apply(Commit {
                writes: &writes,
                ..bench.commit(old, step)
            })
            .await,
        "a renewal",
    );
    assert_eq!(
        bench.found("user", b"seven", bench.start).await,
        [new],
        "an entry leads to the new id, once"
    );
    assert_eq!(
        bench.found("role", b"guest", bench.start).await,
        [new],
        "so does one that the renewal brings"
    );
    assert!(
        bench.found("role", b"admin", bench.start).await.is_empty(),
        "and what it replaces is gone"
    );
    let by_former = [set_indexed("role", "r", "owner")];
    done(
        bench
            .apply(Commit {
                writes: &by_former,
                ..bench.commit(old, Step::Keep)
            })
            .await,
        "a write by the former id",
    );
    assert_eq!(
        bench.found("role", b"owner", bench.start).await,
        [new],
        "an entry by a former id leads to the session"
    );
    done(
        bench.apply(bench.commit(new, Step::Destroy)).await,
        "the end of it",
    );
    assert!(
        bench.found("user", b"seven", bench.start).await.is_empty(),
        "a destroyed session is not found"
    );
    assert!(
        bench.found("role", b"owner", bench.start).await.is_empty(),
        "by none of its entries"
    );
}

/// A session that has expired is not found, swept or not.
pub async fn an_expired_session_is_not_found(store: Subject) {
    let bench = Bench::new(store);
    let id = fresh();
    let writes = [set_indexed("user", "7", "seven")];
    let lease = Lease {
        idle_deadline: bench.at(60),
        ..bench.lease(0)
    };
    done(
        bench
            .apply(Commit {
                lease: Some(lease),
                writes: &writes,
                ..bench.commit(id, bench.create())
            })
            .await,
        "a session",
    );
    assert_eq!(
        bench.found("user", b"seven", bench.at(59)).await,
        [id],
        "a session is found until its deadline"
    );
    assert!(
        bench.found("user", b"seven", bench.at(60)).await.is_empty(),
        "a session is not found from its deadline on"
    );
    bench.sweep(bench.at(60)).await;
    assert!(
        bench.found("user", b"seven", bench.at(60)).await.is_empty(),
        "nor when it was swept"
    );
}

/// Entries and the names of indexed fields are any bytes and any string, and none is taken for another.
pub async fn entries_are_any_bytes(store: Subject) {
    let bench = Bench::new(store);
    let long = "k".repeat(70_000);
    let pairs: [(&str, &[u8]); 12] = [
        ("a", b"bc"),
        ("ab", b"c"),
        ("abc", b""),
        ("", b"abc"),
        ("", b""),
        ("a", b"\0"),
        ("a\0", b""),
        ("a", &[0xff; 300]),
        ("a", &[0xff; 301]),
        (&long, b"x"),
        (&long[1..], b"kx"),
        ("a", long.as_bytes()),
    ];
    let mut ids = Vec::new();
    for (field, entry) in pairs {
        ids.push(bench.session(&[set_indexed(field, "v", entry)]).await);
    }
    for ((field, entry), id) in pairs.iter().zip(ids) {
        assert_eq!(
            bench.found(field, entry, bench.start).await,
            [id],
            "an entry is found by its own bytes alone"
        );
    }
}
