//! The workloads of an application.

use std::{
    cell::Cell,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The operation of a handler on a session of eight fields of 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// None: the request has a cookie, and the handler does not use the session.
    Ignored,
    /// Reads one field.
    ReadOne,
    /// Reads all eight, one by one.
    ReadEight,
    /// Sets one field to another value.
    WriteOne,
    /// Sets all eight, in a request without a cookie.
    New,
    /// Reads one field, and sets it to another value.
    ReadWrite,
    /// Renews the session's id, and sets one field.
    SignIn,
    /// Reads one field of a session that also has a value of 64 KiB.
    BesideLarge,
}

impl Workload {
    pub const ALL: [Self; 5] = [
        Self::Ignored,
        Self::ReadOne,
        Self::ReadEight,
        Self::WriteOne,
        Self::New,
    ];

    /// The workloads of the servers over Redis.
    pub const OVER_REDIS: [Self; 8] = [
        Self::Ignored,
        Self::ReadOne,
        Self::ReadEight,
        Self::WriteOne,
        Self::ReadWrite,
        Self::New,
        Self::SignIn,
        Self::BesideLarge,
    ];

    /// The path that creates the session for it.
    pub const fn prepared_by(self) -> &'static str {
        match self {
            Self::BesideLarge => NEW_LARGE,
            _ => Self::New.path(),
        }
    }

    /// The path of the handler.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Ignored => "/ignored",
            Self::ReadOne | Self::BesideLarge => "/read-one",
            Self::ReadEight => "/read-eight",
            Self::WriteOne => "/write-one",
            Self::New => "/new",
            Self::ReadWrite => "/read-write",
            Self::SignIn => "/sign-in",
        }
    }

    /// The name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::ReadOne => "read-one",
            Self::ReadEight => "read-eight",
            Self::WriteOne => "write-one",
            Self::New => "new",
            Self::ReadWrite => "read-write",
            Self::SignIn => "sign-in",
            Self::BesideLarge => "beside-64-KiB",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|workload| workload.name() == name)
    }

    /// Whether the request has the cookie of a session.
    pub const fn has_cookie(self) -> bool {
        !matches!(self, Self::New)
    }
}

/// The names of the fields.
pub const FIELDS: [&str; 8] = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7"];

/// The field that is read or written separately.
const WRITTEN: usize = 3;

/// The size of a field in bytes.
pub const FIELD_BYTES: usize = 40;

/// The path that creates a session with one field of 40 bytes and one of [`LARGE_BYTES`].
pub const NEW_LARGE: &str = "/new-large";

/// The name of the large field.
pub const LARGE: &str = "large";

/// The size of the large field in bytes.
pub const LARGE_BYTES: usize = 64 * 1024;

/// A large value, created once.
pub fn large() -> &'static str {
    static LARGE: LazyLock<String> =
        LazyLock::new(|| "large value ".repeat(LARGE_BYTES / 12 + 1)[..LARGE_BYTES].to_owned());
    &LARGE
}

/// The path that shows all eight fields, one per line: it proves that requests have read and written the fields.
pub const SHOW: &str = "/show";

/// The number of values: a prime, so that sessions that are written in turns do not get the same value again.
const VALUES: usize = 97;

/// A value of 40 bytes, a different one at every call by the same thread, in turn. So the same four or eight fields get
/// different values at each write: a library or a database could otherwise detect that nothing changes.
pub fn value() -> &'static str {
    static ALL: LazyLock<Vec<String>> = LazyLock::new(|| {
        let texts = [
            "the quick brown fox jumps over a lazy do",
            "a wizard's job is to vex chumps quickly!",
            "pack my box with five dozen liquor jugs.",
            "sphinx of black quartz, judge my vow now",
            "how vexingly quick daft zebras can jump!",
        ];
        (0..VALUES)
            .map(|n| format!("{n:02}{}", &texts[n % texts.len()][2..]))
            .collect()
    });
    // Threads begin at different values, so that two threads write different values to a session.
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NEXT: Cell<usize> = {
        Cell::new(THREADS.fetch_add(1, Ordering::Relaxed) * 31 % VALUES)
    });
    let at = NEXT.get();
    NEXT.set(if at + 1 == VALUES { 0 } else { at + 1 });
    &ALL[at]
}

/// Compares the fields of a session that an application showed after creating it, and after a write to one field.
///
/// # Errors
/// If fields are missing, or others than the written one have changed, or it has not.
pub fn prove(made: &str, written: &str) -> Result<(), String> {
    let (made, written): (Vec<_>, Vec<_>) = (made.lines().collect(), written.lines().collect());
    for shown in [&made, &written] {
        if shown.len() != FIELDS.len() || shown.iter().any(|line| line.len() != FIELD_BYTES) {
            return Err(format!("eight fields of 40 bytes are not {shown:?}"));
        }
    }
    let changed: Vec<_> = (0..FIELDS.len())
        .filter(|at| made[*at] != written[*at])
        .collect();
    match changed[..] {
        [WRITTEN] => Ok(()),
        _ => Err(format!("writing f3 has changed {changed:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_length_and_differs_from_the_one_before() {
        let values: Vec<_> = (0..2 * VALUES).map(|_| value()).collect();
        assert!(values.iter().all(|value| value.len() == FIELD_BYTES));
        // The eight of a new session before it, and 64 sessions in turns, on one thread or shared by two.
        for apart in [1, 5, 8, 32, 64] {
            assert!(values.windows(apart + 1).all(|few| few[0] != few[apart]));
        }
    }

    #[test]
    fn proof_is_one_changed_field() {
        let shown = |values: &[&str; 8]| values.join("\n");
        let a = [value(); 8];
        let mut b = a;
        assert!(prove(&shown(&a), &shown(&b)).is_err());
        b[WRITTEN] = value();
        assert_eq!(prove(&shown(&a), &shown(&b)), Ok(()));
        b[0] = value();
        assert!(prove(&shown(&a), &shown(&b)).is_err());
        assert!(prove("ok", "ok").is_err());
        b = a;
        b[WRITTEN] = "";
        assert!(prove(&shown(&a), &shown(&b)).is_err());
    }
}
