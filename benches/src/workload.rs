//! What is asked of an application.

/// What a handler does with a session of eight fields of 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Nothing: the request has a cookie, and the handler does not look at the session.
    Ignored,
    /// Reads one field.
    ReadOne,
    /// Reads all eight, one by one.
    ReadEight,
    /// Sets one field to another value.
    WriteOne,
    /// Comes without a cookie, and sets all eight.
    New,
}

impl Workload {
    pub const ALL: [Self; 5] = [
        Self::Ignored,
        Self::ReadOne,
        Self::ReadEight,
        Self::WriteOne,
        Self::New,
    ];

    /// Where the handler is.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Ignored => "/ignored",
            Self::ReadOne => "/read-one",
            Self::ReadEight => "/read-eight",
            Self::WriteOne => "/write-one",
            Self::New => "/new",
        }
    }

    /// What it is called in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::ReadOne => "read-one",
            Self::ReadEight => "read-eight",
            Self::WriteOne => "write-one",
            Self::New => "new",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|workload| workload.name() == name)
    }

    /// Whether the request brings the cookie of a session.
    pub const fn has_cookie(self) -> bool {
        !matches!(self, Self::New)
    }
}

/// The names of the fields.
pub const FIELDS: [&str; 8] = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7"];

/// Bytes of a field.
pub const FIELD_BYTES: usize = 40;

/// A value of 40 bytes, another one at every call of the same thread, in turn: also where the same four or eight
/// fields are written again and again, since a database may see that nothing changes.
pub fn value() -> &'static str {
    const VALUES: [&str; 5] = [
        "the quick brown fox jumps over a lazy do",
        "a wizard's job is to vex chumps quickly!",
        "pack my box with five dozen liquor jugs.",
        "sphinx of black quartz, judge my vow now",
        "how vexingly quick daft zebras can jump!",
    ];
    thread_local!(static NEXT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) });
    NEXT.with(|next| {
        let at = next.get();
        next.set(at + 1);
        VALUES[at % VALUES.len()]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_length_and_differs_from_the_one_before() {
        let values: Vec<_> = (0..8).map(|_| value()).collect();
        assert!(values.iter().all(|value| value.len() == FIELD_BYTES));
        assert!(values.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
