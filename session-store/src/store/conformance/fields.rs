//! Fields: each on its own, whatever its name and its bytes.

use super::kit::*;
use crate::store::{Commit, Digest, Fields, Loaded, Select, Snapshot, Step, TableView};

/// A commit changes the fields it names and no other (requirement F01).
pub async fn a_commit_changes_only_the_fields_it_names(store: Subject) {
    let bench = Bench::new(store);
    let id = bench
        .session(&[set("a", "1"), set("b", "2"), set("c", "3")])
        .await;
    let neighbour = bench.session(&[set("a", "n")]).await;
    done(
        bench
            .write(
                id,
                &[
                    set("a", "x"),
                    remove("b"),
                    remove("never there"),
                    set("d", "4"),
                ],
            )
            .await,
        "a commit of a live session",
    );
    assert_eq!(
        bench.fields(id, bench.start).await,
        map([("a", "x"), ("c", "3"), ("d", "4")]),
        "a commit changes the fields that it names"
    );
    assert_eq!(
        bench.fields(neighbour, bench.start).await,
        map([("a", "n")]),
        "a commit changes no other session"
    );
    assert_eq!(
        bench.live(id, bench.start).await.meta.lease,
        bench.lease(0),
        "a commit without a lease moves no deadline"
    );
    done(bench.write(id, &[]).await, "a commit that changes nothing");
    done(
        bench.write(id, &[set("b", "again")]).await,
        "a field that was removed can be set again",
    );
    assert_eq!(bench.fields(id, bench.start).await.len(), 4, "and is there");
}

/// A view of a session's fields knows when it no longer shows what is stored. A store that answers none has nothing
/// to know.
pub async fn a_view_knows_when_it_is_of_the_past(store: Subject) {
    let bench = Bench::new(store);
    let end = bench.start.after(LIFE);
    let (writes, removal) = ([set("a", "x")], [remove("b")]);
    let keep = |id| bench.commit(id, Step::Keep);
    let renew = |former_works_until| Step::Renew {
        to: fresh(),
        former_works_until,
    };
    type Change<'a> = (&'a str, Box<dyn Fn(Digest) -> Commit<'a> + 'a>);
    let changes: [Change<'_>; 7] = [
        (
            "a field that is set",
            Box::new(|id| Commit {
                writes: &writes,
                ..keep(id)
            }),
        ),
        (
            "a field that is removed",
            Box::new(|id| Commit {
                writes: &removal,
                ..keep(id)
            }),
        ),
        ("a destroy", Box::new(|id| bench.commit(id, Step::Destroy))),
        ("a renewal", Box::new(|id| bench.commit(id, renew(None)))),
        (
            "a renewal with a grace",
            Box::new(|id| bench.commit(id, renew(Some(bench.at(60))))),
        ),
        (
            "a renewal that writes",
            Box::new(|id| Commit {
                writes: &writes,
                ..bench.commit(id, renew(None))
            }),
        ),
        (
            "a clear",
            Box::new(|id| Commit {
                clear: true,
                ..keep(id)
            }),
        ),
    ];
    for (what, change) in changes {
        let id = bench.session(&[set("a", "1"), set("b", "2")]).await;
        let Some(view) = view(&bench, id).await else {
            continue;
        };
        assert!(view.is_current(), "nothing has changed: {what}");
        bench.load(id, Select::All, bench.start).await;
        assert!(view.is_current(), "reading changes nothing");
        done(bench.apply(change(id)).await, what);
        assert!(!view.is_current(), "{what} makes a view one of the past");
        assert_eq!(
            view.get("a").flatten().as_deref(),
            Some(&b"1"[..]),
            "what it shows stays as it was: {what}"
        );
    }
    let id = bench.session(&[set("a", "1")]).await;
    if let Some(view) = view(&bench, id).await {
        assert!(bench.store.sweep(end, 10_000).await.is_ok());
        assert!(
            !view.is_current(),
            "what expired and was swept is of the past"
        );
    }
    let id = bench.session(&[set("a", "1")]).await;
    if let Some(view) = view(&bench, id).await {
        assert!(bench.store.close().await.is_ok());
        assert!(!view.is_current(), "a closed store has nothing to show");
    }
}

async fn view(bench: &Bench, id: Digest) -> Option<TableView> {
    match bench.load(id, Select::Names(&["a"]), bench.start).await {
        Loaded::Live(Snapshot {
            fields: Fields::View(view),
            ..
        }) => Some(view),
        _ => None,
    }
}

/// `clear` removes every field, also those that others wrote, before the writes of the same commit.
pub async fn clear_removes_everything_before_the_writes(store: Subject) {
    let bench = Bench::new(store);
    let id = bench
        .session(&[set("a", "1"), set("b", "2"), set_indexed("c", "3", "entry")])
        .await;
    let writes = [set("b", "x"), remove("c"), set("d", "4")];
    let commit = Commit {
        clear: true,
        writes: &writes,
        ..bench.commit(id, Step::Keep)
    };
    done(bench.apply(commit).await, "a commit that clears");
    assert_eq!(
        bench.fields(id, bench.start).await,
        map([("b", "x"), ("d", "4")]),
        "what a clearing commit sets is all that is left"
    );
    assert!(
        bench.found("c", b"entry", bench.start).await.is_empty(),
        "`clear` removes index entries"
    );
    done(
        bench
            .apply(Commit {
                clear: true,
                ..bench.commit(id, Step::Keep)
            })
            .await,
        "a commit that only clears",
    );
    assert!(
        bench.fields(id, bench.start).await.is_empty(),
        "a cleared session has no fields"
    );
    bench.live(id, bench.start).await;
    let writes = [set("e", "5")];
    let mut create = bench.commit(fresh(), bench.create());
    (create.clear, create.writes) = (true, &writes);
    let new = create.id;
    done(bench.apply(create).await, "a create that clears, too");
    assert_eq!(
        bench.fields(new, bench.start).await,
        map([("e", "5")]),
        "it has what it sets"
    );
}

/// Fields come in the order that they are asked for, as often as they are asked for.
pub async fn fields_come_in_the_order_that_they_are_asked_for(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "1"), set("b", "2")]).await;
    let names = ["b", "missing", "a", "b"].map(name);
    let values = bench.named(id, &names, bench.start).await;
    let values: Vec<_> = values.iter().map(|value| value.as_deref()).collect();
    assert_eq!(
        values,
        [Some(&b"2"[..]), None, Some(b"1"), Some(b"2")],
        "`Select::Names` is answered in its order"
    );
    assert!(
        bench.named(id, &[], bench.start).await.is_empty(),
        "no name, no value"
    );
    let loaded = bench
        .load(fresh(), Select::Names(&["b", "missing"]), bench.start)
        .await;
    assert!(
        matches!(loaded, Loaded::Missing),
        "fields of nothing are `Missing`, not {loaded:?}"
    );
}

/// Any string is a name of its own: empty, huge, with NUL, and whatever a store may use to separate its keys.
pub async fn any_string_names_a_field(store: Subject) {
    let bench = Bench::new(store);
    let huge = "k".repeat(64 * 1024);
    let huger = format!("{huge}k");
    let names = [
        "",
        "a",
        "ab",
        "abc",
        "A",
        "a:",
        "a:b",
        ":",
        "a/b",
        "a.b",
        "a\0",
        "a\0b",
        "\0",
        "\0\0",
        "a b",
        " a",
        "a ",
        "\n",
        "*",
        "?",
        "[a]",
        "{a}",
        "%61",
        "é",
        "e\u{301}",
        "日本",
        "\u{10ffff}",
        "\u{7f}",
        "meta",
        "data",
        "_",
        "__meta",
        "__proto__",
        "$",
        "#",
        "'",
        "\"",
        "\\",
        &huge[..250],
        &huge[..251],
        &huge[..255],
        &huge[..256],
        &huge[..65_535],
        &huge,
        &huger,
    ];
    let writes: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| set(name, n.to_string()))
        .collect();
    let id = bench.session(&writes).await;
    let neighbour = bench.session(&writes[..4]).await;
    let expect = |skip: Option<usize>| {
        names
            .iter()
            .enumerate()
            .filter(|(n, _)| Some(*n) != skip)
            .map(|(n, name)| ((*name).to_owned(), n.to_string().into_bytes()))
            .collect()
    };
    assert_eq!(
        bench.fields(id, bench.start).await,
        expect(None),
        "any string names a field of its own"
    );
    for (n, name) in names.iter().enumerate() {
        done(
            bench.write(id, &[remove(name)]).await,
            "a field of any name can be removed",
        );
        assert_eq!(
            bench.fields(id, bench.start).await,
            expect(Some(n)),
            "removing {:?} removes no other field",
            name.get(..9).unwrap_or(name)
        );
        done(
            bench.write(id, &[set(name, n.to_string())]).await,
            "and set again",
        );
    }
    assert_eq!(
        bench.fields(neighbour, bench.start).await.len(),
        4,
        "another session has its own"
    );
    done(
        bench.apply(bench.commit(id, Step::Destroy)).await,
        "and be destroyed with the session",
    );
    assert_eq!(
        bench.fields(neighbour, bench.start).await.len(),
        4,
        "another session keeps its own"
    );
}

/// Values are bytes: none of them, or a mebibyte, of any content.
pub async fn values_are_any_bytes(store: Subject) {
    let bench = Bench::new(store);
    let large: Vec<u8> = (0..1 << 20).map(|n: u32| (n ^ (n >> 8)) as u8).collect();
    let id = bench
        .session(&[
            set("empty", ""),
            set("large", &large),
            set("zeros", [0; 9]),
            set("ones", [0xff; 9]),
        ])
        .await;
    let fields = bench.fields(id, bench.start).await;
    assert_eq!(fields["empty"], b"", "an empty value is a value");
    assert!(
        fields["large"] == large,
        "a value of a mebibyte comes back as it was"
    );
    assert_eq!(
        (&fields["zeros"][..], &fields["ones"][..]),
        (&[0; 9][..], &[0xff; 9][..]),
        "bytes come back as they were"
    );
    let guards = [guard("empty", Some(b"")), guard("large", Some(&large))];
    let writes = [set("large", "small"), set("empty", &large)];
    let commit = Commit {
        guards: &guards,
        writes: &writes,
        ..bench.commit(id, Step::Keep)
    };
    done(
        bench.apply(commit).await,
        "guards compare empty and large values",
    );
    let fields = bench.fields(id, bench.start).await;
    assert!(
        fields["large"] == b"small" && fields["empty"] == large,
        "large and small values replace each other"
    );
}
