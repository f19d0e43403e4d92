//! The record under a session's key, beside its fields: `h` of the hash.
//!
//! ```text
//! live    L<created> started seen told idle absolute [former_until [own_idle own_absolute transient]] [|former]
//! moved   M<at> until|to
//! ended   E<at>
//! ```
//! Numbers are decimal; `created`, `started`, `at` and both `until` are milliseconds since the epoch, `seen` counts from
//! `started`, `told` and `idle` from `seen`, `absolute` from `started`. `n` is never, `-` is none. `former` and `to` are
//! the 32 bytes of a digest.
//!
//! `x`, if there are index entries: their horizon, a space, then for each the length of the field's name, `:`, the name,
//! and 16 bytes of hash.

use crate::keys::EntryHash;
use level_session_store::{Digest, Lease, Lifetime, Timeouts, Timestamp, rules::Life};
use std::{fmt::Write as _, time::Duration};

/// The state of a digest.
#[derive(Debug, PartialEq)]
pub(crate) enum Record {
    Live(Life),
    /// Renewed to another id.
    Moved {
        to: Digest,
        at: Timestamp,
    },
    Ended(Timestamp),
}

const NEVER: u64 = u64::MAX;

impl Record {
    /// `None` if the bytes are damaged.
    pub(crate) fn parse(h: &[u8]) -> Option<Self> {
        let (text, tail) = match h.iter().position(|byte| *byte == b'|') {
            Some(bar) => {
                let tail: [u8; 32] = h[bar + 1..].try_into().ok()?;
                (&h[..bar], Some(Digest::from_bytes(tail)))
            }
            None => (h, None),
        };
        let text = std::str::from_utf8(text).ok()?;
        let (kind, text) = text.split_at_checked(1)?;
        let mut words = text.split(' ');
        let mut next = || words.next();
        let record = match kind {
            "E" => Self::Ended(moment(next()?)?),
            "M" => {
                let at = moment(next()?)?;
                let _until = moment(next()?)?;
                Self::Moved { to: tail?, at }
            }
            "L" => {
                let created = moment(next()?)?;
                let started = moment(next()?)?;
                let seen = from(started, next()?)?;
                let told = from(seen, next()?)?;
                let idle_deadline = from(seen, next()?)?;
                let absolute_deadline = match next()? {
                    "-" => None,
                    word => Some(from(started, word)?),
                };
                let former = match (next(), tail) {
                    (None | Some("-"), None) => None,
                    (Some(until), Some(former)) => Some((former, moment(until)?)),
                    _ => return None,
                };
                let lifetime = match next() {
                    None => None,
                    Some(idle) => {
                        let absolute = match next()? {
                            "-" => None,
                            word => Some(duration(word)?),
                        };
                        let timeouts = Timeouts::new(duration(idle)?).with_absolute(absolute);
                        Some(Lifetime::new(timeouts).with_transient(next()? == "1"))
                    }
                };
                let mut lease = Lease::new(started, seen, idle_deadline, absolute_deadline);
                lease.told = told;
                lease.lifetime = lifetime;
                Self::Live(Life {
                    created,
                    lease,
                    former,
                })
            }
            _ => return None,
        };
        next().is_none().then_some(record)
    }
}

/// Encodes the record of a live session; without `L<created> ` if the script prepends that.
pub(crate) fn live(
    created: Option<Timestamp>,
    lease: &Lease,
    former: Option<(Digest, Timestamp)>,
) -> Vec<u8> {
    let mut out = String::with_capacity(64);
    if let Some(created) = created {
        let _ = write!(out, "L{} ", Moment(created));
    }
    let _ = write!(
        out,
        "{} {} {} {} ",
        Moment(lease.started),
        Apart(lease.started, lease.seen),
        Apart(lease.seen, lease.told),
        Apart(lease.seen, lease.idle_deadline)
    );
    match lease.absolute_deadline {
        None => out.push('-'),
        Some(absolute) => {
            let _ = write!(out, "{}", Apart(lease.started, absolute));
        }
    }
    match (former, lease.lifetime) {
        (Some((_, until)), _) => {
            let _ = write!(out, " {}", Moment(until));
        }
        (None, Some(_)) => out.push_str(" -"),
        (None, None) => {}
    }
    if let Some(lifetime) = lease.lifetime {
        let absolute = lifetime.timeouts.absolute;
        let _ = write!(
            out,
            " {} {} {}",
            span(lifetime.timeouts.idle),
            absolute.map_or_else(|| "-".to_owned(), span),
            u8::from(lifetime.transient)
        );
    }
    let mut out = out.into_bytes();
    if let Some((former, _)) = former {
        out.push(b'|');
        out.extend_from_slice(former.as_bytes());
    }
    out
}

/// The mark of a former id that still works; the session's id is now `to`.
pub(crate) fn moved(at: Timestamp, until: Timestamp, to: Digest) -> Vec<u8> {
    let text = format!("M{} {}|", Moment(at), Moment(until));
    [text.as_bytes(), to.as_bytes()].concat()
}

/// The mark of an end.
pub(crate) fn ended(at: Timestamp) -> Vec<u8> {
    format!("E{}", Moment(at)).into_bytes()
}

/// The moment until which a session with this lease stays in the index: one idle period beyond its deadline.
pub(crate) fn horizon(lease: &Lease) -> Timestamp {
    let idle = lease.idle_deadline.since(lease.seen);
    let far = lease.idle_deadline.after(idle);
    lease.absolute_deadline.map_or(far, |end| far.min(end))
}

/// Whether a session has this entry.
pub(crate) fn has_entry(x: Option<&[u8]>, hash: &EntryHash) -> bool {
    entries(x).any(|(_, entry)| entry == hash)
}

/// The entries of a session, each with its field, until the first damaged one.
pub(crate) fn entries(x: Option<&[u8]>) -> impl Iterator<Item = (&[u8], &EntryHash)> {
    let x = x.unwrap_or_default();
    let first = x.iter().position(|byte| *byte == b' ');
    let mut rest = first.map_or(&[][..], |space| &x[space + 1..]);
    std::iter::from_fn(move || {
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let len = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        let (field, behind) = rest[colon + 1..].split_at_checked(len)?;
        let (entry, behind) = behind.split_first_chunk()?;
        rest = behind;
        Some((field, entry))
    })
}

/// A moment in the script's notation.
pub(crate) struct Moment(pub(crate) Timestamp);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_millis() {
            NEVER => f.write_str("n"),
            millis => millis.fmt(f),
        }
    }
}

/// The second moment, as the distance from the first.
struct Apart(Timestamp, Timestamp);

impl std::fmt::Display for Apart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.as_millis(), self.1.as_millis()) {
            (_, NEVER) => f.write_str("n"),
            (first, second) => (i128::from(second) - i128::from(first)).fmt(f),
        }
    }
}

/// A duration in the script's notation: whole milliseconds.
pub(crate) fn span(duration: Duration) -> String {
    match u64::try_from(duration.as_millis()) {
        Ok(millis) if millis < NEVER => millis.to_string(),
        _ => "n".to_owned(),
    }
}

fn moment(word: &str) -> Option<Timestamp> {
    from(Timestamp::from_millis(0), word)
}

fn from(first: Timestamp, word: &str) -> Option<Timestamp> {
    if word == "n" {
        return Some(Timestamp::MAX);
    }
    let millis = i128::from(first.as_millis()) + word.parse::<i128>().ok()?;
    Some(Timestamp::from_millis(u64::try_from(millis).ok()?))
}

fn duration(word: &str) -> Option<Duration> {
    moment(word).map(|moment| Duration::from_millis(moment.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Sessions that another release wrote could become unreadable.
    #[test]
    fn the_bytes_stay_as_they_are() {
        let mut lease = Timeouts::new(Duration::from_secs(60)).lease(at(1_000), at(1_500));
        let life = |lease, former| Life {
            created: at(900),
            lease,
            former,
        };
        let id = Digest::from_bytes([b'f'; 32]);
        let plain = b"L900 1000 500 0 60000 -".to_vec();
        assert_eq!(live(Some(at(900)), &lease, None), plain);
        assert_eq!(Record::parse(&plain), Some(Record::Live(life(lease, None))));

        lease.absolute_deadline = Some(Timestamp::MAX);
        lease.told = at(1_400);
        lease.lifetime = Some(Lifetime::new(Timeouts::new(Duration::MAX)).with_transient(true));
        let full = [&b"L900 1000 500 -100 60000 n 7000 n - 1|"[..], &[b'f'; 32]].concat();
        let former = Some((id, at(7_000)));
        assert_eq!(live(Some(at(900)), &lease, former), full);

        let bytes = [&b"M3 4|"[..], &[b'f'; 32]].concat();
        assert_eq!(moved(at(3), at(4), id), bytes);
        let read = Record::parse(&bytes);
        assert_eq!(read, Some(Record::Moved { to: id, at: at(3) }));
        assert_eq!(ended(at(3)), b"E3");
        assert_eq!(Record::parse(b"E3"), Some(Record::Ended(at(3))));
    }

    #[test]
    fn an_entry_is_found_among_others_and_damage_is_none() {
        let x = [
            &b"77 1:a"[..],
            &[1; 16],
            b"3:b:2",
            &[b':'; 16],
            b"0:",
            &[3; 16],
        ]
        .concat();
        for hash in [[1; 16], [b':'; 16], [3; 16]] {
            assert!(has_entry(Some(&x), &hash));
        }
        assert!(!has_entry(Some(&x), &[4; 16]));
        for end in 0..x.len() {
            has_entry(Some(&x[..end]), &[4; 16]);
        }
        assert!(!has_entry(None, &[1; 16]));
    }

    fn times() -> impl Strategy<Value = Timestamp> {
        prop_oneof![
            any::<u64>().prop_map(at),
            (0u64..2_000_000_000_000).prop_map(at),
            Just(Timestamp::MAX)
        ]
    }

    fn spans() -> impl Strategy<Value = Duration> {
        times().prop_map(|time| Duration::from_millis(time.as_millis()))
    }

    proptest! {
        /// All times of a session are read back unchanged.
        #[test]
        fn what_is_written_is_read(
            created in times(), started in times(), seen in times(), told in times(), idle in times(),
            absolute in proptest::option::of(times()),
            former in proptest::option::of((any::<[u8; 32]>(), times())),
            lifetime in proptest::option::of((spans(), proptest::option::of(spans()), any::<bool>())),
        ) {
            // A use at the end of time has no distance from it.
            prop_assume!(started < Timestamp::MAX && seen < Timestamp::MAX);
            let mut lease = Lease::new(started, seen, idle, absolute);
            lease.told = told;
            lease.lifetime = lifetime.map(|(idle, absolute, transient)| {
                Lifetime::new(Timeouts::new(idle).with_absolute(absolute)).with_transient(transient)
            });
            let former = former.map(|(id, until)| (Digest::from_bytes(id), until));
            let bytes = live(Some(created), &lease, former);
            prop_assert_eq!(Record::parse(&bytes), Some(Record::Live(Life { created, lease, former })));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Record::parse(&bytes);
            let _ = has_entry(Some(&bytes), &[0; 16]);
        }
    }
}
