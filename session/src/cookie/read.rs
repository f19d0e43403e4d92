//! Parses the Cookie header, as bytes.
//!
//! The header is hostile input (requirement S04): clients, and sites that can plant cookies, control its content. So it
//! is not decoded, unquoted or assumed to be text; an invalid part is skipped and hides no other part. Parsing borrows
//! from the headers and allocates nothing.

use http::{HeaderMap, HeaderValue, header::COOKIE};
use std::iter;

/// The Cookie headers of a request, to be parsed when the session is used. They share the request's bytes.
#[derive(Clone)]
pub(crate) struct Lines {
    first: HeaderValue,
    /// HTTP/2 may send each cookie in a separate line.
    others: Vec<HeaderValue>,
}

impl Lines {
    /// The Cookie headers of a request, if it has any.
    pub(crate) fn of(request: &HeaderMap) -> Option<Self> {
        let mut lines = request.get_all(COOKIE).iter().cloned();
        Some(Self {
            first: lines.next()?,
            others: lines.collect(),
        })
    }

    /// The Cookie headers of a request of another HTTP library, whose lines are copied. A byte that is invalid in a
    /// header invalidates the cookie that contains it, and no other.
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

/// The values of all cookies with this name, from all header lines, in the order in which they were sent.
pub(super) fn candidates<'a>(lines: &'a Lines, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let lines = iter::once(&lines.first).chain(&lines.others);
    candidates_in(lines.map(HeaderValue::as_bytes), name)
}

/// Like [`candidates`], from header lines.
pub(crate) fn candidates_in<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    name: &'a [u8],
) -> impl Iterator<Item = &'a [u8]> {
    lines
        .flat_map(parts)
        .filter_map(move |part| value_of(part, name))
}

/// The cookies of a header line: the parts between semicolons. Quotes do not protect a semicolon (a browser sends a
/// value as it was stored: RFC 6265bis, section 5.8.3).
fn parts(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    iter::from_fn(move || {
        let line = rest?;
        let end = memchr::memchr(b';', line);
        rest = end.map(|at| &line[at + 1..]);
        Some(&line[..end.unwrap_or(line.len())])
    })
}

/// The value of a cookie, if it has this name, which contains no `=` and no space. A part without `=` is a cookie
/// without a name, so it is never the session cookie.
pub(super) fn value_of<'a>(part: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let behind = trim(part).strip_prefix(name)?;
    Some(trim(trim(behind).strip_prefix(b"=")?))
}

/// Removes spaces and tabs at both ends. Other white space is kept, as browsers do: a name that contains it is another
/// name.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
