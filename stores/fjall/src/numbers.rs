//! The numbers of sessions: each is used once, even if the session, the process or the batch fails.

use super::{batch::Batch, fault::Place};
use fjall::Keyspace;
use level_session_store::Result;
use std::{
    ops::Deref,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The key in `meta` of the first number that is not reserved. No digest is as short.
const MARK: &[u8] = b"next";
/// How many numbers are reserved at once. Numbers left over when the store is closed are never used.
const BLOCK: u64 = 1024;

pub(super) struct Numbers(Mutex<Reserved>);

struct Reserved {
    next: u64,
    /// The value stored under [`MARK`]: numbering continues from there after a restart.
    reserved: u64,
}

/// A number, and the lock if it is the first of a block: the others of that block wait until the batch that reserves
/// the block is stored.
pub(super) struct Taken<'n> {
    number: u64,
    reserves: Option<(MutexGuard<'n, Reserved>, u64)>,
}

impl Numbers {
    pub(super) fn open(meta: &Keyspace, place: &Place) -> Result<Self> {
        let mark = meta.get(MARK).map_err(|cause| place.error("read", cause))?;
        let reserved = match mark {
            Some(mark) => <[u8; 8]>::try_from(&*mark)
                .map(u64::from_be_bytes)
                .map_err(|_| {
                    place.damaged(
                        "the mark of used numbers".to_owned(),
                        "it has the wrong length",
                    )
                })?,
            None => {
                let empty = meta
                    .is_empty()
                    .map_err(|cause| place.error("read", cause))?;
                if !empty {
                    return Err(place.damaged(
                        "the mark of used numbers".to_owned(),
                        "there are sessions, but no mark",
                    ));
                }
                0
            }
        };
        Ok(Self(Mutex::new(Reserved {
            next: reserved,
            reserved,
        })))
    }

    /// Takes a number, and adds the reservation of its block to the batch if it is the first of one. Call
    /// [`Taken::stored`] when the batch is stored; otherwise the next one reserves the block again.
    pub(super) fn take<'d>(&self, meta: &'d Keyspace, batch: &mut Batch<'d>) -> Taken<'_> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.next;
        state.next += 1;
        let reserves = (number >= state.reserved).then(|| {
            let reserved = number + BLOCK;
            batch.insert(meta, MARK, reserved.to_be_bytes());
            (state, reserved)
        });
        Taken { number, reserves }
    }
}

impl Taken<'_> {
    pub(super) fn stored(self) {
        if let Some((mut state, reserved)) = self.reserves {
            state.reserved = reserved;
        }
    }
}

impl Deref for Taken<'_> {
    type Target = u64;
    fn deref(&self) -> &u64 {
        &self.number
    }
}
