//! What the compiler says of common mistakes, word for word.
//!
//! Messages of ours come with notes of the compiler's, which change between releases: the expected output is that of
//! the stable toolchain of the day. `TRYBUILD=overwrite cargo test -p level-session-tests --test ui` writes it anew; the
//! difference is then read before it is committed.

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
