//! Requirements R01 to R07 and S04.

use super::*;
use proptest::{collection::vec, prelude::*, sample::Index};

fn read<'a>(lines: &[&'a [u8]]) -> Vec<&'a [u8]> {
    candidates_in(lines.iter().copied(), b"s").collect()
}

#[test]
fn the_table_of_headers() {
    /// The name of the case, the header lines, the expected values.
    type Row<'a> = (&'a str, &'a [&'a [u8]], &'a [&'a [u8]]);
    #[rustfmt::skip]
    let table: &[Row<'_>] = &[
        ("no header",                              &[],                                        &[]),
        ("an empty one",                           &[b""],                                     &[]),
        ("ours alone",                             &[b"s=1"],                                  &[b"1"]),
        ("R01: several lines, in order",           &[b"a=0; s=1", b"s=2", b"b=0"],             &[b"1", b"2"]),
        ("R02: several in a line, in order",       &[b"s=1; a=0; s=2;s=1"],                    &[b"1", b"2", b"1"]),
        ("R03: a name is not percent-decoded",     &[b"%73=1; s%20=2"],                        &[]),
        ("R03: a value is not percent-decoded",    &[b"s=%3Ba%00"],                            &[b"%3Ba%00"]),
        ("R04: spaces and tabs are trimmed",       &[b" \t s \t= \t1 2\t ; a=0"],              &[b"1 2"]),
        ("R04: no other white space round a name", &[b"\xc2\xa0s=1; \x0bs=2; \x0cs=3; \xe3\x80\x80s=4; s\xe2\x80\x83=5"], &[]),
        ("R04: nor round a value",                 &[b"s=\xc2\xa01\x0b"],                      &[b"\xc2\xa01\x0b"]),
        ("R05: the case of a name counts",         &[b"S=1; s=2"],                             &[b"2"]),
        ("R05: a longer or shorter name",          &[b"ss=1; =2; s2=3; xs=4"],                 &[]),
        ("R06: quotes protect nothing",            &[b"a=\"x; s=1; y\"; b=0"],                 &[b"1"]),
        ("R06: an open quote swallows nothing",    &[b"a=\"; s=1"],                            &[b"1"]),
        ("R06: ours is not unquoted",              &[b"s=\"1\""],                              &[b"\"1\""]),
        ("R06: a backslash protects nothing",      &[b"a=\\; s=1"],                            &[b"1"]),
        ("R07: a neighbour that is not UTF-8",     &[b"\xff\xfe=\xc3\x28; s=1; \x80"],         &[b"1"]),
        ("R07: nameless neighbours",               &[b"x; =y; ; ;;s=1; =; z"],                 &[b"1"]),
        ("R07: NUL and control characters",        &[b"\0=\0; s=1; \x01\x7f"],                 &[b"1"]),
        ("nameless with our name in the value",    &[b"=s=1"],                                 &[]),
        ("our name without a value",               &[b"s; s=; s"],                             &[b""]),
        ("`=` in a value",                         &[b"s==1=; s=a=b"],                         &[b"=1=", b"a=b"]),
        ("a comma separates nothing",              &[b"a=0, s=1; s=2,3"],                      &[b"2,3"]),
        ("`$` is a character like others",         &[b"$Version=1; s=2; $Path=/"],             &[b"2"]),
    ];
    for (what, lines, expected) in table {
        assert_eq!(read(lines), *expected, "{what}");
    }
}

#[test]
fn huge_headers_hide_nothing() {
    // Requirement S04: 64 KiB of one other cookie, of thousands of them, and of separators only.
    let big = vec![b'x'; 64 * 1024];
    let many: Vec<u8> = (0..8_000)
        .flat_map(|i| format!("c{i}=v; ").into_bytes())
        .collect();
    let empty = vec![b';'; 64 * 1024];
    for mut line in [big, many, empty] {
        line.extend_from_slice(b"; s=1");
        assert_eq!(read(&[&line]), [b"1"]);
    }
}

/// Bytes in which the characters that matter to the parser are frequent.
fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(b';'),
        Just(b'='),
        Just(b' '),
        Just(b'\t'),
        Just(b'"'),
        Just(b'\x0c'),
        Just(b's'),
        any::<u8>()
    ];
    vec(byte, 0..max)
}

/// A cookie of another application: any bytes that HTTP allows, except `;`.
fn neighbour() -> impl Strategy<Value = Vec<u8>> {
    bytes(40).prop_map(|mut bytes| {
        bytes.retain(|b| *b != b';' && (*b == b'\t' || *b >= 0x20) && *b != 0x7f);
        bytes
    })
}

proptest! {
    #[test]
    fn the_reader_agrees_with_the_model(lines in vec(bytes(60), 0..4)) {
        crate::fuzzing::cookie_header(&lines.join(&b'\n'));
    }

    /// The session cookie is found among arbitrary other cookies, at any position, in any number of lines.
    #[test]
    fn no_neighbour_hides_ours(
        mut cookies in vec(neighbour(), 0..12),
        place in any::<Index>(),
        breaks in vec(any::<bool>(), 13),
        byte in any::<u8>(),
    ) {
        let cookie = session_cookie(&[NEW_KEY], named("s"));
        let ours = format!("s={}", value_of(&cookie, &id(byte)));
        cookies.insert(place.index(cookies.len() + 1), ours.into_bytes());
        let mut lines = vec![Vec::new()];
        for (cookie, new_line) in cookies.iter().zip(breaks) {
            if new_line {
                lines.push(Vec::new());
            }
            let line = lines.last_mut().unwrap();
            if !line.is_empty() {
                line.extend_from_slice(b"; ");
            }
            line.extend_from_slice(cookie);
        }
        let verified = cookie.find(&request(lines));
        prop_assert!(verified.is_some_and(|verified| *verified.id() == id(byte)));
    }
}
