//! Where generated code finds the library.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::quote;
use syn::Path;

/// The module of names that generated code may use: of `#[session(crate = ..)]`, else of the crate by its own name.
pub(crate) fn private(krate: Option<&Path>) -> TokenStream {
    match krate {
        Some(path) => quote!(#path::__private),
        None => quote!(::level_session::__private),
    }
}

/// The same tokens as if they were written at a place in the source: where an error about them is shown.
///
/// Place and context are both taken over. With the place alone a path that holds the user's type would lie in two
/// contexts, and the compiler would show the whole struct instead.
pub(crate) fn shown_at(tokens: TokenStream, place: Span) -> TokenStream {
    let shown = tokens.into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            let stream = shown_at(group.stream(), place);
            token = TokenTree::Group(Group::new(group.delimiter(), stream));
        }
        let own = matches!(&token, TokenTree::Ident(ident) if *ident == "$crate");
        if !own {
            token.set_span(place);
        }
        token
    });
    shown.collect()
}
