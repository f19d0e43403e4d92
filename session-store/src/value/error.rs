//! Why a value cannot be written or read, said without showing it.
//!
//! serde's own messages quote what they found (``invalid value: string "hunter2"``, ``unknown variant `hunter2` ``).
//! Ours are built from the *shape* of what was found and from what the type asked for; names are shown where they come
//! from the program (fields, variants and types of a declaration), never where they come from the store. A message that
//! a type's own `Serialize` or `Deserialize` makes up may quote anything, so it is not kept: the error says only that
//! the type refused (requirement S08).

use crate::{
    error::{Error, ErrorKind},
    name::FieldName,
};
use serde::{
    de::{self, Expected, Unexpected},
    ser,
};
use std::{borrow::Cow, error::Error as StdError, fmt};

/// How many steps into a value an error names.
const MAX_STEPS: usize = 8;

/// Why a value cannot be written or read.
///
/// Neither `Display` nor `Debug` shows anything of the value but its shape, and where in it the error lies as far as the
/// program names that (fields and variants; not keys of maps). What a type's own `Serialize` or `Deserialize` says is
/// not kept, because it may quote the value: the error says that the type refused.
///
/// ```
/// use level_session_store::Value;
/// use std::{collections::BTreeMap, net::IpAddr};
///
/// let stored = Value::of(&BTreeMap::from([("ann@example.org", ["secret"])]))?;
/// let error = stored.read::<BTreeMap<String, Vec<u64>>>().unwrap_err();
/// assert_eq!(error.to_string(), "holds a string where u64 was asked for (in `[..][0]`)");
///
/// let error = Value::from("no address").read::<IpAddr>().unwrap_err();
/// assert_eq!(error.to_string(), "holds a string that core::net::ip_addr::IpAddr refuses");
/// # Ok::<(), level_session_store::value::ValueError>(())
/// ```
pub struct ValueError(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    what: What,
    /// Where inside the value, innermost step first.
    path: Vec<PathStep>,
}

enum What {
    /// One shape was found, another thing was wanted.
    Mismatch { held: Shape, wanted: String },
    /// The shape is right, the value is not.
    Unfit { held: Shape, wanted: String },
    /// The type refused it, and what it said is not kept. Filled in by the reader, who knows both.
    Refused {
        held: Shape,
        by: Option<&'static str>,
    },
    /// A sentence of ours.
    Said(Cow<'static, str>),
}

/// What is stored, as far as an error may tell.
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

    /// The bytes are not what this format writes.
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

    /// The same error, one step further out.
    #[cold]
    pub(super) fn within(mut self, step: PathStep) -> Self {
        self.0.path.push(step);
        self
    }

    /// If a type refused what it got: the type, and the shape of what it got.
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

    /// What sort of thing went wrong: [`Encode`](ErrorKind::Encode), [`Decode`](ErrorKind::Decode),
    /// [`Overflow`](ErrorKind::Overflow) or [`Type`](ErrorKind::Type).
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The same, said of a value that is being given to a declared field instead of one that was stored.
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
            What::Mismatch { held, wanted } => {
                let asked = if given {
                    "is declared"
                } else {
                    "was asked for"
                };
                write!(f, "{verb} {held} where {wanted} {asked}")?;
            }
            What::Unfit { held, wanted } => {
                write!(f, "{verb} {held} that cannot be read as {wanted}")?;
            }
            What::Refused { held, by } => {
                write!(f, "{verb} {held} that {} refuses", by.unwrap_or("its type"))?;
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
            format!("cannot be read: it has {len} elements where {wanted} was asked for"),
        )
    }

    #[cold]
    fn unknown_variant(_found: &str, known: &'static [&'static str]) -> Self {
        let known = listed(known);
        Self::new(
            ErrorKind::Decode,
            format!("holds a variant that its enum does not have (it has {known})"),
        )
    }

    #[cold]
    fn unknown_field(_found: &str, known: &'static [&'static str]) -> Self {
        let known = listed(known);
        Self::new(
            ErrorKind::Decode,
            format!("holds a field that its struct does not have (it has {known})"),
        )
    }

    #[cold]
    fn missing_field(field: &'static str) -> Self {
        Self::new(
            ErrorKind::Decode,
            format!(
                "has no field `{field}`: give the field `#[serde(default)]` to read what was stored before it was added"
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

/// The messages of serde's own that it has no typed constructor for. They name types and variants, no values.
fn known(message: &str) -> Option<String> {
    const OF_SERDE: [&str; 3] = [
        "data did not match any variant of untagged enum ",
        "cannot serialize tagged newtype variant ",
        "can only flatten structs and maps (got ",
    ];
    let ours = OF_SERDE.iter().any(|prefix| message.starts_with(prefix));
    ours.then(|| message.to_owned())
}

/// What a type says that it wanted, unless it quotes the value in it.
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

/// Whether it is an integer of 128 bits: serde has no other way to say so, and takes it for another type.
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
