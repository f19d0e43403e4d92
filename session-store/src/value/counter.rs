//! Additions that merge: the only calculation that a store performs.

use super::{
    error::ValueError,
    head::{Body, open, seal},
    ser::encode,
};
use crate::{bytes::Bytes, clock::Timestamp, error::ErrorKind};
use std::fmt;

/// The values that a counter's type can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterRange {
    /// The smallest.
    pub min: i128,
    /// The largest.
    pub max: i128,
}

/// An addition to a counter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Add {
    /// The number to add.
    pub delta: i128,
    /// The range of the sum.
    pub range: CounterRange,
    /// The number to start from if nothing is stored, or its TTL has passed.
    pub base: i128,
    /// When a counter that starts with this addition ends.
    pub expires: Option<Timestamp>,
}

/// Shows no number: it is a field's value, or a difference (requirement S08).
impl fmt::Debug for Add {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Add")
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

impl Add {
    /// Returns the bytes to store, given the stored ones. A counter keeps its expiry, unless it is absent or its TTL
    /// has passed at `now`: then it starts anew from [`base`](Self::base).
    ///
    /// # Errors
    /// [`ErrorKind::Overflow`] if the sum leaves the range, [`ErrorKind::Decode`] if the stored value is not an
    /// integer. The store must store nothing then.
    ///
    /// ```
    /// use level_session_store::{Add, Timestamp, Value, value::CounterRange};
    ///
    /// let now = Timestamp::from_millis(0);
    /// let one = Add { delta: 1, range: CounterRange { min: 0, max: 255 }, base: 0, expires: None };
    /// let first = one.apply(None, now)?;
    /// let second = one.apply(Some(&first), now)?;
    /// assert_eq!(Value::from_stored(&second)?, (None, Value::from(2u8)));
    /// # Ok::<(), level_session_store::value::ValueError>(())
    /// ```
    pub fn apply(&self, stored: Option<&[u8]>, now: Timestamp) -> Result<Bytes, ValueError> {
        let stored = stored.map(open).transpose()?;
        let alive = stored.and_then(|stored| Some((stored.expires, stored.live(now)?)));
        let (expires, current) = match alive {
            Some((expires, body)) => (expires, read(body)?),
            None => (self.expires, self.base),
        };
        let sum = current.checked_add(self.delta);
        match sum.filter(|sum| (self.range.min..=self.range.max).contains(sum)) {
            Some(sum) => seal(expires, |out| encode(&sum, out)),
            None => Err(self.overflow()),
        }
    }

    #[cold]
    fn overflow(&self) -> ValueError {
        let CounterRange { min, max } = self.range;
        ValueError::new(
            ErrorKind::Overflow,
            format!(
                "would leave its range, {min} to {max}: nothing was added, and no change of the request is stored"
            ),
        )
    }
}

/// The stored number. If it does not fit into an `i128`, the error says so: no counter can hold it, but it is an
/// integer.
fn read(body: Body<'_>) -> Result<i128, ValueError> {
    match body.integer() {
        Some(n) => Ok(n),
        None => body.decode(),
    }
}
