//! The common parts of the measurements: the applications, their workloads, and the timing.
//!
//! The machine is never idle, so every figure is compared with others: the candidates take turns, round by round, and
//! the best and the median round of each are kept. Ratios come first in every table.

pub mod apps;
pub mod callgrind;
pub mod client;
pub mod compare;
pub mod machine;
pub mod redis;
pub mod served;
pub mod stored;
pub mod table;
pub mod workload;
