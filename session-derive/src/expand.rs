//! The tokens: constants, the struct of accessors, and the trait. Cannot fail.
//!
//! If anything is wrong with the input, the errors come first and every signature is still there, so that what is
//! written against the struct keeps compiling; only the bodies are gone.

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
    /// Nothing is wrong with the input.
    sound: bool,
    /// The struct that the derive stands on, with its parameters.
    data: TokenStream,
    /// The name of what the struct of accessors holds the session in.
    untyped: TokenStream,
}

impl Context {
    /// The path to the names of the library, for what is said of a type: errors about it are shown at the type.
    fn private_at(&self, ty: &Type) -> TokenStream {
        path::shown_at(self.private.clone(), ty.span())
    }

    /// `<Auth as SessionData>::Fields` and the like, shown at the type of the nested struct.
    fn nested(&self, ty: &Type, member: &str) -> TokenStream {
        let private = self.private_at(ty);
        let member = Ident::new(member, ty.span());
        quote_spanned!(ty.span()=> <#ty as #private::SessionData>::#member)
    }

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

/// An `impl` of ours, of a trait or inherent, with what the user's lints would say of it and not of its author.
///
/// All functions in it are `#[inline]`: so they become machine code where they are called and not before, which spares
/// the user's crate the greater part of what the derive would cost.
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
        // Not every accessor is called, and their names are as good as the fields'.
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
