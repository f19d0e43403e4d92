//! `#[derive(SessionData)]`: re-exported by `level-session`, whose documentation describes it.
//!
//! The stages, in their order: `attr` reads what was written, `ast` makes the model of it, `check` holds the rules,
//! `expand` makes the tokens. Whatever is wrong is collected in `errors` on the way and reported together; a struct with
//! errors still gets every accessor that it can have.

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

/// Makes a struct's fields the fields of a session: one accessor method and one typed key for each.
///
/// This is the short reference; the book of the derive is the module `derive_guide` in `level-session`'s documentation.
///
/// The struct has named fields and owns its data; each field's type is `Serialize + DeserializeOwned + Send + Sync +
/// 'static`.
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
/// - `default`, `default = expr`: what the field reads as where nothing is stored. A field without one reads as
///   `Option<T>`, whether it is declared `T` or `Option<T>`.
/// - `rename = ".."`: the key it is stored under, instead of its name.
/// - `ttl = "10m"`: a value lives this long after it was set (`ms`, `s`, `m`, `h`, `d`, `w`, and sums as `1h30m`), at
///   most 400 days.
/// - `flash`: reading an `Option` takes it; a `Vec` is several messages.
/// - `index`: sessions can be found by the field's value.
/// - `counter`: an integer whose changes add up. Starts at 0 unless it has a default.
/// - `nest`: the fields of another session struct, under the keys they have there.
/// - `skip`: not kept in the session; `load` fills it with its default.
/// - `ignore_serde`: the field's `#[serde(..)]` attributes are for other formats; without it those that the session does
///   not follow are refused.
///
/// # On the struct
/// - `namespace = ".."`: a prefix for the keys of all fields, with a dot.
/// - `default`: fields that are no `Option` and have no default take theirs from the struct's `Default`.
/// - `crate = path`: where `level-session` is, if the dependency is renamed or re-exported.
/// - `ignore_serde`: as on a field, for the struct's own `#[serde(..)]` attributes.
///
/// # What is made
/// For a struct `Shop` the struct `ShopFields` with one method per field, of the field's visibility, and `load` and
/// `store` for all fields at once and `detach`; a constant for the typed key of each field, `Shop::USER_ID`; and `impl SessionData
/// for Shop`.
// `serde` is there so that a struct without serde's derives gets our error for it and not the compiler's as well.
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

/// What is not read, of all that the compiler takes for an item, are large expressions inside of types: that part of
/// the parser would cost every user more than it is worth.
fn unreadable(error: &syn::Error) -> proc_macro2::TokenStream {
    let message = "an expression as large as this cannot be read inside of a type: name it as a constant, `const N: usize = ..;`, \
                   and write `N`";
    syn::Error::new(error.span(), message).to_compile_error()
}

#[cfg(test)]
mod tests;
