//! If the session gets a new method whose name the derive still allows for a field, the method would be hidden in
//! applications with such a field. This test checks the derive's list against the library's sources.

use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn every_method_of_a_session_is_reserved() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let reserved = reserved(&root.join("session-derive/src/check.rs"));
    assert!(
        reserved.contains("renew") && reserved.contains("clone"),
        "{reserved:?}"
    );
    let methods = methods(&root.join("session/src"));
    assert!(
        methods.contains("get_all") && methods.contains("touch"),
        "{methods:?}"
    );
    let missing: Vec<_> = methods.difference(&reserved).collect();
    assert!(
        missing.is_empty(),
        "methods of the session that a field can hide: {missing:?}"
    );
}

/// The strings of `RESERVED`.
fn reserved(check: &Path) -> BTreeSet<String> {
    let source = fs::read_to_string(check).unwrap();
    let (_, list) = source.split_once("RESERVED: &[&str] = &[").unwrap();
    let (list, _) = list.split_once("];").unwrap();
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The public methods of `UntypedSession` and `Session`, in any file.
fn methods(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut methods(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let blocks = source.split("\nimpl").skip(1);
            for block in blocks {
                let head = block.lines().next().unwrap_or_default();
                let head = head.trim_end_matches([' ', '{']);
                if head == " UntypedSession"
                    || head.ends_with(" Session<T>") && !head.contains(" for ")
                {
                    let block = block.split("\n}").next().unwrap_or_default();
                    found.extend(block.split("\n    pub ").skip(1).filter_map(method));
                }
            }
        }
    }
    found
}

/// The name of a function, from the text after `pub`. A function without a receiver neither hides a method nor is
/// hidden.
fn method(item: &str) -> Option<String> {
    let qualifiers = ["async ", "const "];
    let item = qualifiers
        .iter()
        .fold(item, |item, word| item.strip_prefix(word).unwrap_or(item));
    let (signature, _) = item.strip_prefix("fn ")?.split_once(')')?;
    let (name, parameters) = signature.split_once('(')?;
    let (name, _) = name.split_once('<').unwrap_or((name, ""));
    parameters.contains("self").then(|| name.to_owned())
}
