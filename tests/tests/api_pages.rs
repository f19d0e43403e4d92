//! The pages of the API: every public function that an application calls shows how, in an example that is run.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is looked through: the crates that applications call, and the files of the store contract with types that
/// applications construct. The rest of `session-store` is for authors of stores, or made by the derive, which it cannot
/// use in examples.
const SOURCES: [&str; 9] = [
    "session/src",
    "stores/fjall/src",
    "session-derive/src/lib.rs",
    "session-store/src/clock.rs",
    "session-store/src/config_error.rs",
    "session-store/src/name.rs",
    "session-store/src/store/copy.rs",
    "session-store/src/store/memory.rs",
    "session-store/src/store/moving.rs",
];

/// Functions that need no example of their own, by the file or folder that they are in. A line that nothing needs any
/// longer is an error.
const WITHOUT: [(&str, &str); 2] = [
    (
        "session/src/session/data.rs",
        "only generated code can name them",
    ),
    ("session/src/fuzzing", "not in a release"),
];

/// A public function, and whether its page has an example.
#[derive(Debug, PartialEq)]
struct Function {
    line: usize,
    signature: String,
    has_example: bool,
}

/// The public functions of a source file. Read line by line, as rustfmt leaves them: so functions within a `macro_rules!`
/// are seen, which no parser of items looks into.
fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let (mut has_example, mut is_hidden, mut in_attribute) = (false, false, false);
    for (at, line) in code.lines().map(str::trim).enumerate() {
        if line == "mod tests {" {
            break;
        }
        if let Some(text) = line.strip_prefix("///") {
            has_example |= text.trim_start().starts_with("```");
        } else if in_attribute || line.starts_with("#[") {
            is_hidden |= line.contains("doc(hidden)");
            let code = line.split(" //").next().unwrap_or(line);
            in_attribute = !code.ends_with(']');
        } else if !line.starts_with("//") {
            let rest = line.strip_prefix("pub ");
            let rest = rest.map(|rest| rest.trim_start_matches("const "));
            let rest = rest.map(|rest| rest.trim_start_matches("async "));
            if !is_hidden && rest.is_some_and(|rest| rest.starts_with("fn ")) {
                found.push(Function {
                    line: at + 1,
                    signature: line.to_owned(),
                    has_example,
                });
            }
            (has_example, is_hidden) = (false, false);
        }
    }
    found
}

/// The source files at a path, without those of tests.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.file_stem().unwrap() == "tests" {
        return Vec::new();
    }
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut found: Vec<_> = entries
        .flat_map(|entry| files(&entry.unwrap().path()))
        .collect();
    found.sort();
    found
}

/// Prevents: a method whose page says what it does and not how it is called. Whether an example is true, `cargo test`
/// finds out by running it.
#[test]
fn every_public_function_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut needed = [false; WITHOUT.len()];
    let (mut seen, mut missing) = (0, Vec::new());
    for source in SOURCES {
        for file in files(&root.join(source)) {
            let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
            let path = path.replace('\\', "/");
            let excuse = WITHOUT.iter().position(|(at, _)| path.starts_with(at));
            for function in functions(&fs::read_to_string(&file).unwrap()) {
                seen += 1;
                match excuse {
                    _ if function.has_example => {}
                    Some(excuse) => needed[excuse] = true,
                    None => {
                        missing.push(format!("{path}:{}: {}", function.line, function.signature));
                    }
                }
            }
        }
    }
    assert!(seen > 150, "only {seen} functions were found");
    assert!(
        missing.is_empty(),
        "{} public functions without an example in their documentation:\n{}",
        missing.len(),
        missing.join("\n")
    );
    let idle = WITHOUT.iter().zip(needed).filter(|(_, needed)| !needed);
    let idle: Vec<_> = idle.map(|((path, _), _)| path).collect();
    assert!(
        idle.is_empty(),
        "every function there has an example now, so take these out of `WITHOUT`: {idle:?}"
    );
}

/// Prevents: a scan that finds nothing to complain of because it looks past what is there.
#[test]
fn the_scan_sees_what_it_should() {
    let code = r#"
impl Thing {
    /// With an example.
    ///
    /// ```
    /// thing.a();
    /// ```
    #[doc(alias = "x")]
    #[allow(
        clippy::thing,
        reason = "of several lines"
    )]
    pub async fn a(&self) {}

    /// Without.
    #[must_use]
    pub const fn b(&self) {}

    /// Of no concern.
    #[doc(hidden)]
    pub fn c(&self) {}

    pub(crate) fn d() {}
    #[inline] // for a reason
    pub fn e() {}
}
mod tests {
    pub fn f() {}
}
"#;
    let found = functions(code);
    let found: Vec<_> = found
        .iter()
        .map(|f| (&*f.signature, f.has_example))
        .collect();
    assert_eq!(
        found,
        [
            ("pub async fn a(&self) {}", true),
            ("pub const fn b(&self) {}", false),
            ("pub fn e() {}", false),
        ]
    );
}
