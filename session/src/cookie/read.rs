//! The Cookie header, read as the bytes that it is.
//!
//! It is hostile input (requirement S04): whoever can plant a cookie beside ours, and every client, decides what
//! stands in it. So it is not decoded, unquoted or taken as text; a part that makes no sense is passed over and hides
//! nothing of the rest. Reading borrows from the headers and allocates nothing.

use http::{HeaderMap, HeaderValue, header::COOKIE};
use std::iter;

/// The Cookie headers of a request, to be read when somebody asks for the session. They share the request's bytes.
#[derive(Clone)]
pub(crate) struct Lines {
    first: HeaderValue,
    /// HTTP/2 may bring each cookie in a line of its own.
    others: Vec<HeaderValue>,
}

impl Lines {
    /// Those of a request, if it has any.
    pub(crate) fn of(request: &HeaderMap) -> Option<Self> {
        let mut lines = request.get_all(COOKIE).iter().cloned();
        Some(Self {
            first: lines.next()?,
            others: lines.collect(),
        })
    }

    /// Those of a request of another HTTP library, whose lines are copied. A byte that no header may hold spoils the
    /// cookie that it stands in, and no other.
    pub(crate) fn copied(lines: impl IntoIterator<Item: AsRef<[u8]>>) -> Option<Self> {
        let mut lines = lines.into_iter().filter_map(|line| copied(line.as_ref()));
        Some(Self {
            first: lines.next()?,
            others: lines.collect(),
        })
    }
}

fn copied(line: &[u8]) -> Option<HeaderValue> {
    let whole = HeaderValue::from_bytes(line);
    let spoilt = |byte: &u8| match *byte {
        b'\t' | 32..=126 | 128.. => *byte,
        _ => b'?',
    };
    let whole =
        whole.or_else(|_| HeaderValue::from_bytes(&line.iter().map(spoilt).collect::<Vec<_>>()));
    whole.ok()
}

/// The values of all cookies with this name, in the order in which they were sent, in however many header lines.
pub(super) fn candidates<'a>(lines: &'a Lines, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let lines = iter::once(&lines.first).chain(&lines.others);
    candidates_in(lines.map(HeaderValue::as_bytes), name)
}

/// As [`candidates`], of the header lines alone.
pub(crate) fn candidates_in<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    name: &'a [u8],
) -> impl Iterator<Item = &'a [u8]> {
    lines
        .flat_map(parts)
        .filter_map(move |part| value_of(part, name))
}

/// A header line's cookies, as they stand between the semicolons: quotes do not protect one (RFC 6265bis, section
/// 5.8.3 puts a value in as it was stored).
fn parts(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    iter::from_fn(move || {
        let line = rest?;
        let end = memchr::memchr(b';', line);
        rest = end.map(|at| &line[at + 1..]);
        Some(&line[..end.unwrap_or(line.len())])
    })
}

/// The value of a cookie, if it has this name, which holds no `=` and no space. A part without `=` is a cookie without
/// a name: never ours.
pub(super) fn value_of<'a>(part: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let behind = trim(part).strip_prefix(name)?;
    Some(trim(trim(behind).strip_prefix(b"=")?))
}

/// Without the spaces and tabs round it. Other white space is not white space here: a browser would keep it, so a
/// name with it is another name.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
