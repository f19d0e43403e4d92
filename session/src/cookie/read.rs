//! The Cookie header, read as the bytes that it is.
//!
//! It is hostile input (requirement S04): whoever can plant a cookie beside ours, and every client, decides what
//! stands in it. So it is not decoded, unquoted or taken as text; a part that makes no sense is passed over and hides
//! nothing of the rest. Reading borrows from the headers and allocates nothing.

use http::{HeaderMap, HeaderValue, header::COOKIE};

/// The Cookie headers of a request, to be read when somebody asks for the session. They share the request's bytes.
#[derive(Default)]
pub(crate) struct Lines {
    first: Option<HeaderValue>,
    /// HTTP/2 may bring each cookie in a line of its own.
    others: Vec<HeaderValue>,
}

impl Lines {
    pub(crate) fn of(request: &HeaderMap) -> Self {
        let mut lines = request.get_all(COOKIE).iter().cloned();
        Self {
            first: lines.next(),
            others: lines.collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

/// The values of all cookies with this name, in the order in which they were sent, in however many header lines.
pub(super) fn candidates<'a>(lines: &'a Lines, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let lines = lines.first.iter().chain(&lines.others);
    candidates_in(lines.map(HeaderValue::as_bytes), name)
}

/// As [`candidates`], of the header lines alone.
pub(crate) fn candidates_in<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    name: &'a [u8],
) -> impl Iterator<Item = &'a [u8]> {
    lines
        // Quotes do not protect a semicolon (RFC 6265bis, section 5.8.3 puts a value in as it was stored).
        .flat_map(|line| line.split(|byte| *byte == b';'))
        .filter_map(pair)
        .filter(move |(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// Name and value of one cookie. A part without `=` is a cookie without a name: never ours.
pub(super) fn pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = part.iter().position(|byte| *byte == b'=')?;
    Some((trim(&part[..at]), trim(&part[at + 1..])))
}

/// Without the spaces and tabs round it. Other white space is not white space here: a browser would keep it, so a
/// name with it is another name.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
