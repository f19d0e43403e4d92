//! Defaults: of the type, as an expression, and of the struct.

use level_session::{Counter, Field, OptField, SessionData};
use std::collections::HashMap;

/// A parser that only splits at commas would cut each of these expressions short.
#[derive(SessionData)]
pub struct Expressions {
    #[session(default = HashMap::<u8, Vec<(u8, u8)>>::new(), ttl = "1m")]
    turbofish: HashMap<u8, Vec<(u8, u8)>>,
    #[session(default = <Vec<u8> as Default>::default(), rename = "q")]
    qualified: Vec<u8>,
    #[session(default = [1, 2, 3], ttl = "1m")]
    array: [u8; 3],
    #[session(default = { let (a, b) = (1, 2); a + b }, ttl = "1m")]
    block: u8,
    #[session(default = if true { 1 } else { 2 }, ttl = "1m")]
    branch: u8,
    #[session(default = match (1, 2) { (1, n) => n, (n, _) => n })]
    arms: u8,
    #[session(default = vec![1, 2].into_iter().map(|n| n + 1).collect::<Vec<u8>>(), ttl = "1m")]
    chain: Vec<u8>,
    #[session(default = -1)]
    negative: i8,
    #[session(default = 1 << 3 | 1)]
    bits: u8,
    #[session(default = "light".into(),)]
    text: String,
    #[session(default = Self::LEVEL)]
    associated: u8,
    #[session(default = Some(3))]
    option: Option<u8>,
}

impl Expressions {
    const LEVEL: u8 = 7;
}

/// Fields without a `default` attribute take their default from the struct's `Default`.
#[derive(SessionData)]
#[session(default)]
pub struct Whole {
    theme: String,
    #[session(default = 9)]
    own: u8,
    maybe: Option<u8>,
    #[session(counter)]
    visits: u64,
    #[session(skip)]
    skipped: String,
}

impl Default for Whole {
    fn default() -> Self {
        Self {
            theme: "dark".into(),
            own: 1,
            maybe: Some(1),
            visits: 5,
            skipped: "not stored".into(),
        }
    }
}

/// Never called: the test is that it compiles.
#[allow(dead_code)]
fn accessors(expressions: &ExpressionsFields, whole: &WholeFields) {
    fn is<T>(_: T) {}
    is::<Field<'_, [u8; 3]>>(expressions.array());
    is::<Field<'_, Option<u8>>>(expressions.option());
    is::<Field<'_, String>>(whole.theme());
    is::<OptField<'_, u8>>(whole.maybe());
    is::<Counter<'_, u64>>(whole.visits());
}

#[test]
fn expressions_end_where_they_end() {
    assert_eq!(
        Expressions::TURBOFISH.def().ttl().map(|ttl| ttl.as_secs()),
        Some(60)
    );
    assert_eq!(
        Expressions::CHAIN.def().ttl().map(|ttl| ttl.as_secs()),
        Some(60)
    );
    assert_eq!(Expressions::QUALIFIED.name(), "q");
    assert_eq!(Expressions::SCHEMA.fields().len(), 12);
    assert_eq!(Whole::SCHEMA.fields().len(), 4);
}
