//! What the measurements have in common: the applications, what is asked of them, and how the time is taken.
//!
//! The machine is never quiet, so nothing here stands alone: what is compared is measured in turns, round by round, and
//! of every figure the best and the median round are kept. Ratios come first in every table.

pub mod apps;
pub mod callgrind;
pub mod compare;
pub mod machine;
pub mod redis;
pub mod served;
pub mod stored;
pub mod table;
pub mod workload;
