//! `#[serde(..)]` on the struct and its fields. The session serializes fields one by one and never the struct, so none
//! of it has an effect there.
//!
//! An attribute that would change how values are stored or read is an error, unless `#[session(..)]` defines the
//! session's behaviour instead. Attributes that make no difference to the session (`bound`, `deny_unknown_fields`) are
//! ignored.

use crate::{
    ast::{Field, Kind, Model},
    attr::Default,
    errors::Errors,
    types,
};
use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::{Attribute, LitStr, Meta};

/// An item of `#[serde(..)]`.
struct Item {
    name: Ident,
    /// The string after its equals sign.
    text: Option<String>,
    /// Nothing follows the name.
    alone: bool,
}

/// A field's serde attributes must mean the same in a session.
pub(crate) fn field(field: &Field<'_>, model: &Model<'_>, errors: &Errors) {
    let attrs = &field.attrs;
    if attrs.skip.is_some() || attrs.ignore_serde.is_some() {
        return;
    }
    let nest = attrs.nest.is_some();
    for item in items(&field.input.attrs) {
        let remedy = match item.name.to_string().as_str() {
            "skip" | "skip_serializing" | "skip_deserializing" => {
                "write `#[session(skip)]` to leave the field out of the session".to_owned()
            }
            "skip_serializing_if" if !is_none(field, &item) => {
                "only `Option::is_none` on an `Option` behaves the same in a session; remove it"
                    .to_owned()
            }
            "rename" | "alias" if nest => {
                "a nested field keeps the keys of its own struct; remove it".to_owned()
            }
            "rename" | "alias" if attrs.rename.is_none() => {
                let key = item.text.filter(|_| item.name == "rename");
                let key = key.as_deref().unwrap_or("..");
                format!("write `#[session(rename = {key:?})]`, since a field has a single key")
            }
            "default" if !has_default(field, model, &item) => match &item.text {
                Some(path) => format!("write `#[session(default = {path}())]`"),
                None => "write `#[session(default)]`".to_owned(),
            },
            name @ ("with" | "serialize_with" | "deserialize_with") => {
                let path = item.text.as_deref().unwrap_or("..");
                format!(
                    "wrap the value in a type such as `struct A(#[serde({name} = {path:?})] {});`",
                    types::text(field.ty())
                )
            }
            "flatten" if !nest => {
                "write `#[session(nest)]` for a struct with `#[derive(SessionData)]`".to_owned()
            }
            _ => continue,
        };
        refuse(&item.name, &remedy, errors);
    }
}

/// The struct's serde attributes must mean the same in a session.
pub(crate) fn of_struct(model: &Model<'_>, errors: &Errors) {
    if model.attrs.ignore_serde.is_some() {
        return;
    }
    for item in items(&model.input.attrs) {
        let remedy = match item.name.to_string().as_str() {
            // A field's name is its key, and is already in snake case.
            "rename_all" if item.text.as_deref() != Some("snake_case") => {
                if model.stored().all(|field| field.attrs.rename.is_some()) {
                    continue;
                }
                "write `#[session(rename = \"..\")]` on each field"
            }
            "default" => {
                let is_optional = |field: &Field<'_>| {
                    field.kind(&model.attrs) == Kind::OptField && !field.is_optional()
                };
                if !model.stored().any(is_optional) {
                    continue;
                }
                "write `#[session(default)]` on the struct"
            }
            "from" | "try_from" | "into" => {
                "a session converts fields and never the whole struct; put the conversion on the types of the fields"
            }
            _ => continue,
        };
        refuse(&item.name, remedy, errors);
    }
}

fn refuse(name: &Ident, remedy: &str, errors: &Errors) {
    errors.at(
        name,
        format!(
            "`#[serde({name})]` has no effect in a session: {remedy}, or add `#[session(ignore_serde)]` if it is meant for other formats only"
        ),
    );
}

/// `skip_serializing_if = "Option::is_none"` on an `Option`, which is not stored while it is `None`.
fn is_none(field: &Field<'_>, item: &Item) -> bool {
    let path = item.text.as_deref().unwrap_or_default();
    field.is_optional() && path.replace(' ', "").ends_with("Option::is_none")
}

/// Whether the session also has a default if serde has one: the same default if it is the type's, and an explicit one
/// if serde's default is a function.
fn has_default(field: &Field<'_>, model: &Model<'_>, item: &Item) -> bool {
    if !item.alone {
        let own = field.attrs.default.as_ref().map(|given| &given.value);
        return matches!(own, Some(Default::Expr { .. }));
    }
    field.is_optional() || field.kind(&model.attrs) != Kind::OptField
}

fn items(attrs: &[Attribute]) -> Vec<Item> {
    let serde = attrs.iter().filter(|attr| attr.path().is_ident("serde"));
    let lists = serde.filter_map(|attr| match &attr.meta {
        Meta::List(list) => Some(&list.tokens),
        Meta::Path(_) | Meta::NameValue(_) => None,
    });
    lists.flat_map(split).collect()
}

/// The items between commas. Serde rejects any other form.
fn split(tokens: &TokenStream) -> Vec<Item> {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(it) if it.as_char() == ',');
    let items = tokens.split(is_comma);
    let items = items.filter_map(|item| match item {
        [TokenTree::Ident(name), rest @ ..] => Some(Item {
            name: name.clone(),
            text: rest.last().and_then(text),
            alone: rest.is_empty(),
        }),
        _ => None,
    });
    items.collect()
}

fn text(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else {
        return None;
    };
    let text: LitStr = syn::parse2(TokenTree::from(literal.clone()).into()).ok()?;
    Some(text.value())
}
