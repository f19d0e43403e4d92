//! The types that a field can be set from.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A field type that can be set from a `V`: from itself, and from types that convert without loss, such as a `String` from
/// a `&str` and an `Option<T>` from a `T`.
///
/// It is not `V: Into<Self>`: with that, a literal as in `.set(7)` would be an `i32`, which does not convert into a
/// `u64`, and the type of `.set(items.collect())` could not be inferred. You can implement it for your own types:
///
/// ```
/// use level_session::SetFrom;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Email(String);
///
/// impl SetFrom<&str> for Email {
///     fn set_from(value: &str) -> Self {
///         Self(value.to_lowercase())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a field of the type `{Self}` cannot be set to `{V}`",
    label = "expected `{Self}`",
    note = "`.set(..)` takes the value itself, not an `Option`; call `.remove()` instead of setting `None`"
)]
pub trait SetFrom<V> {
    /// Converts the value.
    fn set_from(value: V) -> Self;
}

// The field's type is known where `.set(..)` is called, and so it is `Self`. If it has a single implementation, the
// compiler also infers the type in `.set(text.parse()?)`; a second implementation prevents that. So only texts and
// options have more than one.
impl<T> SetFrom<T> for T {
    #[inline]
    fn set_from(value: T) -> Self {
        value
    }
}

impl<T> SetFrom<T> for Option<T> {
    #[inline]
    fn set_from(value: T) -> Self {
        Some(value)
    }
}

impl SetFrom<&str> for Option<String> {
    #[inline]
    fn set_from(value: &str) -> Self {
        Some(value.into())
    }
}

macro_rules! texts {
    ($($to:ty: $($from:ty),*;)*) => {$($(
        impl SetFrom<$from> for $to {
            #[inline]
            fn set_from(value: $from) -> Self {
                value.into()
            }
        }
    )*)*};
}

texts! {
    String: &str, &String, Cow<'_, str>, Box<str>, char;
    Cow<'static, str>: &'static str, String;
    Box<str>: &str, String;
    Arc<str>: &str, String;
    PathBuf: &str, String, &Path;
}
