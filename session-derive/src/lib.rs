//! `#[derive(SessionData)]`: re-exported by `level-session`, whose documentation describes it.
//!
//! The stages, in order: `attr` parses the attributes, `ast` builds the model, `check` enforces the rules,
//! `expand` generates the tokens. All errors are collected in `errors` and reported together; a struct with
//! errors still gets every accessor that can be generated.

mod errors;

mod ast;
mod attr;
mod check;
mod expand;

mod docs;
mod duration;
mod path;
mod serde;
mod suggest;
mod types;

use proc_macro::TokenStream;
use syn::DeriveInput;

/// Generates an accessor method and a typed key for each field of a struct, which become the fields of a session.
///
/// This is the short reference. The module `guide::derive` in the documentation of `level-session` has the long one.
///
/// The struct must have named fields and own its data. The type of each field must be `Serialize + DeserializeOwned +
/// Send + Sync + 'static`.
///
/// ```
/// use level_session::SessionData;
///
/// #[derive(SessionData)]
/// #[session(namespace = "shop")]
/// pub struct Shop {
///     /// The signed-in user.
///     #[session(index)]
///     pub user_id: Option<u64>,
///     #[session(counter)]
///     pub visits: u64,
///     #[session(flash)]
///     pub notice: Option<String>,
///     #[session(ttl = "10m")]
///     pub otp: Option<String>,
///     #[session(default = "light".to_owned())]
///     pub theme: String,
/// }
///
/// assert_eq!(Shop::USER_ID.name(), "shop.user_id");
/// ```
///
/// # On a field
/// - `default`, `default = expr`: the value if nothing is stored. A field without a default reads as `Option<T>`, whether
///   it is declared as `T` or `Option<T>`.
/// - `rename = ".."`: the key under which the field is stored, instead of its name.
/// - `ttl = "10m"`: how long a value lives after it was set (`ms`, `s`, `m`, `h`, `d`, `w`, and sums such as `1h30m`), at
///   most 400 days.
/// - `flash`: reading the field removes its value. The field is an `Option`, or a `Vec` for several messages.
/// - `index`: sessions can be found by the field's value. `limit = 3` limits how many may have the same value, and
///   `when_full = "refuse"` refuses a sign-in beyond that, instead of ending the oldest session.
/// - `counter`: an integer whose changes add up. It starts at 0 unless it has a default.
/// - `nest`: the fields of another session struct, under the keys they have there.
/// - `skip`: not kept in the session; `load` fills it with its default.
/// - `ignore_serde`: the field's `#[serde(..)]` attributes are for other formats. Without it, attributes that have no
///   effect in a session are errors.
///
/// # On the struct
/// - `namespace = ".."`: a prefix for the keys of all fields, followed by a dot.
/// - `default`: fields that are not an `Option` and have no default take it from the struct's `Default`.
/// - `crate = path`: the path of `level-session`, if the dependency is renamed or re-exported.
/// - `ignore_serde`: the same as on a field, for the struct's own `#[serde(..)]` attributes.
///
/// # Generated items
/// For a struct `Shop`:
/// - the struct `ShopFields`, with one method per field, of the field's visibility, and with `load`, `store` (all fields at
///   once) and `detach`;
/// - a constant for the typed key of each field, such as `Shop::USER_ID`;
/// - `impl SessionData for Shop`.
// `serde` is registered so that a struct without serde's derives gets only this macro's error, not also the compiler's.
#[proc_macro_derive(SessionData, attributes(session, serde))]
pub fn session_data(input: TokenStream) -> TokenStream {
    let expansion = match syn::parse(input) {
        Ok(input) => derive(&input),
        Err(error) => unreadable(&error),
    };
    expansion.into()
}

fn derive(input: &DeriveInput) -> proc_macro2::TokenStream {
    let errors = errors::Errors::default();
    let mut model = ast::Model::new(input, &errors);
    check::check(&mut model, &errors);
    expand::expand(&model, errors)
}

/// Large expressions inside types are the only valid Rust that is not parsed: that part of the parser would cost every
/// user more compile time than it is worth.
fn unreadable(error: &syn::Error) -> proc_macro2::TokenStream {
    let message = "this expression inside a type is too large to parse: move it into a constant, `const N: usize = ..;`, and write `N`";
    syn::Error::new(error.span(), message).to_compile_error()
}

#[cfg(test)]
mod tests;
