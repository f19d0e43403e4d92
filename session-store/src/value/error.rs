//! The error of a value that cannot be written or read. It does not show the value.
//!
//! serde's own messages quote what they found (``invalid value: string "hunter2"``, ``unknown variant `hunter2` ``).
//! The messages here consist of the *shape* of the stored value and of the type's expectation. They show names from the
//! program (fields, variants and types of a declaration), never names from the store. The message of a type's own
//! `Serialize` or `Deserialize` may quote anything, so it is not kept: the error says only that the type rejected the
//! value (requirement S08).

use crate::{
    error::{Error, ErrorKind},
    name::FieldName,
};
use serde::{
    de::{self, Expected, Unexpected},
    ser,
};
use std::{borrow::Cow, error::Error as StdError, fmt};

/// The maximum number of steps into a value that an error names.
const MAX_STEPS: usize = 8;

/// The error of a value that cannot be written or read.
///
/// `Display` and `Debug` show only the shape of the value, and the position of the error in it, by names of the program
/// (fields and variants; not keys of maps). The message of a type's own `Serialize` or `Deserialize` is not kept,
/// because it may quote the value: the error only says that the type rejected the value.
///
/// ```
/// use level_session_store::Value;
/// use std::{collections::BTreeMap, net::IpAddr};
///
/// let stored = Value::of(&BTreeMap::from([("ann@example.org", ["secret"])]))?;
/// let error = stored.read::<BTreeMap<String, Vec<u64>>>().unwrap_err();
/// assert_eq!(error.to_string(), "holds a string, expected u64 (in `[..][0]`)");
///
/// let error = Value::from("no address").read::<IpAddr>().unwrap_err();
/// assert_eq!(error.to_string(), "holds a string that core::net::ip_addr::IpAddr rejects");
/// # Ok::<(), level_session_store::value::ValueError>(())
/// ```
pub struct ValueError(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    what: What,
    /// The position inside the value, innermost step first.
    path: Vec<PathStep>,
}

enum What {
    /// The value has another shape than the wanted one.
    Mismatch { held: Shape, wanted: String },
    /// The shape is right, but the value does not fit the type.
    Unfit { held: Shape, wanted: String },
    /// The type rejected the value, and its message is not kept. The reader fills in the shape and the type.
    Refused {
        held: Shape,
        by: Option<&'static str>,
    },
    /// A complete message.
    Said(Cow<'static, str>),
}

/// The shape of a stored value: an error may show it.
pub(super) type Shape = &'static str;

/// A step into a value.
pub(super) enum PathStep {
    /// A field of a struct, or a variant: named in the program.
    Name(&'static str),
    /// An element of a list.
    Index(usize),
    /// An entry of a map, whose key is data.
    Entry,
}

impl ValueError {
    pub(super) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Repr {
            kind,
            what: What::Said(message.into()),
            path: Vec::new(),
        }))
    }

    /// The bytes are not valid in this format.
    #[cold]
    pub(super) fn damaged(how: &'static str) -> Self {
        Self::new(
            ErrorKind::Decode,
            format!("cannot be read, its stored bytes are damaged: {how}"),
        )
    }

    #[cold]
    pub(super) fn mismatch(held: Shape, wanted: &dyn Expected) -> Self {
        Self::decode(What::Mismatch {
            held,
            wanted: wanted.to_string(),
        })
    }

    #[cold]
    pub(super) fn unfit(held: Shape, wanted: &dyn Expected) -> Self {
        Self::decode(What::Unfit {
            held,
            wanted: wanted.to_string(),
        })
    }

    fn decode(what: What) -> Self {
        Self(Box::new(Repr {
            kind: ErrorKind::Decode,
            what,
            path: Vec::new(),
        }))
    }

    /// The same error, seen from the enclosing value.
    #[cold]
    pub(super) fn within(mut self, step: PathStep) -> Self {
        self.0.path.push(step);
        self
    }

    /// Adds the type and the shape of the value, if a type rejected the value.
    #[cold]
    pub(super) fn refused(mut self, shape: Shape, type_name: &'static str) -> Self {
        if let What::Refused {
            held,
            by: by @ None,
        } = &mut self.0.what
        {
            *held = shape;
            *by = Some(type_name);
        }
        self
    }

    /// The kind of the error: [`Encode`](ErrorKind::Encode), [`Decode`](ErrorKind::Decode),
    /// [`Overflow`](ErrorKind::Overflow) or [`Type`](ErrorKind::Type).
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The same error for a value that is being written to a declared field, instead of a stored value.
    #[must_use]
    #[doc(hidden)]
    pub fn of_given(mut self) -> Self {
        if self.0.kind == ErrorKind::Decode {
            self.0.kind = ErrorKind::Type;
        }
        self
    }

    /// The same as an error of the field, for a store that applies an [`Add`](super::Add).
    #[must_use]
    pub fn on_field(self, field: impl Into<FieldName>) -> Error {
        Error::new(self.0.kind, self.to_string()).on(field)
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repr { kind, what, path } = &*self.0;
        let given = *kind == ErrorKind::Type;
        let verb = if given { "was given" } else { "holds" };
        match what {
            What::Mismatch { held, wanted } => write!(f, "{verb} {held}, expected {wanted}")?,
            What::Unfit { held, wanted } => {
                write!(f, "{verb} {held} that cannot be read as {wanted}")?;
            }
            What::Refused { held, by } => {
                write!(f, "{verb} {held} that {} rejects", by.unwrap_or("its type"))?;
            }
            What::Said(message) => f.write_str(message)?,
        }
        if path.is_empty() {
            return Ok(());
        }
        f.write_str(" (in `")?;
        for (i, step) in path.iter().rev().enumerate() {
            match step {
                _ if i == MAX_STEPS => {
                    f.write_str("..")?;
                    break;
                }
                PathStep::Name(name) if i == 0 => f.write_str(name)?,
                PathStep::Name(name) => write!(f, ".{name}")?,
                PathStep::Index(index) => write!(f, "[{index}]")?,
                PathStep::Entry => f.write_str("[..]")?,
            }
        }
        f.write_str("`)")
    }
}

impl fmt::Debug for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueError")
            .field("kind", &self.0.kind)
            .field("message", &format_args!("{self}"))
            .finish()
    }
}

impl StdError for ValueError {}

impl ser::Error for ValueError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        let known = known(&message.to_string());
        let message = known.map_or(
            Cow::Borrowed("the `Serialize` of its type failed"),
            Cow::Owned,
        );
        Self::new(ErrorKind::Encode, format!("cannot be stored: {message}"))
    }
}

impl de::Error for ValueError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        match known(&message.to_string()) {
            Some(message) => Self::new(ErrorKind::Decode, format!("cannot be read: {message}")),
            None => Self::decode(What::Refused {
                held: "a value",
                by: None,
            }),
        }
    }

    #[cold]
    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        if is_wide_integer(found) {
            return Self::unfit("an integer", wanted);
        }
        let wanted = without(found, wanted.to_string());
        Self::decode(What::Mismatch {
            held: shape(found),
            wanted,
        })
    }

    #[cold]
    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let wanted = without(found, wanted.to_string());
        Self::decode(What::Unfit {
            held: shape(found),
            wanted,
        })
    }

    #[cold]
    fn invalid_length(len: usize, wanted: &dyn Expected) -> Self {
        Self::new(
            ErrorKind::Decode,
            format!("cannot be read: it has {len} elements, expected {wanted}"),
        )
    }

    #[cold]
    fn unknown_variant(_found: &str, known: &'static [&'static str]) -> Self {
        let known = listed(known);
        Self::new(
            ErrorKind::Decode,
            format!("holds an unknown variant (its enum has {known})"),
        )
    }

    #[cold]
    fn unknown_field(_found: &str, known: &'static [&'static str]) -> Self {
        let known = listed(known);
        Self::new(
            ErrorKind::Decode,
            format!("holds an unknown field (its struct has {known})"),
        )
    }

    #[cold]
    fn missing_field(field: &'static str) -> Self {
        Self::new(
            ErrorKind::Decode,
            format!(
                "has no field `{field}`: give it `#[serde(default)]` to read values that were stored before the field was added"
            ),
        )
    }

    #[cold]
    fn duplicate_field(field: &'static str) -> Self {
        Self::new(
            ErrorKind::Decode,
            format!("holds the field `{field}` twice"),
        )
    }
}

/// Keeps a message of serde itself for which serde has no typed constructor. Such messages name types and variants, no
/// values.
fn known(message: &str) -> Option<String> {
    const OF_SERDE: [&str; 3] = [
        "data did not match any variant of untagged enum ",
        "cannot serialize tagged newtype variant ",
        "can only flatten structs and maps (got ",
    ];
    let ours = OF_SERDE.iter().any(|prefix| message.starts_with(prefix));
    ours.then(|| message.to_owned())
}

/// The type's expectation, unless it quotes the value.
fn without(found: Unexpected<'_>, wanted: String) -> String {
    let quoted = match found {
        Unexpected::Str(text) => !text.is_empty() && wanted.contains(text),
        Unexpected::Unsigned(n) => wanted.contains(&n.to_string()),
        Unexpected::Signed(n) => wanted.contains(&n.to_string()),
        Unexpected::Float(n) => wanted.contains(&n.to_string()),
        _ => false,
    };
    if quoted {
        "its type".to_owned()
    } else {
        wanted
    }
}

/// Whether serde found an integer of 128 bits: it reports such an integer only in this form, as if it were of another
/// type.
fn is_wide_integer(found: Unexpected<'_>) -> bool {
    matches!(found, Unexpected::Other(text) if text.starts_with("integer `"))
}

fn shape(found: Unexpected<'_>) -> Shape {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a float",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::NewtypeStruct => "a newtype struct",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        Unexpected::Enum => "an enum",
        Unexpected::UnitVariant => "a unit variant",
        Unexpected::NewtypeVariant => "a newtype variant",
        Unexpected::TupleVariant => "a tuple variant",
        Unexpected::StructVariant => "a struct variant",
        Unexpected::Other(_) => "a value",
    }
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        names => format!("`{}`", names.join("`, `")),
    }
}
