//! What the contract's types print: fields by name, values by their length and nothing more (requirement S08).

use super::{Bytes, FieldName, Fields, Guard, Op, Outcome, TableView, Write};
use std::fmt;

/// The length of a value.
struct Length<'a>(&'a Bytes);

impl fmt::Debug for Length<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

fn lengths(values: &[Option<Bytes>]) -> Vec<Option<Length<'_>>> {
    values
        .iter()
        .map(|value| value.as_ref().map(Length))
        .collect()
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Named(values) => f.debug_tuple("Named").field(&lengths(values)).finish(),
            Self::View(view) => f.debug_tuple("View").field(view).finish(),
            Self::All(fields) => {
                let all = fields.iter().map(|(name, value)| (name, Length(value)));
                f.debug_map().entries(all).finish()
            }
        }
    }
}

impl fmt::Debug for TableView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |name: &FieldName| self.get(name).flatten().map(|value| value.len());
        f.debug_map()
            .entries(self.names().map(|name| (name, length(name))))
            .finish()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("field", &self.field)
            .field("expected", &self.expected.as_ref().map(Length))
            .finish()
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("field", &self.field)
            .field("op", &self.op)
            .field("index", &self.index.as_ref().map(Length))
            .finish()
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(value) => f.debug_tuple("Set").field(&Length(value)).finish(),
            Self::Remove => f.write_str("Remove"),
            Self::Add(add) => add.fmt(f),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Gone => f.write_str("Gone"),
            Self::Exists => f.write_str("Exists"),
            Self::Conflict(current) => f.debug_tuple("Conflict").field(&lengths(current)).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_printed() {
        let bytes: Bytes = Arc::from([83, 69, 67]);
        let all = [
            format!("{:?}", Fields::Named(vec![Some(bytes.clone()), None])),
            format!("{:?}", Fields::All(vec![("a".into(), bytes.clone())])),
            format!(
                "{:?}",
                Guard {
                    field: "a".into(),
                    expected: Some(bytes.clone())
                }
            ),
            format!("{:?}", Op::Set(bytes.clone())),
            format!("{:?}", Outcome::Conflict(vec![Some(bytes.clone())])),
            format!(
                "{:?}",
                Write {
                    field: "a".into(),
                    op: Op::Set(bytes.clone()),
                    index: Some(bytes)
                }
            ),
        ];
        for text in all {
            assert!(text.contains("3 bytes") && !text.contains("83"), "{text}");
        }
    }
    use std::sync::Arc;
}
