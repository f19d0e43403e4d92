//! Finding sessions by their indexed fields.

use super::kit::*;
use crate::{Add, Clear, Digest, Step, value::CounterRange};

/// Prevents a sign-out everywhere from missing a session, or ending another user's (requirement L08): it finds all live
/// sessions with the entry, with their times, and no others.
pub async fn sessions_are_found_by_an_entry(store: Subject) {
    let case = Case::new(store);
    let (seven, eight) = (case.entry("seven"), case.entry("eight"));
    let mut ids = Vec::new();
    for seconds in [30, 10, 20] {
        let id = fresh();
        let writes = [
            set_indexed("user", "7", &seven),
            set("other", seconds.to_string()),
        ];
        let create = case.commit(id, Step::create(case.at(seconds), case.lease(seconds)));
        case.done(create.with_writes(&writes), "a session with an index entry")
            .await;
        ids.push(id);
    }
    case.session(&[set_indexed("user", "8", &eight)]).await;
    case.session(&[set_indexed("use", "7", [b"r", &seven[..]].concat())])
        .await;
    case.session(&[set_indexed("user2", "7", &seven)]).await;
    case.session(&[set("user", "7")]).await;
    ids.sort_unstable();
    let found = case.found_with_times("user", &seven, case.start).await;
    let found_ids: Vec<_> = found.iter().map(|found| found.id).collect();
    assert_eq!(found_ids, ids, "sessions are found by entry");
    for found in found {
        assert_eq!(
            found.meta,
            case.live(found.id, case.start).await.meta,
            "a session is found with its times"
        );
    }
    for (field, entry) in [
        ("user", &seven[..seven.len() - 2]),
        ("user", &[&seven[..], b"\0"].concat()),
        ("nobody", &seven),
    ] {
        assert!(
            case.found(field, entry, case.start).await.is_empty(),
            "a prefix of an entry, a longer one, and another field are different entries"
        );
    }
}

/// Prevents a session from being found by a value it no longer has: an entry is replaced and removed with its field,
/// and left alone when other fields change.
pub async fn an_entry_follows_its_field(store: Subject) {
    let case = Case::new(store);
    let [seven, eight, ten, eleven] = ["7", "8", "10", "11"].map(|text| case.entry(text));
    let id = case
        .session(&[
            set_indexed("user", "7", &seven),
            set_indexed("role", "r", &seven),
        ])
        .await;
    let has = async |field: &str, entry: &[u8]| case.found(field, entry, case.start).await == [id];
    let write = async |write, what| done(case.write(id, &[write]).await, what);
    write(set("other", "1"), "a write of another field").await;
    assert!(
        has("user", &seven).await,
        "a write of another field leaves the entry"
    );
    write(set_indexed("user", "8", &eight), "another value").await;
    assert!(
        has("user", &eight).await && !has("user", &seven).await,
        "the new value's entry replaces the old one"
    );
    write(set_indexed("user", "8b", &eight), "the same entry").await;
    assert!(
        has("user", &eight).await,
        "an entry that stays the same stays"
    );
    write(set("user", "9"), "a value without an entry").await;
    assert!(
        !has("user", &eight).await,
        "a field that is set without an entry has none"
    );
    write(set_indexed("user", "10", &ten), "an entry again").await;
    write(remove("user"), "removing the field").await;
    assert!(!has("user", &ten).await, "a removed field has no entry");
    assert!(
        has("role", &seven).await,
        "another field's entry of the same bytes is its own"
    );
    let writes = [set_indexed("user", "11", &eleven)];
    let clear = case.commit(id, Step::keep(None)).with_clear(Clear::Fields);
    case.done(clear.with_writes(&writes), "a clear").await;
    assert!(!has("role", &seven).await, "a clear removes entries");
    assert!(
        has("user", &eleven).await,
        "and the writes of the same commit add theirs"
    );
}

/// Prevents the index from losing an indexed counter: an addition leaves the entry of its field as it is, unless a
/// clear removed it before.
pub async fn an_addition_leaves_the_entry(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("entry");
    let add = Add {
        delta: 1,
        range: CounterRange { min: 0, max: 9 },
        base: 0,
        expires: None,
    };
    let one = add.apply(None, case.start).expect("the sum is in range");
    let id = case.session(&[set_indexed("n", one, &entry)]).await;
    let writes = [add_to("n", add)];
    for (clear, expected) in [(Clear::Nothing, &[id][..]), (Clear::Fields, &[])] {
        let commit = case.commit(id, Step::keep(None)).with_clear(clear);
        case.done(
            commit.with_writes(&writes),
            "an addition to an indexed field",
        )
        .await;
        assert_eq!(
            case.found("n", &entry, case.start).await,
            expected,
            "an addition leaves the entry, and a clear does not: {clear:?}"
        );
    }
}

/// Prevents a renewed session from missing in its user's list, or being listed twice: entries lead to the new id after
/// a renewal, and nowhere after the session has ended.
pub async fn entries_move_with_a_renewal_and_go_with_the_session(store: Subject) {
    let case = Case::new(store);
    let [seven, admin, guest, owner] =
        ["seven", "admin", "guest", "owner"].map(|text| case.entry(text));
    let old = case
        .session(&[
            set_indexed("user", "7", &seven),
            set_indexed("role", "r", &admin),
        ])
        .await;
    let new = case.renewed(old);
    let writes = [set_indexed("role", "r", &guest)];
    let step = Step::renew(new, case.lease(0), Some(case.at(30)));
    case.done(case.commit(old, step).with_writes(&writes), "a renewal")
        .await;
    let found = async |field: &str, entry: &[u8]| -> Vec<Digest> {
        case.found(field, entry, case.start).await
    };
    assert_eq!(
        found("user", &seven).await,
        [new],
        "an entry leads to the new id, once"
    );
    assert_eq!(
        found("role", &guest).await,
        [new],
        "so does one that the renewal brings"
    );
    assert!(
        found("role", &admin).await.is_empty(),
        "and the replaced entry is gone"
    );
    let by_former = [set_indexed("role", "r", &owner)];
    done(
        case.write(old, &by_former).await,
        "a write by the former id",
    );
    assert_eq!(
        found("role", &owner).await,
        [new],
        "an entry by a former id leads to the session"
    );
    case.done(case.commit(new, Step::Destroy), "the end of it")
        .await;
    for (field, entry) in [("user", &seven), ("role", &owner), ("role", &guest)] {
        assert!(
            found(field, entry).await.is_empty(),
            "a destroyed session is found by none of its entries"
        );
    }
}

/// Prevents an expired session from being listed among its user's, swept or not.
pub async fn an_expired_session_is_not_found(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("seven");
    let writes = [set_indexed("user", "7", &entry)];
    let id = case.session_with(case.ending(60), &writes).await;
    assert_eq!(
        case.found("user", &entry, case.at(59)).await,
        [id],
        "a session is found until its deadline"
    );
    assert!(
        case.found("user", &entry, case.at(60)).await.is_empty(),
        "a session is not found from its deadline on"
    );
    case.sweep(case.at(60)).await;
    assert!(
        case.found("user", &entry, case.at(60)).await.is_empty(),
        "nor once it was swept"
    );
}

/// Prevents a session that is used for a long time from dropping out of the index: it is found for as long as it lives.
pub async fn a_session_is_found_as_long_as_it_lives(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("seven");
    let id = case.session(&[set_indexed("user", "7", &entry)]).await;
    let day = LIFE.as_secs();
    for days in 1..40 {
        let seconds = days * (day - 1);
        case.done(case.commit_at(seconds, id, used()), "a use in time")
            .await;
        assert_eq!(
            case.found("user", &entry, case.at(seconds + day - 1)).await,
            [id],
            "a session that is used is found, after {days} days"
        );
    }
}

/// Prevents two entries from sharing a key in the store: entries are any bytes and the names of indexed fields any
/// string, long, random, or with NUL.
pub async fn entries_are_any_bytes(store: Subject) {
    let case = Case::new(store);
    let long = "k".repeat(70_000);
    let noise = random(70_000);
    let pairs: [(&str, &[u8]); 15] = [
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
        ("a", &noise),
        ("a", &noise[..69_999]),
        ("a", &noise[..5_000]),
    ];
    let mut ids = Vec::new();
    for (field, entry) in pairs {
        ids.push(case.session(&[set_indexed(field, "v", entry)]).await);
    }
    for ((field, entry), id) in pairs.iter().zip(&ids) {
        let mut found = case.found(field, entry, case.start).await;
        found.retain(|id| ids.contains(id));
        assert_eq!(
            found,
            [*id],
            "an entry is found by its own bytes alone: {:?}",
            &entry[..entry.len().min(4)]
        );
    }
}
