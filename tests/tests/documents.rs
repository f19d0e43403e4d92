//! Checks that the documents match the code, so that they cannot become outdated.
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

/// The cells of each row of a table.
fn rows(document: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = document
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    lines.map(|line| line.split('|').map(str::trim).collect())
}

/// All Rust code in a file, or in the files of a folder.
fn code(path: &Path) -> String {
    match path.is_dir() {
        false => fs::read_to_string(path).unwrap_or_default(),
        true => {
            let entries = fs::read_dir(path).unwrap();
            entries.map(|entry| code(&entry.unwrap().path())).collect()
        }
    }
}

/// Whether a function with this name runs as a test: it has a test attribute, is a property, or belongs to the
/// conformance suite of the stores (a test of the suite checks that all of its functions run).
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

/// Prevents: a documented promise whose test was renamed or removed.
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
        .filter(|row| !["C04", "C09", "C11"].contains(&&**row)) // these numbers were never assigned
        .collect();
    let found: BTreeSet<_> = held.keys().map(|row| (*row).to_owned()).collect();
    assert_eq!(found, expected);
    assert!(held.values().sum::<usize>() > 100, "{held:?}");
    // The tests that are named in the text.
    for part in document.split('`').filter(|part| part.contains(".rs::")) {
        must_exist("the text", part);
    }
}

/// Prevents: an advantage in the migration guide whose test was renamed or removed.
#[test]
fn every_gain_of_the_guide_is_held_by_a_test_that_exists() {
    let document = read("session/docs/coming.md");
    let mut tests = BTreeSet::new();
    for test in document.split('`').filter(|part| part.contains(".rs::")) {
        must_exist("the guide", test);
        tests.insert(test);
    }
    // The reverse: every tested advantage is documented.
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

/// Prevents: a dependency without a documented reason, and a documented reason for a removed dependency.
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

/// The dependencies of a crate, each with the crate and, if it is optional, the feature that enables it.
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

/// Prevents: a new release of a framework that forces a new release of a store, and applications that cannot upgrade
/// both.
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

/// Prevents: circular imports between rooms, which make it impossible to understand or test a room alone. Every
/// `crate::` path in the code is checked against the table in ARCHITECTURE.md.
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
    // If the table allowed a cycle, the check would prove nothing.
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

/// Every source file in a folder, without tests, and its relative path.
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

/// The first name after each `crate::` in some code, also in braces. Macros and types in the crate's root are not
/// rooms.
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
            // Names that the store crate exports at its root, from the room `store`.
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

/// Prevents: a comparison of tags byte by byte, whose time shows how much of a forged tag is correct (S06). Only `hmac`
/// computes and compares tags.
#[test]
fn signatures_are_compared_by_hmac_alone() {
    let files = [
        "keyring/mod.rs",
        "keyring/former.rs",
        "csrf.rs",
        "cookie/signer.rs",
        "cookie/former.rs",
    ];
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
    assert_eq!(
        verified, 2,
        "one comparison in the keyring, one of former sites"
    );
    // Every key is tried, independent of the outcome: the loop has no early exit.
    let keyring = read("session/src/keyring/mod.rs");
    let (_, verify) = keyring.split_once("pub(crate) fn verify(").unwrap();
    let (verify, _) = verify.split_once("\n    }\n").unwrap();
    assert!(verify.contains("for (age, key) in self.keys.iter().enumerate()"));
    for early in ["return", "break", "find", "any(", "take", "skip", "?"] {
        assert!(!verify.contains(early), "{early}: {verify}");
    }
    // No other part of the library uses the crate.
    let rest = code(&root().join("session/src"));
    let uses = rest.matches("use hmac::").count();
    assert_eq!(uses, 2, "hmac is used in the keyring alone");
}

/// Prevents: workflows that run another Rust than the declared one, a fuzz target that none of them runs, and a published
/// crate that the release checklist forgets.
#[test]
fn the_workflows_run_what_is_declared() {
    let messages = read("tests/ui/rust-version");
    let image = format!("container: rust:{}-", messages.trim());
    let manifest = read("Cargo.toml");
    let declared = manifest.split_once("rust-version = \"").unwrap().1;
    let declared = declared.split_once('"').unwrap().0;
    let targets = fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap();
    let targets: BTreeSet<_> = targets
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    for name in ["ci", "nightly"] {
        let workflow = read(&format!(".github/workflows/{name}.yml"));
        let images = workflow.matches("container: rust:").count();
        assert!(images > 0, "{name}");
        assert_eq!(workflow.matches(&image).count(), images, "{name}: {image}");
        let (_, listed) = workflow.split_once("target: [").unwrap();
        let (listed, _) = listed.split_once(']').unwrap();
        let listed: BTreeSet<_> = listed.split(", ").map(str::to_owned).collect();
        assert_eq!(listed, targets, "{name}");
    }
    let workflow = read(".github/workflows/ci.yml");
    for place in ["toolchain: \"", "rustup toolchain install "] {
        assert!(
            workflow.contains(&format!("{place}{declared}")),
            "{place}{declared}"
        );
    }
    assert!(workflow.contains("run: tests/run --no-skips\n"));
    let releasing = read("RELEASING.md");
    for manifest in CRATES {
        let manifest = read(&format!("{manifest}/Cargo.toml"));
        let name = manifest.split_once("name = \"").unwrap().1;
        let name = name.split_once('"').unwrap().0;
        assert!(
            releasing.contains(&format!("`{name}`")),
            "RELEASING.md does not list {name}"
        );
    }
}
