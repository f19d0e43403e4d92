//! Fields: independent of each other, with any name and any bytes.

use super::kit::*;
use crate::{
    Answer, Clear, Commit, Digest, Loaded, Select, Snapshot, Step, local::View,
    value::MAX_VALUE_BYTES,
};
use std::collections::BTreeMap;

/// Prevents a request from overwriting a change by another request: a commit changes the fields it names and no other
/// (requirement F01).
pub async fn a_commit_changes_only_the_fields_it_names(store: Subject) {
    let case = Case::new(store);
    let id = case
        .session(&[set("a", "1"), set("b", "2"), set("c", "3")])
        .await;
    let neighbour = case.session(&[set("a", "n")]).await;
    case.warm(id).await;
    let writes = [
        set("a", "x"),
        remove("b"),
        remove("never there"),
        set("d", "4"),
    ];
    done(
        case.write(id, &writes).await,
        "a commit of a session that lives",
    );
    assert_eq!(
        case.fields(id, case.start).await,
        map([("a", "x"), ("c", "3"), ("d", "4")]),
        "a commit changes the fields that it names"
    );
    assert_eq!(
        case.fields(neighbour, case.start).await,
        map([("a", "n")]),
        "a commit changes no other session"
    );
    assert_eq!(
        case.lease_of(id, case.start).await,
        case.lease(0),
        "a commit without a use moves no deadline"
    );
    done(case.write(id, &[]).await, "a commit that changes nothing");
    done(
        case.write(id, &[set("b", "again")]).await,
        "a field that was removed can be set again",
    );
    assert_eq!(case.fields(id, case.start).await.len(), 4, "and is there");
}

/// Prevents a request from reading stale data: a view of a session's fields knows when it no longer shows the stored
/// ones. A store that returns no views passes.
pub async fn a_view_knows_when_it_is_of_the_past(store: Subject) {
    let case = Case::new(store);
    let end = case.start.after(LIFE);
    let (writes, removal) = ([set("a", "x")], [remove("b")]);
    let keep = |id| case.commit(id, Step::keep(None));
    let renew = |id, grace| case.commit(id, Step::renew(case.renewed(id), case.lease(0), grace));
    type Change<'a> = (&'a str, Box<dyn Fn(Digest) -> Commit<'a> + 'a>);
    let changes: [Change<'_>; 8] = [
        (
            "a field that is set",
            Box::new(|id| keep(id).with_writes(&writes)),
        ),
        (
            "a field that is removed",
            Box::new(|id| keep(id).with_writes(&removal)),
        ),
        ("a destroy", Box::new(|id| case.commit(id, Step::Destroy))),
        ("a renewal", Box::new(|id| renew(id, None))),
        (
            "a renewal with a grace",
            Box::new(|id| renew(id, Some(case.at(60)))),
        ),
        (
            "a renewal that writes",
            Box::new(|id| renew(id, None).with_writes(&writes)),
        ),
        (
            "a clear of the fields",
            Box::new(|id| keep(id).with_clear(Clear::Fields)),
        ),
        (
            "a clear of everything",
            Box::new(|id| keep(id).with_clear(Clear::Everything)),
        ),
    ];
    for (what, change) in changes {
        let id = case.session(&[set("a", "1"), set("b", "2")]).await;
        let Some(view) = view(&case, id).await else {
            continue;
        };
        assert!(view.is_current(), "nothing has changed: {what}");
        case.load(id, Select::All, case.start).await;
        assert!(view.is_current(), "reading changes nothing");
        case.done(change(id), what).await;
        assert!(!view.is_current(), "{what} makes a view stale");
        assert_eq!(
            view.get("a").flatten().as_deref(),
            Some(&b"1"[..]),
            "a stale view keeps its content: {what}"
        );
    }
    let entry = case.entry("limited");
    let limited = case.session(&[set_indexed("a", "1", &entry)]).await;
    if let Some(view) = view(&case, limited).await {
        let writes = [set_indexed("a", "2", &entry)];
        let limits = [limit("a", &entry, 1, crate::WhenFull::EndOldest)];
        let create = case.commit(fresh(), case.create()).with_writes(&writes);
        case.done(create.with_limits(&limits), "a create within a limit")
            .await;
        assert!(!view.is_current(), "a limit has ended the session");
    }
    let id = case.session(&[set("a", "1")]).await;
    if let Some(view) = view(&case, id).await {
        case.sweep(end).await;
        assert!(
            !view.is_current(),
            "a view of an expired and swept session is stale"
        );
    }
    let id = case.session(&[set("a", "1")]).await;
    if let Some(view) = view(&case, id).await {
        assert!(case.store.close().await.is_ok());
        assert!(!view.is_current(), "a view of a closed store is stale");
    }
}

async fn view(case: &Case, id: Digest) -> Option<View> {
    let loaded = case.load(id, Select::Names(&["a"]), case.start).await;
    let Loaded::Live(Snapshot { fields, .. }) = loaded else {
        return None;
    };
    match fields.into_answer() {
        Answer::View(view) => Some(view),
        _ => None,
    }
}

/// Prevents data from surviving a sign-in that drops it (requirement L02): a clear removes every field, including
/// fields written by others, before the writes of the same commit.
pub async fn clear_removes_everything_before_the_writes(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("entry");
    for clear in [Clear::Fields, Clear::Everything] {
        let id = case
            .session(&[set("a", "1"), set("b", "2"), set_indexed("c", "3", &entry)])
            .await;
        case.warm(id).await;
        let writes = [set("b", "x"), remove("c"), set("d", "4")];
        let keep = case.commit(id, Step::keep(None)).with_clear(clear);
        case.done(keep.with_writes(&writes), "a commit that clears")
            .await;
        assert_eq!(
            case.fields(id, case.start).await,
            map([("b", "x"), ("d", "4")]),
            "only the fields set by a clearing commit are left"
        );
        assert!(
            case.found("c", &entry, case.start).await.is_empty(),
            "a clear removes index entries"
        );
        case.done(keep, "a commit that only clears").await;
        assert!(
            case.fields(id, case.start).await.is_empty(),
            "a cleared session has no fields"
        );
        let writes = [set("e", "5")];
        let create = case.commit(fresh(), case.create()).with_clear(clear);
        case.done(create.with_writes(&writes), "a create that clears")
            .await;
        assert_eq!(
            case.fields(create.id, case.start).await,
            map([("e", "5")]),
            "a create that clears has the fields it sets"
        );
        let new = case.renewed(id);
        case.write(id, &[set("a", "1")]).await;
        let renewal = case.commit(id, case.renew(new)).with_clear(clear);
        case.done(renewal.with_writes(&writes), "a renewal that clears")
            .await;
        assert_eq!(
            case.fields(new, case.start).await,
            map([("e", "5")]),
            "a renewal that clears keeps nothing"
        );
    }
}

/// Prevents an application's `clear` from removing the library's own fields, and a library's field from outliving the
/// session: only [`Clear::Fields`] keeps a reserved name.
pub async fn reserved_names_survive_a_clear_of_the_fields(store: Subject) {
    const RESERVED: &str = "level-session:device";
    /// Names whose bytes begin like the prefix, or are close to it.
    const OTHERS: [&str; 4] = [
        "level-session",
        "level-session;",
        "level-sessio",
        "Level-session:a",
    ];
    let case = Case::new(store);
    let entry = case.entry("device");
    let mut writes: Vec<_> = OTHERS.iter().map(|name| set(name, "1")).collect();
    writes.push(set_indexed(RESERVED, "key", &entry));
    writes.push(set("level-session:", "bare"));
    let reserved = map([(RESERVED, "key"), ("level-session:", "bare")]);
    let id = case.session(&writes).await;
    assert_eq!(
        case.fields(id, case.start).await.len(),
        OTHERS.len() + 2,
        "`Select::All` lists reserved names as any other"
    );
    let keep = case.commit(id, Step::keep(None));
    case.done(keep.with_clear(Clear::Fields), "a clear of the fields")
        .await;
    assert_eq!(
        case.fields(id, case.start).await,
        reserved,
        "`Clear::Fields` leaves what belongs to the library, and nothing else"
    );
    let found = case.found(RESERVED, &entry, case.start).await;
    assert_eq!(found, [id], "and its index entry");
    let new = case.renewed(id);
    let renewal = case.commit(id, case.renew(new)).with_clear(Clear::Fields);
    case.done(renewal, "a renewal that clears the fields").await;
    assert_eq!(
        case.fields(new, case.start).await,
        reserved,
        "also in a renewal"
    );
    let writes = [set(RESERVED, "other"), remove("level-session:")];
    let keep = case.commit(new, Step::keep(None)).with_clear(Clear::Fields);
    case.done(keep.with_writes(&writes), "a write of reserved names")
        .await;
    assert_eq!(
        case.fields(new, case.start).await,
        map([(RESERVED, "other")]),
        "a reserved name is set and removed as any other"
    );
    let keep = case.commit(new, Step::keep(None));
    case.done(keep.with_clear(Clear::Everything), "a clear of everything")
        .await;
    assert!(
        case.fields(new, case.start).await.is_empty(),
        "`Clear::Everything` removes reserved names"
    );
    let last = case.session(&[set_indexed(RESERVED, "key", &entry)]).await;
    case.done(case.commit(last, Step::Destroy), "a destroy")
        .await;
    case.assert_ended(
        last,
        case.start,
        case.start,
        "a reserved name keeps no session alive",
    )
    .await;
    let found = case.found(RESERVED, &entry, case.start).await;
    assert!(found.is_empty(), "and is found nowhere");
}

/// Prevents one field's value from being returned for another: fields are returned in the order of the request, as
/// often as they are requested.
pub async fn fields_come_in_the_order_that_they_are_asked_for(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[set("a", "1"), set("b", "2")]).await;
    let names = ["b", "missing", "a", "b"];
    let values = case.named(id, &names, case.start).await;
    let values: Vec<_> = values.iter().map(|value| value.as_deref()).collect();
    assert_eq!(
        values,
        [Some(&b"2"[..]), None, Some(b"1"), Some(b"2")],
        "`Select::Names` is answered in its order"
    );
    assert!(
        case.named(id, &[], case.start).await.is_empty(),
        "no name, no value"
    );
    let loaded = case
        .load(fresh(), Select::Names(&["b", "missing"]), case.start)
        .await;
    assert!(
        matches!(loaded, Loaded::Missing),
        "fields of nothing are `Missing`, not {loaded:?}"
    );
}

/// Prevents two names from sharing a key in the store: any string is a distinct name, whether empty, huge, with NUL, or
/// with characters that a store may use to separate its keys.
pub async fn any_string_names_a_field(store: Subject) {
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
        ".",
        ".a",
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
        "h",
        "x",
        "_",
        "__meta",
        "__proto__",
        "$",
        "#",
        "'",
        "\"",
        "\\",
        "\\u0000",
        "null",
        &huge[..250],
        &huge[..251],
        &huge[..255],
        &huge[..256],
        &huge[..65_535],
        &huge,
        &huger,
    ];
    names_are_apart(&Case::new(store), &names).await;
}

/// Prevents a store from relying on short or compressible names: these are long, random, and drawn from all of Unicode,
/// NUL included. Most differ only in their last character.
pub async fn random_names_are_apart(store: Subject) {
    let case = Case::new(store);
    let mut names = Vec::new();
    for len in [8, 100, 1_000, 3_000, 20_000] {
        let stem: String = random(4 * len).chunks(4).map(character).collect();
        let ends = ['\0', '\u{1}', 'a', 'ä', '\u{10ffff}'];
        names.extend(ends.map(|end| format!("{stem}{end}")));
        names.push(format!("\0{stem}"));
        names.push(stem);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names_are_apart(&case, &names).await;
}

/// A random character: every fourth is one of the first 256.
fn character(bytes: &[u8]) -> char {
    let n = bytes
        .iter()
        .fold(0, |n: u32, byte| n << 8 | u32::from(*byte));
    match n % 4 {
        0 => char::from(bytes[0]),
        _ => char::from_u32((n >> 2) % 0x11_0000).unwrap_or('\u{fffd}'),
    }
}

/// Sets, removes and reads a field of each name.
async fn names_are_apart(case: &Case, names: &[&str]) {
    let numbered = || names.iter().enumerate();
    let writes: Vec<_> = numbered()
        .map(|(n, name)| set(name, n.to_string()))
        .collect();
    let id = case.session(&writes).await;
    let neighbour = case.session(&writes[..4]).await;
    let expect = |skip: Option<usize>| -> BTreeMap<_, _> {
        numbered()
            .filter(|(n, _)| Some(*n) != skip)
            .map(|(n, name)| ((*name).to_owned(), n.to_string().into_bytes()))
            .collect()
    };
    assert!(
        case.fields(id, case.start).await == expect(None),
        "any string names a field of its own"
    );
    for (n, name) in numbered() {
        let short: String = name.chars().take(9).collect();
        let removed = case.write(id, &[remove(name)]).await;
        done(removed, "a field of any name can be removed");
        assert!(
            case.fields(id, case.start).await == expect(Some(n)),
            "removing {short:?} removes that field and no other"
        );
        let again = case.write(id, &[set(name, n.to_string())]).await;
        done(again, "and set again");
    }
    assert_eq!(
        case.fields(neighbour, case.start).await.len(),
        4,
        "another session has its own"
    );
    case.done(case.commit(id, Step::Destroy), "the end of all names")
        .await;
    assert_eq!(
        case.fields(neighbour, case.start).await.len(),
        4,
        "another session keeps its own"
    );
}

/// Prevents a value from being truncated or altered: values are bytes, from none to
/// [the maximum](MAX_VALUE_BYTES), of any content, compressible or not.
pub async fn values_are_any_bytes(store: Subject) {
    let case = Case::new(store);
    let large: Vec<u8> = (0..MAX_VALUE_BYTES).map(|n| (n ^ (n >> 8)) as u8).collect();
    let noise = random(MAX_VALUE_BYTES);
    let id = case
        .session(&[
            set("empty", ""),
            set("large", &large),
            set("noise", &noise),
            set("zeros", [0; 9]),
            set("ones", [0xff; 9]),
        ])
        .await;
    let fields = case.fields(id, case.start).await;
    assert_eq!(fields["empty"], b"", "an empty value is a value");
    assert!(
        fields["large"] == large && fields["noise"] == noise,
        "the largest value comes back as it was"
    );
    assert_eq!(
        (&fields["zeros"][..], &fields["ones"][..]),
        (&[0; 9][..], &[0xff; 9][..]),
        "bytes come back as they were"
    );
    let mut other = noise.clone();
    other[MAX_VALUE_BYTES - 1] ^= 1;
    for (expected, holds) in [(&other, false), (&noise, true)] {
        let guards = [guard("empty", Some(b"")), guard("noise", Some(expected))];
        let writes = [set("noise", "small"), set("empty", &large)];
        let keep = case.commit(id, Step::keep(None));
        let commit = keep.with_guards(&guards).with_writes(&writes);
        assert_eq!(
            case.apply(commit).await.is_done(),
            holds,
            "guards compare empty and large values to their last byte"
        );
    }
    let fields = case.fields(id, case.start).await;
    assert!(
        fields["noise"] == b"small" && fields["empty"] == large,
        "large and small values replace each other"
    );
}
