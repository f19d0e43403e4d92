//! The tokens: constants, the struct of accessors, and the trait. Cannot fail.
//!
//! If the input has errors, they come first, and every signature is still generated, so that code that uses the struct
//! keeps compiling; only the bodies are missing.

mod accessors;
mod data;
mod keys;

use crate::{ast::Model, errors::Errors, path};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericParam, Generics, Type, spanned::Spanned};

pub(crate) fn expand(model: &Model<'_>, errors: Errors) -> TokenStream {
    let context = Context {
        private: path::private(model.attrs.krate.as_ref().map(|given| &given.value)),
        sound: errors.len() == 0,
        data: data_type(model),
        untyped: accessors::untyped(model),
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
    /// Whether the input has no errors.
    sound: bool,
    /// The struct with the derive, with its parameters.
    data: TokenStream,
    /// The name of the field with the session in the struct of accessors.
    untyped: TokenStream,
}

impl Context {
    /// The path to the names of the library, for bounds on a type: errors about them are shown at the type.
    fn private_at(&self, ty: &Type) -> TokenStream {
        path::shown_at(self.private.clone(), ty.span())
    }

    /// `<Auth as SessionData>::Fields` and similar paths, with the span of the nested struct's type.
    fn nested(&self, ty: &Type, member: &str) -> TokenStream {
        let private = self.private_at(ty);
        let member = Ident::new(member, ty.span());
        quote_spanned!(ty.span()=> <#ty as #private::SessionData>::#member)
    }

    /// The body, or, if the input has errors, a body that cannot cause further errors.
    fn body(&self, body: TokenStream) -> TokenStream {
        if self.sound {
            body
        } else {
            quote!(::core::unreachable!())
        }
    }
}

/// `Shop<T>`; `Shop<'static, T>` if there are lifetimes, which is an error already.
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

/// A generated `impl`, of a trait or inherent. It allows the lints that would warn the user about generated code.
///
/// All functions in it are `#[inline]`, so machine code is generated only where they are called, which saves the user's
/// crate most of the derive's compile time.
fn implementation(
    generics: &Generics,
    of: Option<TokenStream>,
    on: impl ToTokens,
    items: TokenStream,
) -> TokenStream {
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let attributes = match &of {
        Some(_) => {
            quote!(#[automatically_derived] #[allow(clippy::absolute_paths, deprecated, unused_qualifications)])
        }
        // Not every accessor is called, and the names are the fields' names.
        None => quote! {
            #[allow(
                clippy::absolute_paths, dead_code, deprecated, non_snake_case, non_upper_case_globals, unreachable_pub, unused_qualifications
            )]
        },
    };
    let of = of.map(|of| quote!(#of for));
    quote! {
        #attributes
        impl #impl_generics #of #on #where_clause {
            #items
        }
    }
}

/// The name of a parameter. A parameter cannot have the name of a constant that is in scope: hence the underscores.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
