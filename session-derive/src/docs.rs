//! The documentation of a field in rustdoc and in the editor, after the user's own text.

use crate::{
    ast::{Field, Kind, Model},
    attr, duration, types,
};
use proc_macro2::TokenStream;
use quote::quote;
use syn::Meta;

/// The warning on accessors whose reads return a copy.
const COPY: &str = " A read returns a copy; `set` and `update` change the stored value.";

/// The documentation of a field's accessor.
pub(crate) fn accessor(model: &Model<'_>, field: &Field<'_>) -> TokenStream {
    let name = &field.name;
    let after = match field.kind(&model.attrs) {
        Kind::Nest => format!(
            "The fields of a nested `{}`, under their own keys.",
            types::text(field.ty())
        ),
        Kind::Field | Kind::OptField => description(model, field) + COPY,
        _ => description(model, field),
    };
    paragraphs(field, &format!("The field `{name}`."), &after)
}

/// The documentation of a field's constant.
pub(crate) fn constant(model: &Model<'_>, field: &Field<'_>) -> TokenStream {
    let name = &field.name;
    paragraphs(
        field,
        &format!("The key of the field `{name}`."),
        &description(model, field),
    )
}

/// The user's text, or `summary` if there is none, and `after` as a separate paragraph.
fn paragraphs(field: &Field<'_>, summary: &str, after: &str) -> TokenStream {
    let says = |attr: &syn::Attribute| {
        attr.path().is_ident("doc") && matches!(attr.meta, Meta::NameValue(_))
    };
    let carried = field.carried();
    let summary = (!field.carried().any(says)).then(|| {
        let summary = format!(" {summary}");
        quote!(#[doc = #summary])
    });
    let after = format!(" {after}");
    quote! {
        #(#carried)*
        #summary
        #[doc = ""]
        #[doc = #after]
    }
}

/// Key, type, default, and the effect of the attributes, in sentences.
fn description(model: &Model<'_>, field: &Field<'_>) -> String {
    let attrs = &field.attrs;
    let ty = types::text(field.key_type());
    let absent = match field.kind(&model.attrs) {
        Kind::Counter if attrs.default.is_none() && model.attrs.default.is_none() => "0".to_owned(),
        Kind::Counter | Kind::Field => match &attrs.default {
            Some(given) => match &given.value {
                attr::Default::Expr { tokens: expr, .. } => {
                    short(expr).unwrap_or_else(|| "its default".to_owned())
                }
                attr::Default::OfType => format!("the default of `{ty}`"),
            },
            None => format!("it does in the default of `{}`", model.input.ident),
        },
        Kind::FlashList => "an empty list".to_owned(),
        _ => "`None`".to_owned(),
    };
    let mut text = format!(
        "Stored under `{}` as `{ty}`; reads as {absent} if nothing is stored.",
        field.key.replace('`', "'")
    );
    if let Some(millis) = attrs.ttl.as_ref().and_then(|given| given.value) {
        text += &format!(
            " A value lives {} after it was set.",
            duration::in_words(millis)
        );
    }
    if attrs.counter.is_some() {
        text += " Changes add up.";
    }
    if attrs.flash.is_some() {
        text += " Reading it removes it.";
    }
    if attrs.index.is_some() {
        text += " Sessions can be found by its value.";
    }
    if let Some(most) = attrs.limit.as_ref().and_then(|given| given.value) {
        let beyond = match attrs.when_full.as_ref().map(|given| given.value) {
            Some(attr::WhenFull::Refuse) => "a further sign-in is refused",
            Some(attr::WhenFull::EndOldest) | None => "a further sign-in ends the oldest session",
        };
        text += &format!(" At most {most} sessions may have the same value: {beyond}.");
    }
    text
}

/// An expression, if it fits into a sentence.
fn short(expr: &TokenStream) -> Option<String> {
    let text = types::text(expr);
    (text.len() <= 40 && !text.contains(['`', '\n'])).then(|| format!("`{text}`"))
}
