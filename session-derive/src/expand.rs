//! The tokens: constants, the struct of accessors, and the trait. Cannot fail.
//!
//! If anything is wrong with the input, the errors come first and every signature is still there, so that what is
//! written against the struct keeps compiling; only the bodies are gone.

mod accessors;
mod data;
mod keys;

use crate::{ast::Model, errors::Errors, path};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{GenericParam, Generics};

pub(crate) fn expand(model: &Model<'_>, errors: Errors) -> TokenStream {
    let context = Context {
        private: path::private(model.attrs.krate.as_ref().map(|given| &given.value)),
        sound: errors.len() == 0,
        data: data_type(model),
    };
    let errors = errors.into_tokens();
    let keys = keys::keys(model, &context);
    let accessors = accessors::accessors(model, &context);
    let data = data::data(model, &context);
    quote! {
        #errors
        #keys
        #accessors
        #data
    }
}

struct Context {
    /// The path to the names of the library.
    private: TokenStream,
    /// Nothing is wrong with the input.
    sound: bool,
    /// The struct that the derive stands on, with its parameters.
    data: TokenStream,
}

impl Context {
    /// A body, or, if the input is wrong, nothing that could be wrong as well.
    fn body(&self, body: TokenStream) -> TokenStream {
        if self.sound {
            body
        } else {
            quote!(::core::unreachable!())
        }
    }
}

/// `Shop<T>`; `Shop<'static, T>` where there are lifetimes, which is an error already.
fn data_type(model: &Model<'_>) -> TokenStream {
    let ident = &model.input.ident;
    let params = &model.input.generics.params;
    if params.is_empty() {
        return ident.to_token_stream();
    }
    let arguments = params.iter().map(|param| match param {
        GenericParam::Lifetime(_) => quote!('static),
        GenericParam::Type(param) => param.ident.to_token_stream(),
        GenericParam::Const(param) => param.ident.to_token_stream(),
    });
    quote!(#ident<#(#arguments),*>)
}

/// An `impl` of ours: not for lints that look at what people write.
fn implementation(
    generics: &Generics,
    of: Option<TokenStream>,
    on: impl ToTokens,
    items: TokenStream,
) -> TokenStream {
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let of = of.map(|of| quote!(#of for));
    quote! {
        #[automatically_derived]
        #[allow(dead_code, deprecated, non_snake_case, non_upper_case_globals, unreachable_pub)]
        impl #impl_generics #of #on #where_clause {
            #items
        }
    }
}

/// A local name that nothing of the user's can be meant by.
fn local(name: &str) -> Ident {
    Ident::new(name, proc_macro2::Span::mixed_site())
}
