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
        ("L", 1..=18),
        ("C", 1..=13),
        ("R", 1..=13),
        ("F", 1..=16),
    ];
    let expected: BTreeSet<_> = expected
        .into_iter()
        .flat_map(|(part, numbers)| numbers.map(move |n| format!("{part}{n:02}")))
        .filter(|row| !["C04", "C09", "C11"].contains(&&**row)) // never given
        .collect();
    let found: BTreeSet<_> = held.keys().map(|row| (*row).to_owned()).collect();
    assert_eq!(found, expected);
    assert!(held.values().sum::<usize>() > 100, "{held:?}");
    // Those that are named in the text.
    for part in document.split('`').filter(|part| part.contains(".rs::")) {
        must_exist("the text", part);
    }
}

/// Prevents: a gain that the guide promises, whose test was renamed or went away.
#[test]
fn every_gain_of_the_guide_is_held_by_a_test_that_exists() {
    let document = read("session/docs/coming.md");
    let mut tests = BTreeSet::new();
    for test in document.split('`').filter(|part| part.contains(".rs::")) {
        must_exist("the guide", test);
        tests.insert(test);
    }
    // And the other way round: no gain is shown and not told of.
    let gains = code(&root().join("tests/tower-sessions/tests/gains"));
    let shown = gains.matches("#[tokio::test]").count();
    let told = tests.iter().filter(|test| test.contains("/gains/"));
    assert_eq!(told.count(), shown);
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

/// The crates that an application depends on.
const CRATES: [&str; 9] = [
    "session",
    "session-store",
    "stores/fjall",
    "stores/redis",
    "stores/postgres",
    "adapters/rocket",
    "adapters/salvo",
    "adapters/tower-sessions",
    "cli",
];

/// Prevents: a dependency without a reason, and a reason for a dependency that is gone.
#[test]
fn every_direct_dependency_is_listed_with_its_reason() {
    let document = read("session/docs/security.md");
    let (_, list) = document
        .split_once("| crate | used by | what for |")
        .unwrap();
    let mut listed = BTreeSet::new();
    for cells in rows(list).filter(|cells| cells[0].starts_with('`')) {
        assert!(cells[2].len() > 5, "{cells:?}: no reason");
        let dependency = cells[0].replace('`', "");
        for user in cells[1].split(", ") {
            listed.insert((dependency.clone(), user.replace('`', "")));
        }
    }
    let mut declared = BTreeSet::new();
    for user in CRATES {
        declared.extend(dependencies(user));
    }
    assert_eq!(listed, declared);
    let manifest = read("session/Cargo.toml");
    assert!(manifest.contains("default = [\"derive\", \"fjall\", \"axum\"]"));
}

/// The dependencies of a crate, each with the crate and, if it is optional, the feature that brings it.
fn dependencies(user: &str) -> BTreeSet<(String, String)> {
    let manifest = format!("{}\n[end]", read(&format!("{user}/Cargo.toml")));
    let section = |name: &str| {
        let rest = manifest.split_once(&format!("\n[{name}]\n"));
        rest.map_or("", |(_, rest)| rest.split_once("\n[").unwrap().0)
    };
    let on_linux = section("target.'cfg(target_os = \"linux\")'.dependencies");
    let targets = manifest.matches("\n[target.").count();
    assert_eq!(
        targets,
        usize::from(!on_linux.is_empty()),
        "{user}: a section that is not looked at here"
    );
    let lines = section("dependencies").lines().chain(on_linux.lines());
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let name = &line[..line.find(['.', ' ', '=']).unwrap()];
            let used_by = match line.contains("optional = true") {
                false => user.to_owned(),
                true => {
                    let dep = format!("\"dep:{name}\"");
                    let mut features = section("features").lines();
                    let line = features.find(|line| line.contains(&dep)).unwrap();
                    format!("{user} ({})", line.split_once(" =").unwrap().0)
                }
            };
            (name.to_owned(), used_by)
        })
        .collect()
}

/// Prevents: a store that must be released anew because a framework was, and applications that cannot have both.
#[test]
fn the_store_contract_knows_nothing_of_the_web() {
    for user in [
        "session-store",
        "stores/fjall",
        "stores/redis",
        "stores/postgres",
    ] {
        for (dependency, _) in dependencies(user) {
            let foreign = ["http", "hyper", "axum", "tower", "cookie", "hmac"];
            assert!(
                !foreign.iter().any(|name| dependency.starts_with(name)),
                "{user} depends on {dependency}"
            );
        }
    }
}

/// Prevents: rooms that import each other in a circle, so that nothing can be understood or tested alone.
/// ARCHITECTURE.md has the table; every `crate::` path of the code is held against it.
#[test]
fn every_room_imports_only_what_the_table_allows() {
    let document = read("ARCHITECTURE.md");
    let (_, table) = document.split_once("| crate | room | may use |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let mut allowed: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for cells in rows(table) {
        if !cells[0].starts_with('`') {
            continue;
        }
        let names = |cell: &str| -> Vec<String> {
            let names = cell.split(',').map(|name| name.trim().replace('`', ""));
            names.filter(|name| !name.is_empty()).collect()
        };
        for room in names(cells[1]) {
            let uses = names(cells[2]).into_iter().collect();
            let before = allowed.insert((names(cells[0])[0].clone(), room), uses);
            assert!(before.is_none(), "a room has two rows: {cells:?}");
        }
    }
    let mut seen = BTreeSet::new();
    for user in ["session", "session-store", "adapters/tower-sessions"] {
        let source = root().join(user).join("src");
        for (path, code) in sources(&source) {
            let room = path.iter().next().unwrap().to_str().unwrap();
            let room = room.strip_suffix(".rs").unwrap_or(room).to_owned();
            if room == "lib" {
                continue;
            }
            let place = (user.to_owned(), room.clone());
            let uses = allowed
                .get(&place)
                .unwrap_or_else(|| panic!("{user}: the room {room} is not in the table"));
            for used in imports(&code) {
                assert!(
                    used == room || uses.contains(&used),
                    "{user}/src/{}: `{room}` must not use `{used}`",
                    path.display()
                );
            }
            seen.insert(place);
        }
    }
    let gone: Vec<_> = allowed
        .keys()
        .filter(|place| !seen.contains(place))
        .collect();
    assert!(gone.is_empty(), "rooms that no longer exist: {gone:?}");
    // A table that allowed a circle would prove nothing.
    for (place, uses) in &allowed {
        let mut below: Vec<_> = uses.iter().cloned().collect();
        let mut known = BTreeSet::new();
        while let Some(room) = below.pop() {
            assert_ne!(room, place.1, "{place:?} uses itself, by way of others");
            if let Some(uses) = allowed.get(&(place.0.clone(), room.clone()))
                && known.insert(room)
            {
                below.extend(uses.iter().cloned());
            }
        }
    }
}

/// Every source file below a folder, without tests, and its path from there.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_owned();
            if name == "tests" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let code = fs::read_to_string(&path).unwrap();
            let (code, _) = code
                .split_once("#[cfg(test)]\nmod tests {")
                .unwrap_or((&code, ""));
            let lines = code.lines().map(|line| line.split("//").next().unwrap());
            let code = lines.collect::<Vec<_>>().join("\n");
            found.push((path.strip_prefix(folder).unwrap().to_owned(), code));
        }
    }
    found
}

/// The first name behind every `crate::` of some code, also in braces. Macros and types that stand in the crate's root
/// are no rooms.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        if code[..at].ends_with(['$', '_']) || code[..at].ends_with(char::is_alphanumeric) {
            continue;
        }
        let rest = &code[at + start.len()..];
        let mut depth = 0;
        let mut items = vec![String::new()];
        for c in rest.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => items.push(String::new()),
                _ => {}
            }
            if depth == 0 && !rest.starts_with('{') && !c.is_alphanumeric() && c != '_' {
                break;
            }
            if !"{},".contains(c) || depth > 1 {
                items.last_mut().unwrap().push(c);
            }
            if depth == 0 && c == '}' {
                break;
            }
        }
        for item in items {
            let name: String = item
                .trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let is_room = name.starts_with(|c: char| c.is_ascii_lowercase());
            // What the store crate shows at its root, of the room `store`.
            let of_the_store = ["conformance", "copy", "local", "rules", "testing"];
            match of_the_store.contains(&&*name) {
                true => drop(found.insert("store".to_owned())),
                false if is_room => drop(found.insert(name)),
                false => {}
            }
        }
    }
    found
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
