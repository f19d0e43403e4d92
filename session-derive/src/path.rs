//! Where generated code finds the library.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;

/// The module of names that generated code may use: of `#[session(crate = ..)]`, else of the crate by its own name.
pub(crate) fn private(krate: Option<&Path>) -> TokenStream {
    match krate {
        Some(path) => quote!(#path::__private),
        None => quote!(::level_session::__private),
    }
}
