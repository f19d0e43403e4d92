//! The exact compiler messages for common mistakes.
//!
//! Our messages are accompanied by notes of the compiler, which change between releases: the expected output is from
//! the current stable toolchain. `TRYBUILD=overwrite cargo test -p level-session-tests --test ui` rewrites it; review
//! the difference before committing it.

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    for group in [
        "carried",
        "combinations",
        "counter",
        "default",
        "flash",
        "index",
        "input",
        "names",
        "nest",
        "rename",
        "serde",
        "skip",
        "structs",
        "ttl",
        "types",
    ] {
        cases.compile_fail(format!("ui/{group}/*.rs"));
    }
    cases.pass("ui/pass/*.rs");
}
