//! `Shop::USER_ID`: a typed key for each field, which contains the field's declaration.

use super::{Context, implementation};
use crate::{
    ast::{Field, Kind, Model},
    attr::{self, Given},
    docs, path, types,
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
    quote_spanned! {field.ident.span()=>
        #docs
        #vis const #constant: #private::Key<#ty> = #private::Key::new(&const { #definition });
    }
}

/// The definition. Its span is the span of the field's type, so the compiler shows its errors at the type.
fn definition(model: &Model<'_>, context: &Context, field: &Field<'_>) -> TokenStream {
    let (attrs, key, ty) = (&field.attrs, &field.key, field.key_type());
    let type_name = types::text(ty);
    let (private, place) = (context.private_at(ty), types::end(ty));
    let mut definition = match first_of_type(model, field, &type_name) {
        Some(first) => {
            let first = &first.constant;
            quote_spanned!(place=> #private::Def::<#ty>::like(Self::#first, #key, #type_name))
        }
        None => quote_spanned!(place=> #private::Def::<#ty>::new(#key, #type_name)),
    };
    if field.broken {
        return definition;
    }
    if let Some(default) = default(model, context, field) {
        definition.extend(quote_spanned!(place=> .with_default(#default)));
    }
    if let Some(millis) = attrs.ttl.as_ref().and_then(|given| given.value) {
        definition.extend(quote_spanned!(place=> .with_ttl(#millis)));
    }
    if attrs.flash.is_some() {
        definition.extend(quote_spanned!(place=> .flash()));
    }
    if attrs.index.is_some() {
        definition.extend(quote_spanned!(place=> .index()));
    }
    if let Some(most) = attrs.limit.as_ref().and_then(|given| given.value) {
        let when_full = match attrs.when_full.as_ref().map(|given| given.value) {
            Some(attr::WhenFull::Refuse) => quote_spanned!(place=> Refuse),
            Some(attr::WhenFull::EndOldest) | None => quote_spanned!(place=> EndOldest),
        };
        definition.extend(quote_spanned!(place=> .limit(#most, #private::WhenFull::#when_full)));
    }
    if attrs.counter.is_some() {
        definition = quote_spanned!(place=> #private::Def::<#ty>::counter(#definition));
    }
    definition
}

/// The first field whose type has the same source text, if it is another field and has no `cfg`.
fn first_of_type<'m, 'a>(
    model: &'m Model<'a>,
    field: &Field<'a>,
    type_name: &str,
) -> Option<&'m Field<'a>> {
    let mut always = model
        .stored()
        .filter(|other| !other.keyless && other.cfg().is_empty());
    let first = always.find(|other| types::text(other.key_type()) == type_name)?;
    (first.name != field.name).then_some(first)
}

/// The function that creates a field's default.
fn default(model: &Model<'_>, context: &Context, field: &Field<'_>) -> Option<TokenStream> {
    let (ident, ty) = (field.ident, field.key_type());
    let kind = field.kind(&model.attrs);
    match &field.attrs.default {
        Some(given) => Some(match &given.value {
            attr::Default::Expr { tokens, read: true } => quote!(|| #tokens),
            // If the tokens are not an expression, the error is there, and does not affect the other generated items.
            attr::Default::Expr { tokens, .. } => {
                let place = tokens.span();
                let macro_path = path::shown_at(context.private.clone(), place);
                quote_spanned!(place=> || #macro_path::expression!(#tokens))
            }
            attr::Default::OfType => {
                quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default)
            }
        }),
        // Without a default, `counter` provides a counter's 0.
        None => match &model.attrs.default {
            _ if kind == Kind::FlashList => {
                Some(quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default))
            }
            Some(given) if matches!(kind, Kind::Field | Kind::Counter) => {
                let default = of_struct(given);
                Some(quote!(|| #default.#ident))
            }
            _ => None,
        },
    }
}

/// The default of the whole struct; if it does not exist, the error is shown at the attribute.
pub(super) fn of_struct(given: &Given<()>) -> TokenStream {
    quote_spanned!(given.name.span()=> <Self as ::core::default::Default>::default())
}
