//! The buffer into which a value is written, before it gets an allocation of its exact size.

use std::ops::{Deref, Range};

/// The size of the buffer on the stack: most values are shorter.
const ON_STACK: usize = 128;

/// Bytes that grow at the end: on the stack, or on the heap once they no longer fit there. So the only allocation of a
/// short value is the one that is stored. (`smallvec` takes more instructions here than a vector that is allocated and
/// freed.)
#[doc(hidden)]
pub struct Buffer {
    stack: [u8; ON_STACK],
    /// The number of bytes in `stack`; [`SPILLED`] if all bytes are in `heap`.
    len: usize,
    heap: Vec<u8>,
}

/// The value of `len` when all bytes are on the heap: no length on the stack is as large.
const SPILLED: usize = ON_STACK + 1;

impl Buffer {
    #[inline]
    pub fn new() -> Self {
        Self {
            stack: [0; ON_STACK],
            len: 0,
            heap: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }

    #[inline]
    pub(super) fn extend_from_slice(&mut self, bytes: &[u8]) {
        match self.stack.get_mut(self.len..self.len + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.on_heap().extend_from_slice(bytes),
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        match self.len {
            SPILLED => self.heap.truncate(len),
            _ => self.len = self.len.min(len),
        }
    }

    /// Replaces the bytes in a range by others; the following bytes move if the lengths differ. This is rarely needed,
    /// so it may move everything.
    pub(super) fn splice(&mut self, range: Range<usize>, bytes: &[u8]) {
        match self.stack.get_mut(range.clone()) {
            Some(old) if old.len() == bytes.len() && self.len != SPILLED => {
                old.copy_from_slice(bytes);
            }
            _ => drop(self.on_heap().splice(range, bytes.iter().copied())),
        }
    }

    #[cold]
    fn on_heap(&mut self) -> &mut Vec<u8> {
        if self.len != SPILLED {
            self.heap.extend_from_slice(&self.stack[..self.len]);
            self.len = SPILLED;
        }
        &mut self.heap
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows only the length (requirement S08).
impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.len())
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.stack.get(..self.len).unwrap_or(&self.heap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: bytes that are lost, doubled or out of place where they move from the stack to the heap.
    #[test]
    fn it_holds_what_a_vector_does_on_either_side_of_the_stack_s_end() {
        for len in (0..4).chain(ON_STACK - 4..ON_STACK + 5) {
            let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let cut = len / 2;
            for (from, to) in [(0, 0), (0, len), (cut, len), (cut, cut), (len, len)] {
                for put in [&b""[..], b"x", b"xyz", &bytes[..to - from]] {
                    let (mut buffer, mut vector) = (Buffer::new(), Vec::new());
                    for half in [&bytes[..cut], &bytes[cut..], b"ab"] {
                        buffer.extend_from_slice(half);
                        vector.extend_from_slice(half);
                    }
                    buffer.splice(from..to, put);
                    vector.splice(from..to, put.iter().copied());
                    assert_eq!(*buffer, *vector, "{put:?} for {from}..{to} of {len}");
                    buffer.push(b'c');
                    vector.push(b'c');
                    assert_eq!(*buffer, *vector);
                    for shorter in [len + 9, len, cut] {
                        buffer.truncate(shorter);
                        vector.truncate(shorter);
                        assert_eq!(*buffer, *vector);
                        buffer.push(b'd');
                        vector.push(b'd');
                        assert_eq!(*buffer, *vector);
                    }
                }
            }
        }
    }
}
