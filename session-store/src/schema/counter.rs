//! The types of counters.

use crate::value::CounterRange;

/// The integer types that a `#[session(counter)]` can have: `i8` to `i64`, `u8` to `u64`, `isize`, `usize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a session counter",
    label = "not an integer of at most 64 bits",
    note = "a counter must be an `i8` to `i64`, `u8` to `u64`, `isize` or `usize`"
)]
pub trait CounterValue: Copy + private::Sealed {
    #[doc(hidden)]
    const RANGE: CounterRange;
    #[doc(hidden)]
    const ZERO: Self;
    #[doc(hidden)]
    fn widen(self) -> i128;
    #[doc(hidden)]
    fn narrow(wide: i128) -> Option<Self>;
}

mod private {
    #[expect(unnameable_types, reason = "seals the trait")]
    pub trait Sealed {}
}

macro_rules! counters {
    ($($t:ty)*) => {$(
        impl private::Sealed for $t {}
        impl CounterValue for $t {
            const RANGE: CounterRange = CounterRange { min: <$t>::MIN as i128, max: <$t>::MAX as i128 };
            const ZERO: Self = 0;
            fn widen(self) -> i128 { self as i128 }
            fn narrow(wide: i128) -> Option<Self> { Self::try_from(wide).ok() }
        }
    )*};
}
counters!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);
