//! The security table and the list of dependencies are true of the tree, so that neither can rot.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of every line of a table.
fn rows(document: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = document
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    lines.map(|line| line.split('|').map(str::trim).collect())
}

/// All Rust code of a file, or of the files below a folder.
fn code(path: &Path) -> String {
    match path.is_dir() {
        false => fs::read_to_string(path).unwrap_or_default(),
        true => {
            let entries = fs::read_dir(path).unwrap();
            entries.map(|entry| code(&entry.unwrap().path())).collect()
        }
    }
}

/// Whether there is a function of this name that is run as a test: marked as one, or a property, or a promise of the
/// stores' conformance suite (whose own test sees to it that all of them are run).
fn is_test(code: &str, path: &str, name: &str) -> bool {
    let lines: Vec<_> = code.lines().map(str::trim).collect();
    let declares = |line: &str| {
        let line = line.trim_start_matches("pub ").trim_start_matches("async ");
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    lines.iter().enumerate().any(|(at, line)| {
        declares(line)
            && (path.ends_with("conformance")
                || lines[..at]
                    .iter()
                    .rev()
                    .take(6)
                    .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test")))
    })
}

/// Prevents: a promise of the documentation whose test was renamed, or went away.
#[test]
fn every_row_of_the_security_table_is_held_by_tests_that_exist() {
    let document = read("session/docs/security.md");
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    for cells in rows(&document) {
        let (row, tests) = (cells[0], cells.get(3).copied().unwrap_or(""));
        let is_row = row.len() == 3 && row.starts_with(['S', 'L', 'C', 'R', 'F']);
        if !is_row || row[1..].parse::<u8>().is_err() {
            continue;
        }
        if cells[2].contains("**open**") {
            assert_eq!(tests, "", "{row}: what is open has no test");
            assert!(["L08", "L09"].contains(&row), "{row} is not to be open");
            assert!(held.insert(row, 0).is_none(), "{row} is there twice");
            continue;
        }
        let names: Vec<_> = tests
            .split(',')
            .map(|test| test.trim().trim_matches('`'))
            .collect();
        for test in &names {
            must_exist(row, test);
        }
        assert!(
            held.insert(row, names.len()).is_none(),
            "{row} is there twice"
        );
    }
    let expected = [
        ("S", 1..=11),
        ("L", 1..=14),
        ("C", 1..=13),
        ("R", 1..=12),
        ("F", 1..=14),
    ];
    let expected: BTreeSet<_> = expected
        .into_iter()
        .flat_map(|(part, numbers)| numbers.map(move |n| format!("{part}{n:02}")))
        .filter(|row| !["C04", "C09", "C11", "F11", "F12", "F13"].contains(&&**row)) // never given, or not yet
        .collect();
    let found: BTreeSet<_> = held.keys().map(|row| (*row).to_owned()).collect();
    assert_eq!(found, expected);
    assert!(held.values().sum::<usize>() > 100, "{held:?}");
    // Those that are named in the text.
    for part in document.split('`').filter(|part| part.contains(".rs::")) {
        must_exist("the text", part);
    }
}

fn must_exist(row: &str, test: &str) {
    let Some((path, name)) = test.split_once("::") else {
        panic!("{row}: {test:?} is no test")
    };
    let code = code(&root().join(path));
    assert!(
        is_test(&code, path, name),
        "{row}: there is no test {name} in {path}"
    );
}

/// Prevents: a dependency that nobody has given a reason for, and a reason for one that is gone.
#[test]
fn every_direct_dependency_is_listed_with_its_reason() {
    let document = read("session/docs/security.md");
    let (_, list) = document
        .split_once("| crate | feature | what for |")
        .unwrap();
    let listed: BTreeMap<String, String> = rows(list)
        .filter(|cells| cells[0].starts_with('`'))
        .map(|cells| {
            assert!(cells[2].len() > 5, "{cells:?}: no reason");
            let bare = |cell: &str| cell.replace('`', "");
            (bare(cells[0]), bare(cells[1]))
        })
        .collect();
    let manifest = read("session/Cargo.toml");
    let section = |name: &str| {
        let (_, rest) = manifest.split_once(&format!("\n[{name}]\n")).unwrap();
        rest.split_once("\n[").unwrap().0.to_owned()
    };
    let features = section("features");
    let on_linux = section("target.'cfg(target_os = \"linux\")'.dependencies");
    let targets = manifest.matches("\n[target.").count();
    assert_eq!(targets, 1, "a section that is not looked at here");
    let dependencies = section("dependencies") + "\n" + &on_linux;
    let declared: BTreeMap<String, String> = dependencies
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let end = line.find(['.', ' ', '=']).unwrap();
            let name = &line[..end];
            let feature = match line.contains("optional = true") {
                false => "",
                true => {
                    let dep = format!("\"dep:{name}\"");
                    let line = features.lines().find(|line| line.contains(&dep)).unwrap();
                    line.split_once(" =").unwrap().0
                }
            };
            (name.to_owned(), feature.to_owned())
        })
        .collect();
    assert_eq!(listed, declared);
    assert!(features.contains("default = [\"derive\", \"fjall\", \"axum\"]"));
}

/// Prevents: a tag compared byte by byte, which tells how much of a forgery is right (S06). What computes a tag is
/// `hmac` alone, and it is compared there.
#[test]
fn signatures_are_compared_by_hmac_alone() {
    let files = ["keyring/mod.rs", "csrf.rs", "cookie/signer.rs"];
    let mut verified = 0;
    for file in files {
        let source = read(&format!("session/src/{file}"));
        let (source, _) = source
            .split_once("#[cfg(test)]\nmod tests")
            .unwrap_or((&source, ""));
        verified += source.matches("verify_slice(tag)").count();
        for line in source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            let speaks_of_tags = words
                .into_iter()
                .any(|word| ["tag", "masked", "mask"].contains(&word));
            let compares = ["==", "!=", ".eq(", ".cmp(", "starts_with", "contains"];
            let compares = compares.iter().any(|by| line.contains(by));
            assert!(!(speaks_of_tags && compares), "{file}: {line}");
        }
    }
    assert_eq!(verified, 1, "one comparison, in the keyring");
    // With every key, whatever the outcome: nothing in there ends early.
    let keyring = read("session/src/keyring/mod.rs");
    let (_, verify) = keyring.split_once("pub(crate) fn verify(").unwrap();
    let (verify, _) = verify.split_once("\n    }\n").unwrap();
    assert!(verify.contains("for (age, key) in self.keys.iter().enumerate()"));
    for early in ["return", "break", "find", "any(", "take", "skip", "?"] {
        assert!(!verify.contains(early), "{early}: {verify}");
    }
    // And nothing else of the library knows the crate.
    let rest = code(&root().join("session/src"));
    let uses = rest.matches("use hmac::").count();
    assert_eq!(uses, 1, "hmac is used in the keyring alone");
}
