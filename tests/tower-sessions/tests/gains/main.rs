//! The benefits of our stores for an application of tower-sessions. Each test runs on tower-sessions' own store, where it shows
//! the problem, and on ours, where it does not occur. The guide contains the table.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

/// All tests, for one version of tower-sessions.
macro_rules! gains_of {
    ($version:ident, $tower_sessions:ident) => {
        mod $version {
            use $tower_sessions as tower_sessions;
            include!("each.rs");
        }
    };
}

gains_of!(on_0_14, tower_sessions_0_14);
gains_of!(on_0_15, tower_sessions_0_15);

mod layer;
mod typed;
