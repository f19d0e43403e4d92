//! Parses a record, field by field, without trusting any byte of it.

use super::{
    FORMAT, HAS_ABSOLUTE, HAS_FORMER, HAS_LIFETIME, HAS_PLACES, HAS_TOLD, IS_TRANSIENT,
    KNOWN_FLAGS, LIVE, Rest, STEP, Session,
};
use crate::names;
use fjall::Slice;
use level_session_store::{
    Bytes, Digest, Lease, Lifetime, Timeouts, Timestamp,
    local::{Field, Table},
    rules::Life,
};
use std::{cmp::Ordering, time::Duration};

/// The rest of a record.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

/// A session with many fields, none of which was parsed yet.
pub(crate) struct Outline<'a> {
    pub(crate) number: u64,
    pub(crate) life: Life,
    /// The positions at regular intervals of fields, except the first.
    places: &'a [[u8; 4]],
    fields: &'a [u8],
}

impl<'a> Outline<'a> {
    /// Parses the head of a record; `None` if the record is to be read whole, since it is short or not a session.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Option<Self>, &'static str> {
        let mut input = Input(bytes);
        if input.byte()? != FORMAT || input.byte()? != LIVE {
            return Ok(None);
        }
        let (number, life, has_places) = input.life()?;
        if !has_places {
            return Ok(None);
        }
        Ok(Some(Self {
            number,
            life,
            places: input.places()?,
            fields: input.0,
        }))
    }

    /// How many times as long as finding one field it takes to read all of them.
    pub(crate) fn looks(&self) -> usize {
        self.places.len()
    }

    /// The number of listed fields.
    pub(super) fn len(&self) -> Result<usize, &'static str> {
        let mut last = self.from(self.places.len())?;
        let mut len = self.places.len() * STEP;
        while !last.0.is_empty() {
            last.name()?;
            last.index()?;
            len += 1;
        }
        Ok(len)
    }

    /// The field of this name, if it is listed.
    pub(super) fn field(&self, name: &str) -> Result<Option<Field>, &'static str> {
        let (mut low, mut high) = (0, self.places.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.from(middle + 1)?.name()? <= name.as_bytes() {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let mut input = self.from(low)?;
        for _ in 0..STEP {
            if input.0.is_empty() {
                break;
            }
            let mut next = Input(input.0);
            match next.name()?.cmp(name.as_bytes()) {
                Ordering::Less => {
                    next.index()?;
                    input = next;
                }
                Ordering::Equal => return input.field().map(Some),
                Ordering::Greater => break,
            }
        }
        Ok(None)
    }

    /// The session with those of these fields that it has. `record` are the bytes of the outline.
    pub(crate) fn part<'n>(
        &self,
        record: &Slice,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Session, &'static str> {
        let mut session = Session::new(self.number, self.life);
        let mut fields = Vec::new();
        for name in names {
            fields.extend(self.field(name)?);
        }
        fields.sort_unstable_by(|one: &Field, other| one.name.cmp(&other.name));
        fields.dedup_by(|one, other| one.name == other.name);
        session.fields = Table::of(fields.into_iter());
        let rest = self.fields.len() + 4 + 4 * self.places.len();
        session.rest = Some(Rest {
            record: record.clone(),
            from: record.len() - rest,
            len: self.len()?,
        });
        Ok(session)
    }

    /// The fields from a position on.
    fn from(&self, place: usize) -> Result<Input<'a>, &'static str> {
        let at = match place
            .checked_sub(1)
            .map(|at| u32::from_be_bytes(self.places[at]))
        {
            None => 0,
            Some(at) => usize::try_from(at).map_err(|_| MISPLACED)?,
        };
        self.fields.get(at..).map(Input).ok_or(MISPLACED)
    }
}

const MISPLACED: &str = "its fields are not at the listed positions";

const TRUNCATED: &str = "it is truncated";

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (head, rest) = self.0.split_first_chunk().ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn byte(&mut self) -> Result<u8, &'static str> {
        self.array().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, &'static str> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, &'static str> {
        self.number().map(Timestamp::from_millis)
    }

    pub(super) fn digest(&mut self) -> Result<Digest, &'static str> {
        self.array().map(Digest::from_bytes)
    }

    fn length(&mut self) -> Result<usize, &'static str> {
        let mut length = 0_u32;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            let part = u32::from(byte & 0x7f);
            if (part << shift) >> shift != part {
                break;
            }
            length |= part << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(length).map_err(|_| "a length in it is too large");
            }
        }
        Err("a length in it is too large")
    }

    /// The number and the life of a session, and whether it has places.
    fn life(&mut self) -> Result<(u64, Life, bool), &'static str> {
        let number = self.number()?;
        let created = self.time()?;
        let (started, seen, idle_deadline) = (self.time()?, self.time()?, self.time()?);
        let flags = self.byte()?;
        if flags & !KNOWN_FLAGS != 0 {
            return Err("it has flags that are unknown to this version");
        }
        let absolute_deadline = match flags & HAS_ABSOLUTE {
            0 => None,
            _ => Some(self.time()?),
        };
        let former = match flags & HAS_FORMER {
            0 => None,
            _ => Some((self.digest()?, self.time()?)),
        };
        let mut lease = Lease::new(started, seen, idle_deadline, absolute_deadline);
        if flags & HAS_TOLD != 0 {
            lease.told = self.time()?;
        }
        if flags & HAS_LIFETIME != 0 {
            lease.lifetime = Some(self.lifetime(flags & IS_TRANSIENT != 0)?);
        }
        let life = Life {
            created,
            lease,
            former,
        };
        Ok((number, life, flags & HAS_PLACES != 0))
    }

    pub(super) fn session(&mut self) -> Result<Session, &'static str> {
        let (number, life, has_places) = self.life()?;
        let mut session = Session::new(number, life);
        let places = match has_places {
            true => self.places()?,
            false => &[],
        };
        let mut places = places.iter().map(|at| u32::from_be_bytes(*at));
        let begin = self.0.len();
        for n in 0.. {
            if self.0.is_empty() {
                break;
            }
            let at = begin - self.0.len();
            let is_place = has_places && n > 0 && n % STEP == 0;
            if is_place && places.next().map(usize::try_from) != Some(Ok(at)) {
                return Err(MISPLACED);
            }
            if session.fields.push(self.field()?).is_err() {
                return Err("its fields are not in order");
            }
        }
        match places.next() {
            None => Ok(session),
            Some(_) => Err(MISPLACED),
        }
    }

    fn places(&mut self) -> Result<&'a [[u8; 4]], &'static str> {
        let count = usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| TRUNCATED)?;
        let bytes = self.take(count.checked_mul(4).ok_or(TRUNCATED)?)?;
        Ok(bytes.as_chunks().0)
    }

    fn lifetime(&mut self, transient: bool) -> Result<Lifetime, &'static str> {
        let idle = Duration::from_millis(self.number()?);
        let absolute = match self.byte()? {
            0 => None,
            1 => Some(Duration::from_millis(self.number()?)),
            _ => return Err("the kind of its lifetime is unknown"),
        };
        let timeouts = Timeouts::new(idle).with_absolute(absolute);
        Ok(Lifetime::new(timeouts).with_transient(transient))
    }

    fn name(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.length()?;
        self.take(length)
    }

    fn index(&mut self) -> Result<Option<&'a [u8]>, &'static str> {
        match self.length()? {
            0 => Ok(None),
            more => self.take(more - 1).map(Some),
        }
    }

    fn field(&mut self) -> Result<Field, &'static str> {
        let name =
            std::str::from_utf8(self.name()?).map_err(|_| "a field's name in it is not UTF-8")?;
        let index = self.index()?.map(Bytes::from);
        Ok(Field::new(names::shared(name), index, None))
    }
}
