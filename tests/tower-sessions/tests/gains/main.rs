//! What an application of tower-sessions gains by our stores, each beside tower-sessions' own: the first run shows what
//! goes wrong there, the second that it does not here. The table is in the guide.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

/// Every gain, of one version of tower-sessions.
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
