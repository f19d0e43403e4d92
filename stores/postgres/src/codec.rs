//! The encoding of names, values and times in columns.
//!
//! Neither jsonb nor text can hold a NUL, and values are arbitrary bytes. So a value is stored as base64 (which the
//! server's `decode` reads too), and NULs in a name are escaped. A value larger than [`ASIDE`] bytes is stored in a
//! separate table under its hash: the row holds `#` and the hash, and guards compare that in place of the bytes.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use level_session_store::{Bytes, Digest, Lease, Lifetime, Timeouts, Timestamp};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::{borrow::Cow, fmt, time::Duration};

/// Values with more bytes are stored in the separate table. Part of the format: a guard compares the stored cell with
/// the cell it would write.
pub(crate) const ASIDE: usize = 1024;

/// The hash under which a large value is stored.
pub(crate) type Hash = [u8; 32];

/// The content of a field's cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    /// The hash, if the value is in the separate table.
    pub(crate) hash: Option<Hash>,
}

impl Cell {
    pub(crate) fn of(value: &[u8]) -> Self {
        if value.len() <= ASIDE {
            return Self {
                text: BASE64.encode(value),
                hash: None,
            };
        }
        let hash = *Digest::of("level-session postgres value", value).as_bytes();
        Self {
            text: format!("#{}", BASE64.encode(hash)),
            hash: Some(hash),
        }
    }
}

/// A decoded cell.
pub(crate) enum Read {
    Here(Bytes),
    Aside(Hash),
}

/// `None` for a text that is not a [`Cell`].
pub(crate) fn read(text: &str) -> Option<Read> {
    match text.strip_prefix('#') {
        None => Some(Read::Here(BASE64.decode(text).ok()?.into())),
        Some(hash) => Some(Read::Aside(BASE64.decode(hash).ok()?.try_into().ok()?)),
    }
}

pub(crate) fn is_aside(text: &str) -> bool {
    text.starts_with('#')
}

/// An index entry as stored in `entries`.
pub(crate) fn entry(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

const ESCAPE: char = '\u{1}';

/// Encodes a field's name without NULs. The encoding is injective and keeps the beginning of a name unless it is
/// special.
pub(crate) fn name(name: &str) -> Cow<'_, str> {
    if !name.contains(['\0', ESCAPE]) {
        return name.into();
    }
    let mut escaped = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        match c {
            '\0' => escaped.extend([ESCAPE, '0']),
            ESCAPE => escaped.extend([ESCAPE, '1']),
            other => escaped.push(other),
        }
    }
    escaped.into()
}

/// `None` for a text that [`name`] does not produce.
pub(crate) fn read_name(text: String) -> Option<String> {
    if !text.contains(ESCAPE) {
        return Some(text);
    }
    let mut name = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        name.push(match c {
            ESCAPE => match chars.next()? {
                '0' => '\0',
                '1' => ESCAPE,
                _ => return None,
            },
            other => other,
        });
    }
    Some(name)
}

/// A JSON object of strings. A name that occurs twice is written twice: the server keeps the later one.
pub(crate) fn object<'a>(members: impl Iterator<Item = (Cow<'a, str>, &'a str)>) -> String {
    let mut out = String::from("{");
    for (name, text) in members {
        if out.len() > 1 {
            out.push(',');
        }
        // Serializing a string as JSON cannot fail; base64 needs no escapes.
        out.push_str(&serde_json::Value::from(&*name).to_string());
        out.push_str(":\"");
        out.push_str(text);
        out.push('"');
    }
    out.push('}');
    out
}

/// The members of a JSON object of strings, in the server's order.
pub(crate) struct Members(pub(crate) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A time as stored: times have 63 bits in the table, and the largest means "never".
pub(crate) fn time(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// `None` for a time before 1970, which is never written.
pub(crate) fn read_time(stored: i64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(millis(stored)?))
}

/// In whole milliseconds, as a time.
pub(crate) fn duration(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// In whole milliseconds, rounded up.
pub(crate) fn at_least(length: Duration) -> i64 {
    duration(length.saturating_add(Duration::from_nanos(999_999)))
}

pub(crate) fn read_duration(stored: i64) -> Option<Duration> {
    Some(Duration::from_millis(millis(stored)?))
}

fn millis(stored: i64) -> Option<u64> {
    match stored {
        i64::MAX => Some(u64::MAX),
        other => u64::try_from(other).ok(),
    }
}

/// The lease as it will be read back once it is stored.
pub(crate) fn as_stored(lease: Lease) -> Lease {
    let kept = |at: Timestamp| read_time(time(at)).unwrap_or(at);
    let length = |it: Duration| read_duration(duration(it)).unwrap_or(it);
    let mut stored = Lease::new(
        kept(lease.started),
        kept(lease.seen),
        kept(lease.idle_deadline),
        lease.absolute_deadline.map(kept),
    );
    stored.told = kept(lease.told);
    stored.lifetime = lease.lifetime.map(|own| {
        let timeouts = Timeouts::new(length(own.timeouts.idle))
            .with_absolute(own.timeouts.absolute.map(length));
        Lifetime::new(timeouts).with_transient(own.transient)
    });
    stored
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

    use super::*;
    use proptest::prelude::*;

    /// The server would reject a name with a NUL, or confuse two names.
    #[test]
    fn names_are_apart_and_without_nul() {
        let names = [
            "", "\0", "\u{1}", "\u{1}0", "\u{1}1", "\0\0", "0", "\u{1}\0", "a",
        ];
        let written: Vec<_> = names.iter().map(|it| name(it).into_owned()).collect();
        for (at, one) in written.iter().enumerate() {
            assert!(!one.contains('\0'));
            assert_eq!(read_name(one.clone()).as_deref(), Some(names[at]));
            assert!(!written[..at].contains(one));
        }
        for foreign in ["\u{1}", "\u{1}2", "a\u{1}"] {
            assert_eq!(read_name(foreign.to_owned()), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in any::<String>(), value in prop::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert_eq!(read_name(name(&text).into_owned()), Some(text));
            let cell = Cell::of(&value);
            match read(&cell.text) {
                Some(Read::Here(bytes)) => {
                    prop_assert!(value.len() <= ASIDE && cell.hash.is_none());
                    prop_assert_eq!(&*bytes, &*value);
                }
                Some(Read::Aside(hash)) => prop_assert_eq!(cell.hash, Some(hash)),
                None => prop_assert!(false),
            }
        }

        #[test]
        fn damaged_cells_are_no_panic(text in any::<String>()) {
            drop(read(&text));
            drop(read_name(text));
        }
    }

    /// The format, by which guards compare, must not change.
    #[test]
    fn the_format_is_fixed() {
        assert_eq!(Cell::of(b"abc").text, "YWJj");
        assert_eq!(Cell::of(&[0; 1024]).hash, None);
        assert_eq!(
            Cell::of(&[0; 1025]).text,
            "#6b6avKY6sWldx9BMTygzriF5clwYZno5avvW/lMbNHE="
        );
        assert_eq!(entry(b"\0\xff"), "AP8=");
    }

    #[test]
    fn times_keep_their_order_and_never_stays_never() {
        for at in [0, 1, 1 << 40, i64::MAX as u64 - 1] {
            assert_eq!(
                read_time(time(Timestamp::from_millis(at)))
                    .unwrap()
                    .as_millis(),
                at
            );
        }
        for late in [i64::MAX as u64, u64::MAX - 1, u64::MAX] {
            assert_eq!(
                read_time(time(Timestamp::from_millis(late))),
                Some(Timestamp::MAX)
            );
        }
        assert_eq!(read_time(-1), None);
        for (micros, up, down) in [
            (0, 0, 0),
            (1, 1, 0),
            (999, 1, 0),
            (1_000, 1, 1),
            (1_001, 2, 1),
        ] {
            let length = Duration::from_micros(micros);
            assert_eq!((at_least(length), duration(length)), (up, down));
        }
        assert_eq!(at_least(Duration::MAX), i64::MAX);
        assert_eq!(
            read_duration(duration(Duration::MAX)),
            Some(Duration::from_millis(u64::MAX))
        );
    }
}
