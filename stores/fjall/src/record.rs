//! The meta record under a session's digest, and its bytes.
//!
//! ```text
//! live   01 01 number created started seen idle flags [absolute] [former until] [told] [lifetime] [places] fields*
//! moved  01 02 to at until
//! ended  01 03 at
//! field  length name (00 | 1 + length, index entry)
//! lifetime  idle (00 | 01 absolute)
//! places  count place*
//! ```
//! The first byte is the version of this format. Numbers and times are big-endian `u64`, durations milliseconds in one,
//! digests 32 bytes, lengths LEB128. `told` is present if it differs from `seen`.
//!
//! Fields are sorted by name. If there are more than [`FEW`], `places` has the position of every 32nd except the first:
//! the offset in bytes from the start of the first, each a big-endian `u32`, as is their count. So a field is found
//! without reading the others.

mod input;

pub(super) use self::input::Outline;

use self::input::Input;
use fjall::Slice;
use level_session_store::{
    Bytes, Clear, Commit, Digest, FieldName, Timestamp,
    local::{Field, Table},
    rules::{self, Life},
};
use std::time::Duration;

const FORMAT: u8 = 1;
const LIVE: u8 = 1;
const MOVED: u8 = 2;
const ENDED: u8 = 3;
const HAS_ABSOLUTE: u8 = 1;
const HAS_FORMER: u8 = 2;
const HAS_TOLD: u8 = 4;
const HAS_LIFETIME: u8 = 8;
/// The flag of a lifetime.
const IS_TRANSIENT: u8 = 16;
const HAS_PLACES: u8 = 32;
const KNOWN_FLAGS: u8 =
    HAS_ABSOLUTE | HAS_FORMER | HAS_TOLD | HAS_LIFETIME | IS_TRANSIENT | HAS_PLACES;

/// A record with more fields than this has places.
const FEW: usize = 64;
/// The number of fields from one place to the next.
const STEP: usize = 32;

/// The state of a digest.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) enum Record {
    Live(Session),
    /// The id was renewed at this time. It works until `until` unless the session's own record has ended it: see
    /// [`Life::former`].
    Moved {
        to: Digest,
        at: Timestamp,
        until: Timestamp,
    },
    Ended(Timestamp),
}

/// A session, with its values that are in memory.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) struct Session {
    /// The first part of its data keys: never used for another session, so that data left behind by a crash or a bug
    /// cannot belong to another session.
    pub(super) number: u64,
    pub(super) life: Life,
    /// The record lists their names and index entries. Their values are not part of the record: a value is present here
    /// if it was read or written while the session is in memory.
    pub(super) fields: Table,
    /// For a session of which only the requested fields were read: all of them, as the record lists them.
    rest: Option<Rest>,
}

/// The part of a record from its places on.
#[cfg_attr(test, derive(Debug, PartialEq))]
struct Rest {
    record: Slice,
    from: usize,
    /// The number of listed fields.
    len: usize,
}

impl std::ops::Deref for Rest {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.record[self.from..]
    }
}

impl Record {
    /// The moment from which on the record need not be kept.
    pub(super) fn deadline(&self) -> Timestamp {
        match self {
            Self::Live(session) => session.life.lease.deadline(),
            Self::Moved { until, .. } => rules::remembered_until(*until),
            Self::Ended(at) => rules::remembered_until(*at),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Live(session) => session.encode(),
            Self::Moved { to, at, until } => {
                let mut out = vec![FORMAT, MOVED];
                out.extend_from_slice(to.as_bytes());
                put_time(&mut out, *at);
                put_time(&mut out, *until);
                out
            }
            Self::Ended(at) => {
                let mut out = vec![FORMAT, ENDED];
                put_time(&mut out, *at);
                out
            }
        }
    }

    /// Decodes a record, or returns what is wrong with its bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut input = Input(bytes);
        if input.byte()? != FORMAT {
            return Err("its format is unknown to this version");
        }
        let record = match input.byte()? {
            LIVE => Self::Live(input.session()?),
            MOVED => Self::Moved {
                to: input.digest()?,
                at: input.time()?,
                until: input.time()?,
            },
            ENDED => Self::Ended(input.time()?),
            _ => return Err("its kind is unknown"),
        };
        match input.0 {
            [] => Ok(record),
            _ => Err("there are bytes after its end"),
        }
    }
}

impl Session {
    pub(super) fn new(number: u64, life: Life) -> Self {
        Self {
            number,
            life,
            fields: Table::default(),
            rest: None,
        }
    }

    /// A copy for a change that may fail. Only a session that was read whole has drafts.
    pub(super) fn draft(&self) -> Self {
        Self {
            number: self.number,
            life: self.life,
            fields: self.fields.draft(),
            rest: None,
        }
    }

    /// Takes over what a draft has become.
    pub(super) fn adopt(&mut self, draft: Self) {
        self.number = draft.number;
        self.life = draft.life;
        self.fields.adopt(draft.fields);
    }

    /// A draft becomes a session of its own.
    pub(super) fn settled(self) -> Self {
        Self {
            fields: self.fields.settled(),
            ..self
        }
    }

    /// Sets the values of a commit that [lists no others](Self::lists_others).
    pub(super) fn set_values(&mut self, commit: &Commit<'_>, values: Vec<Option<Bytes>>) {
        for (write, value) in commit.writes.iter().zip(values) {
            if let Some(value) = value {
                let index = self.fields.get(&write.field);
                let index = index.and_then(|field| field.index.clone());
                self.fields.set(&write.field, index, value);
            }
        }
    }

    /// Whether [`fields`](Self::fields) are only some of its fields.
    pub(super) fn is_part(&self) -> bool {
        self.rest.is_some()
    }

    /// The index entries of the session.
    pub(super) fn index_entries(&self) -> Vec<(FieldName, Bytes)> {
        match self.fields.indexed() {
            0 => Vec::new(),
            _ => self.fields.fields().filter_map(entry).collect(),
        }
    }

    /// Those of them that a commit may change.
    pub(super) fn index_entries_of(&self, commit: &Commit<'_>) -> Vec<(FieldName, Bytes)> {
        if commit.clear != Clear::Nothing {
            return self.index_entries();
        }
        let written = commit.writes.iter();
        let fields = written.filter_map(|write| self.fields.get(&write.field));
        fields.filter_map(entry).collect()
    }

    /// The number of fields that a commit would leave, if it exceeds the maximum. The fields that were read include all
    /// that the commit changes, or all fields if it clears them.
    pub(super) fn too_many(&self, commit: &Commit<'_>) -> Option<usize> {
        commit.max_fields?;
        let len = match &self.rest {
            Some(rest) => rest.len,
            None => self.fields.len(),
        };
        let stays = |field: &&Field| !commit.clear.removes(&field.name);
        let kept = match commit.clear {
            Clear::Nothing => len,
            _ => self.fields.fields().filter(stays).count(),
        };
        rules::too_many(commit, len, kept, |name| self.fields.get(name).is_some())
    }

    /// Whether a commit with these resulting values changes the fields or index entries that the record lists.
    pub(super) fn lists_others(&self, commit: &Commit<'_>, values: &[Option<Bytes>]) -> bool {
        let mut writes = commit.writes.iter().zip(values);
        writes.any(
            |(write, value)| match (self.fields.get(&write.field), value) {
                (None, None) => false,
                (Some(field), Some(_)) => {
                    rules::index_after(write, || field.index.clone()) != field.index
                }
                _ => true,
            },
        )
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let Life {
            created,
            lease,
            former,
        } = self.life;
        let len = self.fields.len();
        let has_places = len > FEW || self.is_part();
        let rest = self.rest.as_ref().map_or(17 * len, |rest| rest.len());
        let mut out = Vec::with_capacity(128 + rest);
        out.extend([FORMAT, LIVE]);
        out.extend(self.number.to_be_bytes());
        for time in [created, lease.started, lease.seen, lease.idle_deadline] {
            put_time(&mut out, time);
        }
        let absolute = lease.absolute_deadline;
        let told = (lease.told != lease.seen).then_some(lease.told);
        let transient = lease.lifetime.is_some_and(|lifetime| lifetime.transient);
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        out.push(
            flag(absolute.is_some(), HAS_ABSOLUTE)
                | flag(former.is_some(), HAS_FORMER)
                | flag(told.is_some(), HAS_TOLD)
                | flag(lease.lifetime.is_some(), HAS_LIFETIME)
                | flag(transient, IS_TRANSIENT)
                | flag(has_places, HAS_PLACES),
        );
        if let Some(absolute) = absolute {
            put_time(&mut out, absolute);
        }
        if let Some((id, until)) = former {
            out.extend_from_slice(id.as_bytes());
            put_time(&mut out, until);
        }
        if let Some(told) = told {
            put_time(&mut out, told);
        }
        if let Some(lifetime) = lease.lifetime {
            put_duration(&mut out, lifetime.timeouts.idle);
            out.push(u8::from(lifetime.timeouts.absolute.is_some()));
            if let Some(absolute) = lifetime.timeouts.absolute {
                put_duration(&mut out, absolute);
            }
        }
        if let Some(rest) = &self.rest {
            out.extend_from_slice(rest);
            return out;
        }
        let mut place = out.len() + 4;
        if has_places {
            let places = (len - 1) / STEP;
            out.extend((places as u32).to_be_bytes());
            out.resize(place + 4 * places, 0);
        }
        let first = out.len();
        for (n, field) in self.fields.fields().enumerate() {
            if has_places && n > 0 && n % STEP == 0 {
                // The database cannot store a value of 4 GiB.
                let at = (out.len() - first) as u32;
                out[place..place + 4].copy_from_slice(&at.to_be_bytes());
                place += 4;
            }
            put_length(&mut out, field.name.len());
            out.extend_from_slice(field.name.as_bytes());
            match &field.index {
                None => out.push(0),
                Some(entry) => {
                    put_length(&mut out, entry.len() + 1);
                    out.extend_from_slice(entry);
                }
            }
        }
        out
    }
}

/// The index entry of a field.
fn entry(field: &Field) -> Option<(FieldName, Bytes)> {
    Some((field.name.clone(), Bytes::clone(field.index.as_ref()?)))
}

fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend(time.as_millis().to_be_bytes());
}

/// A duration that is too long for 64 bits of milliseconds is the longest possible one.
fn put_duration(out: &mut Vec<u8>, duration: Duration) {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    out.extend(millis.to_be_bytes());
}

fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use level_session_store::{Lease, Lifetime, Timeouts};

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn session() -> Session {
        let lease = Lease::new(at(2), at(3), at(4), Some(at(5)));
        let life = Life {
            created: at(1),
            lease,
            former: Some((Digest::from_bytes([7; 32]), at(6))),
        };
        let mut session = Session::new(9, life);
        for (name, index) in [("b", None), ("", Some(&b""[..])), ("a\0", Some(b"entry"))] {
            session.fields.set(
                &FieldName::from_static(name),
                index.map(Bytes::from),
                Bytes::from(*b"v"),
            );
        }
        session
    }

    fn without_values(session: Session) -> Session {
        let mut bare = Session::new(session.number, session.life);
        for field in session.fields.fields() {
            let field = Field::new(field.name.clone(), field.index.clone(), None);
            assert!(bare.fields.push(field).is_ok());
        }
        bare
    }

    #[test]
    fn a_record_comes_back_from_its_bytes() {
        let records = [
            Record::Live(without_values(session())),
            Record::Live(Session::new(u64::MAX, {
                let mut life = session().life;
                life.former = None;
                life.lease.absolute_deadline = None;
                life
            })),
            Record::Live(Session::new(7, {
                let mut life = session().life;
                life.lease.told = at(2);
                let timeouts = Timeouts::new(Duration::from_secs(60));
                life.lease.lifetime = Some(Lifetime::new(timeouts).with_transient(true));
                life
            })),
            Record::Live(Session::new(7, {
                let mut life = session().life;
                let absolute = Some(Duration::from_secs(3_600));
                let timeouts = Timeouts::new(Duration::from_secs(60)).with_absolute(absolute);
                life.lease.lifetime = Some(Lifetime::new(timeouts));
                life
            })),
            Record::Moved {
                to: Digest::from_bytes([8; 32]),
                at: at(1),
                until: at(2),
            },
            Record::Ended(Timestamp::MAX),
        ];
        for record in records {
            assert_eq!(Record::decode(&record.encode()).as_ref(), Ok(&record));
        }
    }

    #[test]
    fn the_bytes_are_those_of_every_release() {
        let mut session = session();
        session.fields.remove("a\0");
        let hex: String = session
            .encode()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let times =
            |times: &[u64]| -> String { times.iter().map(|t| format!("{t:016x}")).collect() };
        let expected = format!(
            "0101{}03{}{}{}{}",
            times(&[9, 1, 2, 3, 4]),
            times(&[5]),
            "07".repeat(32),
            times(&[6]),
            "0001" /* "" with an empty entry */
                .to_owned()
                + "016200" /* "b" */
        );
        assert_eq!(hex, expected);
    }

    #[test]
    fn damaged_bytes_are_told_apart_from_a_record() {
        let good = Record::Live(session()).encode();
        for cut in 0..good.len() {
            // Truncating between two fields leaves a valid record: the database's checksums detect that.
            if let Ok(Record::Live(shorter)) = Record::decode(&good[..cut]) {
                assert!(shorter.fields.len() < 3, "cut at {cut}");
            }
        }
        assert!(Record::decode(b"").is_err());
        assert!(
            Record::decode(&[2, 3, 0, 0, 0, 0, 0, 0, 0, 0]).is_err(),
            "format"
        );
        assert!(Record::decode(&[1, 4]).is_err(), "kind");
        assert!(
            Record::decode(&[&good[..], &[0xff; 9]].concat()).is_err(),
            "length"
        );
        let ended = Record::Ended(at(1)).encode();
        assert!(
            Record::decode(&[&ended[..], &[0]].concat()).is_err(),
            "rest"
        );
    }

    fn many(fields: usize) -> Session {
        let mut session = session();
        for n in 0..fields {
            let index = (n % 7 == 0).then(|| Bytes::from(*b"entry"));
            let name = FieldName::from(format!("{:05}", n * 3));
            session.fields.set(&name, index, Bytes::from(*b"v"));
        }
        without_values(session)
    }

    /// A field that is not found in a record would be lost.
    #[test]
    fn every_field_is_found_in_a_record_of_many_and_no_other() {
        for fields in [62, 64, 65, 93, 94, 1_000] {
            let session = many(fields);
            let bytes = session.encode();
            let decoded = Record::decode(&bytes);
            assert_eq!(
                decoded.as_ref(),
                Ok(&Record::Live(without_values(many(fields))))
            );
            let outline = Outline::of(&bytes).unwrap().unwrap();
            assert_eq!(outline.len(), Ok(fields + 3));
            assert_eq!(
                (outline.number, outline.life),
                (session.number, session.life)
            );
            for field in session.fields.fields() {
                let found = outline.field(&field.name).unwrap().unwrap();
                assert_eq!((&found.name, &found.index), (&field.name, &field.index));
                for other in [format!("{}x", &*field.name), format!("{} ", &*field.name)] {
                    assert_eq!(outline.field(&other), Ok(None), "{other}");
                }
            }
            assert_eq!(outline.field("zzzzzz"), Ok(None));
        }
    }

    /// A session that was read in part and is written with other times must keep all its fields in the record.
    #[test]
    fn a_part_is_written_back_with_all_fields() {
        let mut whole = many(500);
        let bytes = Slice::from(whole.encode());
        let outline = Outline::of(&bytes).unwrap().unwrap();
        assert_eq!(outline.len(), Ok(503));
        let mut part = outline
            .part(&bytes, ["00003", "absent"].into_iter())
            .unwrap();
        assert!(part.is_part() && part.fields.len() == 1);
        assert_eq!(part.encode(), whole.encode());
        part.life.lease.told = at(77);
        part.life.former = None;
        whole.life = part.life;
        assert_eq!(part.encode(), whole.encode());
    }

    /// Records from before there were places are read whole: sessions of an earlier release must not be lost.
    #[test]
    fn a_record_of_many_fields_without_places_is_read() {
        let session = many(200);
        let mut bytes = session.encode();
        let flags = 2 + 5 * 8;
        bytes[flags] &= !HAS_PLACES;
        let places = flags + 1 + 8 + 40;
        bytes.drain(places..places + 4 + 4 * (202 / STEP));
        assert!(Outline::of(&bytes).unwrap().is_none());
        assert_eq!(Record::decode(&bytes), Ok(Record::Live(session)));
    }

    /// Reading part of a damaged record must fail or agree with reading it whole, and never panic.
    #[test]
    fn damaged_places_are_told() {
        let session = many(200);
        let good = session.encode();
        let places = 2 + 5 * 8 + 1 + 8 + 40;
        for at in places..places + 28 {
            let mut bytes = good.clone();
            bytes[at] ^= 0x81;
            assert!(Record::decode(&bytes).is_err(), "byte {at}");
            if let Ok(Some(outline)) = Outline::of(&bytes) {
                for field in session.fields.fields() {
                    let _ = outline.field(&field.name);
                }
            }
        }
        for cut in 0..good.len() {
            if let Ok(Some(outline)) = Outline::of(&good[..cut]) {
                let _ = outline.field("00297");
                let _ = outline.field("zzz");
            }
        }
    }
}
