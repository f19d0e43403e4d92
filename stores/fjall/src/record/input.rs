//! Reading a record, field by field, without trusting a byte of it.

use super::{HAS_ABSOLUTE, HAS_FORMER, HAS_LIFETIME, HAS_TOLD, IS_TRANSIENT, KNOWN_FLAGS, Session};
use crate::names;
use level_session_store::{
    Bytes, Digest, Lease, Lifetime, Timeouts, Timestamp, local::Field, rules::Life,
};
use std::time::Duration;

/// What is left to read of a record.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

const TRUNCATED: &str = "it ends too early";

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

    pub(super) fn session(&mut self) -> Result<Session, &'static str> {
        let number = self.number()?;
        let created = self.time()?;
        let (started, seen, idle_deadline) = (self.time()?, self.time()?, self.time()?);
        let flags = self.byte()?;
        if flags & !KNOWN_FLAGS != 0 {
            return Err("it has flags that this version does not know");
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
        let mut session = Session::new(number, life);
        while !self.0.is_empty() {
            if session.fields.push(self.field()?).is_err() {
                return Err("its fields are not in order");
            }
        }
        Ok(session)
    }

    fn lifetime(&mut self, transient: bool) -> Result<Lifetime, &'static str> {
        let idle = Duration::from_millis(self.number()?);
        let absolute = match self.byte()? {
            0 => None,
            1 => Some(Duration::from_millis(self.number()?)),
            _ => return Err("its lifetime is of a kind that does not exist"),
        };
        let timeouts = Timeouts::new(idle).with_absolute(absolute);
        Ok(Lifetime::new(timeouts).with_transient(transient))
    }

    fn field(&mut self) -> Result<Field, &'static str> {
        let length = self.length()?;
        let name = std::str::from_utf8(self.take(length)?)
            .map_err(|_| "a field's name in it is not UTF-8")?;
        let index = match self.length()? {
            0 => None,
            more => Some(Bytes::from(self.take(more - 1)?)),
        };
        Ok(Field::new(names::shared(name), index, None))
    }
}
