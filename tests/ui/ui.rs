//! The exact compiler messages for common mistakes.
//!
//! Our messages come with notes of the compiler, which change between releases: the expected output is that of the
//! release named in `rust-version`. With any other compiler the test is ignored, and says so. After a change of a
//! message, `TRYBUILD=overwrite cargo test -p level-session-ui-tests` writes the output anew; read the difference
//! before you commit it. To move to another release, change `rust-version` and do the same.

#[test]
#[cfg_attr(
    not(ui_version),
    ignore = "the expected messages are those of the Rust release in tests/ui/rust-version"
)]
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
        cases.compile_fail(format!("{group}/*.rs"));
    }
}
