//! `Shop::USER_ID`: a typed key for each field, and in it what is declared of the field.

use super::{Context, implementation};
use crate::{
    ast::{Field, Kind, Model},
    attr, docs, types,
};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

pub(super) fn keys(model: &Model<'_>, context: &Context) -> TokenStream {
    let keys = model.stored().filter(|field| !field.keyless);
    let keys: Vec<_> = keys.map(|field| key(model, context, field)).collect();
    if keys.is_empty() {
        return TokenStream::new();
    }
    implementation(model.generics(), None, &context.data, quote!(#(#keys)*))
}

fn key(model: &Model<'_>, context: &Context, field: &Field<'_>) -> TokenStream {
    let private = &context.private;
    let docs = docs::constant(model, field);
    let (vis, constant, ty) = (field.vis(), &field.constant, field.key_type());
    let definition = definition(model, context, field);
    quote! {
        #docs
        #vis const #constant: #private::Key<#ty> = #private::Key::new(&const { #definition });
    }
}

/// The definition: the call that asks something of the field's type stands where the type does.
fn definition(model: &Model<'_>, context: &Context, field: &Field<'_>) -> TokenStream {
    let private = &context.private;
    let (attrs, key, ty) = (&field.attrs, &field.key, field.key_type());
    let type_name = types::text(ty);
    let new = quote_spanned!(ty.span()=> #private::Def::<#ty>::new);
    let mut definition = quote!(#new(#key, #type_name));
    if field.broken {
        return definition;
    }
    if let Some(default) = default(model, field) {
        definition.extend(quote!(.with_default(#default)));
    }
    if let Some(millis) = attrs.ttl.as_ref().and_then(|given| given.value) {
        definition.extend(quote!(.with_ttl(#millis)));
    }
    if attrs.flash.is_some() {
        definition.extend(quote!(.flash()));
    }
    if attrs.index.is_some() {
        definition.extend(quote!(.index()));
    }
    if attrs.counter.is_some() {
        let counter = quote_spanned!(ty.span()=> #private::Def::<#ty>::counter);
        definition = quote!(#counter(#definition));
    }
    definition
}

/// The function that makes a field's default.
fn default(model: &Model<'_>, field: &Field<'_>) -> Option<TokenStream> {
    let (ident, ty) = (field.ident, field.key_type());
    let kind = field.kind(&model.attrs);
    match &field.attrs.default {
        Some(given) => Some(match &given.value {
            attr::Default::Expr(expr) => quote!(|| #expr),
            attr::Default::OfType => {
                quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default)
            }
        }),
        None if model.attrs.default.is_some() && matches!(kind, Kind::Field | Kind::Counter) => {
            Some(quote!(|| <Self as ::core::default::Default>::default().#ident))
        }
        // A counter's 0 comes with `counter`.
        None => None,
    }
}
