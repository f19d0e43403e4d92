//! The path of the library in generated code.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::quote;
use syn::Path;

/// The module of names for generated code: in the crate of `#[session(crate = ..)]`, or else in the crate by its name.
pub(crate) fn private(krate: Option<&Path>) -> TokenStream {
    match krate {
        Some(path) => quote!(#path::__private),
        None => quote!(::level_session::__private),
    }
}

/// The same tokens, as if they were written at another position in the source: errors about them are shown there.
///
/// Both position and context are replaced. With the position only, a path that contains the user's type would have two
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
