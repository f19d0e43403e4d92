//! The rules. A comment above each function describes the rule that it enforces.

use crate::{
    ast::{Field, Model},
    attr::{self, Given},
    errors::Errors,
    serde, types,
};
use proc_macro2::Ident;
use std::collections::HashMap;
use syn::{Data, Fields, LitStr};

/// The names that a session already has: methods of `Session<T>`, of the generated struct and of the untyped session,
/// and methods that every type has through traits in the prelude or that are commonly imported.
///
/// A test compares the list with the library's sources.
pub(crate) const RESERVED: &[&str] = &[
    // The life cycle of a session.
    "clear",
    "commit",
    "destroy",
    "detach",
    "discard",
    "end_other",
    "end_others",
    "renew",
    "set_lifetime",
    "touch",
    // Untyped fields.
    "add",
    "del",
    "get",
    "get_all",
    "set",
    "take",
    "update",
    "update_tracked",
    // All fields.
    "load",
    "store",
    // Facts about a session.
    "created_at",
    "csrf_token",
    "expires_at",
    "ended",
    "handle",
    "is_live",
    "is_new",
    "log_id",
    "reload",
    "typed",
    "verify_csrf",
    // Traits.
    "as_ref",
    "borrow",
    "borrow_mut",
    "clone",
    "clone_from",
    "deref",
    "fmt",
    "into",
    "to_owned",
    "try_into",
    "type_id",
];

/// The prefix of the library's own keys.
const OF_THE_LIBRARY: &str = "level-session:";

pub(crate) fn check(model: &mut Model<'_>, errors: &Errors) {
    named_fields(model, errors);
    no_lifetimes(model, errors);
    namespace(model, errors);
    serde::of_struct(model, errors);
    let mut fields = std::mem::take(&mut model.fields);
    for field in &mut fields {
        field.keyless = field.is_stored() && types::borrows(&field.input.ty, &model.lifetimes);
        field.broken |= errors.found(|| {
            alone(field, errors);
            if field.is_stored() {
                owned(field, model, errors);
                flash(field, errors);
                index(field, errors);
                counter(field, errors);
                default_of_option(field, errors);
                key(field, model, errors);
            }
            serde::field(field, model, errors);
            if field.attrs.skip.is_none() {
                reserved(field, errors);
            }
        });
    }
    distinct_keys(&mut fields, errors);
    distinct_constants(&mut fields, errors);
    model.fields = fields;
}

/// Session data is a struct with named fields, not a tuple, an enum or a union.
fn named_fields(model: &Model<'_>, errors: &Errors) {
    let ident = &model.input.ident;
    let form = format!("session data must have named fields: write `struct {ident} {{ .. }}`");
    match &model.input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(_) => {}
            Fields::Unnamed(fields) => errors.at(fields, form),
            Fields::Unit => errors.at(ident, form),
        },
        Data::Enum(_) => {
            let form = format!(
                "an enum cannot be session data, only a field of it: write `struct {ident} {{ .. }}` with named fields"
            );
            errors.at(ident, form);
        }
        Data::Union(_) => {
            let form = format!(
                "a union cannot be session data: write `struct {ident} {{ .. }}` with named fields"
            );
            errors.at(ident, form);
        }
    }
}

/// Session data outlives the request, so it must not borrow.
fn no_lifetimes(model: &Model<'_>, errors: &Errors) {
    for param in model.input.generics.lifetimes() {
        errors.at(
            &param.lifetime,
            "session data outlives the request and cannot borrow: own it, as `String`, `Vec<T>` or `Cow<'static, str>`",
        );
    }
}

/// Like [`no_lifetimes`], for each field's type. If the struct's own lifetimes are errors, no second error is reported.
fn owned(field: &Field<'_>, model: &Model<'_>, errors: &Errors) {
    let ty = &field.input.ty;
    if types::borrows(ty, &[]) && !types::has_lifetime(ty, &model.lifetimes) {
        errors.at(
            ty,
            format!(
                "`{}` borrows, but session data outlives the request: own it, as `String`, `Vec<T>` or \
                 `Cow<'static, str>`",
                types::text(ty)
            ),
        );
    }
}

/// A namespace is not empty, and does not have the library's prefix.
fn namespace(model: &Model<'_>, errors: &Errors) {
    let Some(given) = &model.attrs.namespace else {
        return;
    };
    if given.value.value().is_empty() {
        errors.at(
            &given.value,
            "the namespace is empty: choose a name, or remove the attribute",
        );
    }
    of_the_library(&given.value, "namespace", errors);
}

/// A key is not empty, and does not have the library's prefix.
fn key(field: &Field<'_>, model: &Model<'_>, errors: &Errors) {
    let Some(given) = &field.attrs.rename else {
        return;
    };
    if given.value.value().is_empty() {
        errors.at(
            &given.value,
            "the key is empty: choose a name, or remove the attribute",
        );
    }
    if model.attrs.namespace.is_none() {
        of_the_library(&given.value, "key", errors);
    }
}

/// Reserved keys belong to the library.
fn of_the_library(given: &LitStr, what: &str, errors: &Errors) {
    if given.value().starts_with(OF_THE_LIBRARY) {
        let form =
            format!("keys beginning with `{OF_THE_LIBRARY}` are reserved: choose another {what}");
        errors.at(given, form);
    }
}

/// A nested struct has its own attributes, and a skipped field is not stored: neither can have other attributes.
fn alone(field: &Field<'_>, errors: &Errors) {
    let attrs = &field.attrs;
    let (what, why) = match (&attrs.skip, &attrs.nest) {
        (Some(skip), _) => (&skip.name, "the field is not stored"),
        (None, Some(nest)) => (&nest.name, "set it on the fields of the nested struct"),
        (None, None) => return,
    };
    let alone = |name: &&Ident| *name != what && !(*what == "nest" && **name == "ignore_serde");
    for other in attrs.names().filter(alone) {
        errors.at(
            other,
            format!("`{other}` cannot be combined with `{what}`: {why}"),
        );
    }
}

/// A flash field is an `Option`, or a `Vec` for several messages. It has no default, it cannot be an index, and it
/// cannot be a counter.
fn flash(field: &Field<'_>, errors: &Errors) {
    let attrs = &field.attrs;
    if attrs.flash.is_none() {
        return;
    }
    let list = field.inside_vec().is_some();
    if field.inside_option().is_none() && !list && attrs.counter.is_none() {
        let ty = types::text(field.ty());
        let form = format!(
            "a flash field must be an `Option`, which reads as `None` once taken, or a `Vec` for several messages: write \
             `Option<{ty}>` or `Vec<{ty}>`"
        );
        errors.at(&field.input.ty, form);
    }
    let default = match list {
        true => {
            "`default` has no effect on a flash list, which reads as empty once taken: remove it"
        }
        false => {
            "`default` cannot be combined with `flash`: a flash field reads as `None` once taken"
        }
    };
    refuse(&attrs.default, default, errors);
    refuse(
        &attrs.index,
        "`index` cannot be combined with `flash`, whose value is removed when it is read: remove one of them",
        errors,
    );
    refuse(
        &attrs.counter,
        "`counter` cannot be combined with `flash`: remove one of them",
        errors,
    );
}

/// Sessions are found by a value that was set and is still stored: not by a sum that changes with each addition, and
/// not by a value that expires before the session. A limit counts the sessions that are found.
fn index(field: &Field<'_>, errors: &Errors) {
    let attrs = &field.attrs;
    if attrs.index.is_none() {
        refuse(
            &attrs.limit,
            "`limit` requires `index`: write `#[session(index, limit = ..)]`",
            errors,
        );
    }
    if attrs.limit.is_none() {
        refuse(
            &attrs.when_full,
            "`when_full` requires `limit`: write `#[session(index, limit = 3, when_full = \"refuse\")]`",
            errors,
        );
    }
    if attrs.index.is_none() {
        return;
    }
    refuse(
        &attrs.counter,
        "`index` cannot be combined with `counter`, whose value changes with every request: remove one of them",
        errors,
    );
    refuse(
        &attrs.ttl,
        "`ttl` cannot be combined with `index`, whose entry lives as long as the session: remove one of them",
        errors,
    );
}

/// A counter always has a number. A trait of its own checks that the type is an integer.
fn counter(field: &Field<'_>, errors: &Errors) {
    if field.attrs.counter.is_none() {
        return;
    }
    if let Some(inner) = field.inside_option() {
        let inner = types::text(inner);
        let form = format!("a counter cannot be an `Option`, it starts at 0: write `{inner}`");
        errors.at(&field.input.ty, form);
    }
}

/// An `Option` already has a default. (With `default = Some(..)`, a field without a stored value reads as that value.)
fn default_of_option(field: &Field<'_>, errors: &Errors) {
    if let Some(given) = &field.attrs.default
        && matches!(given.value, attr::Default::OfType)
        && field.inside_option().is_some()
        && field.attrs.flash.is_none()
        && field.attrs.counter.is_none()
    {
        errors.at(
            &given.name,
            "`default` has no effect on an `Option`, which reads as `None` if nothing is stored: remove it, or write `default = Some(..)`",
        );
    }
}

/// A field's accessor must not hide a method that a session already has.
fn reserved(field: &Field<'_>, errors: &Errors) {
    if RESERVED.contains(&field.name.as_str()) {
        let name = &field.name;
        let keep = if field.is_stored() && field.attrs.rename.is_none() {
            format!(", and keep the stored key with `#[session(rename = \"{name}\")]`")
        } else {
            String::new()
        };
        let form =
            format!("`{name}` is a method of every session: choose another field name{keep}");
        errors.at(field.ident, form);
    }
}

/// Each field has a different key. (The compiler compares nested structs, when it evaluates the schema.)
fn distinct_keys(fields: &mut [Field<'_>], errors: &Errors) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for i in 0..fields.len() {
        if !fields[i].is_stored() {
            continue;
        }
        let Some(&first) = seen.get(&fields[i].key) else {
            seen.insert(fields[i].key.clone(), i);
            continue;
        };
        let (one, other, key) = (&fields[first].name, &fields[i].name, &fields[i].key);
        errors.at(
            place_of_key(&fields[i]),
            format!("`{other}` and `{one}` are both stored under `{key}`: give one of them another key with `rename`"),
        );
        fields[i].broken = true;
    }
}

fn place_of_key<'a>(field: &'a Field<'_>) -> &'a dyn quote::ToTokens {
    match &field.attrs.rename {
        Some(given) => &given.value,
        None => &field.ident,
    }
}

/// Each field has a different constant: names that differ only in case would share one.
fn distinct_constants(fields: &mut [Field<'_>], errors: &Errors) {
    let mut seen: HashMap<Ident, String> = HashMap::new();
    for field in fields.iter_mut().filter(|field| field.is_stored()) {
        match seen.get(&field.constant) {
            Some(first) => {
                let (name, constant) = (&field.name, &field.constant);
                errors.at(
                    field.ident,
                    format!("`{name}` and `{first}` would share the constant `{constant}`: rename one of them"),
                );
                field.keyless = true;
            }
            None => {
                seen.insert(field.constant.clone(), field.name.clone());
            }
        }
    }
}

fn refuse<T>(given: &Option<Given<T>>, why: &str, errors: &Errors) {
    if let Some(given) = given {
        errors.at(&given.name, why);
    }
}
