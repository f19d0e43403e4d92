//! `ShopFields`: one method for each field.

use super::{Context, implementation, local};
use crate::{
    ast::{Field, Kind, Model},
    check::RESERVED,
    docs, path,
};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

pub(super) fn accessors(model: &Model<'_>, context: &Context) -> TokenStream {
    let definition = definition(model, context);
    let (private, untyped) = (&context.private, &context.untyped);
    let (_, ty_generics, _) = model.generics().split_for_impl();
    let ident = &model.fields_ident;
    let ty = quote!(#ident #ty_generics);

    let methods = model
        .fields
        .iter()
        .map(|field| method(model, context, field));
    let whole = whole(model, context);
    let inherent = implementation(model.generics(), None, &ty, quote!(#(#methods)* #whole));

    let deref = quote! {
        type Target = #private::UntypedSession;
        #[inline]
        fn deref(&self) -> &#private::UntypedSession {
            &self.#untyped
        }
    };
    let of = quote!(::core::ops::Deref);
    let deref = implementation(model.generics(), Some(of), &ty, deref);

    let f = local("__f");
    let debug = quote! {
        #[inline]
        fn fmt(&self, #f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            ::core::fmt::Debug::fmt(&self.#untyped, #f)
        }
    };
    let of = quote!(::core::fmt::Debug);
    let debug = implementation(model.generics(), Some(of), &ty, debug);

    quote! {
        #definition
        #inherent
        #deref
        #debug
    }
}

/// The fields that are structs of their own.
pub(super) fn nested<'m, 'a>(model: &'m Model<'a>) -> impl Iterator<Item = &'m Field<'a>> {
    model
        .fields
        .iter()
        .filter(|field| field.kind(&model.attrs) == Kind::Nest)
}

/// What holds the accessors of a nested struct. It stands where the type does: of a type that cannot be nested, all
/// errors are one.
pub(super) fn holder(field: &Field<'_>) -> Ident {
    format_ident!("__nested_{}", field.name, span = field.ty().span())
}

/// The name of what holds the session: see [`definition`].
pub(super) fn untyped(model: &Model<'_>) -> TokenStream {
    if nested(model).next().is_none() {
        quote!(0)
    } else {
        quote!(__untyped)
    }
}

/// A tuple struct, whose constructor is there without a body that the compiler would have to check. With nested structs
/// it has names, since each of them may be configured away.
fn definition(model: &Model<'_>, context: &Context) -> TokenStream {
    let private = &context.private;
    let data = &context.data;
    let (vis, ident, params) = (&model.input.vis, &model.fields_ident, model.generics());
    let where_clause = &model.generics().where_clause;
    let doc = format!(
        " The fields of a session that holds [`{0}`], one method each. Made by `#[derive(SessionData)]`.",
        model.name()
    );
    let data = quote!(#private::Of<#data>);
    let definition = if nested(model).next().is_none() {
        quote!((#private::UntypedSession, #data) #where_clause;)
    } else {
        let cfgs = nested(model).map(|field| field.cfg());
        let names = nested(model).map(holder);
        let types = nested(model).map(|field| context.nested(field.ty(), "Fields"));
        quote! {
            #where_clause {
                #(#cfgs #names: #types,)*
                __untyped: #private::UntypedSession,
                __data: #data,
            }
        }
    };
    quote! {
        #[doc = #doc]
        #[allow(deprecated, non_camel_case_types, non_snake_case, unreachable_pub, unused_qualifications)]
        #vis struct #ident #params #definition
    }
}

fn method(model: &Model<'_>, context: &Context, field: &Field<'_>) -> TokenStream {
    let kind = field.kind(&model.attrs);
    if kind == Kind::Skip || RESERVED.contains(&field.name.as_str()) {
        return TokenStream::new();
    }
    let (private, untyped) = (&context.private, &context.untyped);
    let docs = docs::accessor(model, field);
    let allow = allow(&field.name);
    let (vis, ident, constant) = (field.vis(), field.ident, &field.constant);
    // The whole signature stands where the field does, for messages such as "defined here".
    let place = ident.span();
    if kind == Kind::Nest {
        let (ty, holder) = (context.nested(field.ty(), "Fields"), holder(field));
        let place = field.ty().span();
        let body = context.body(quote_spanned!(place=> &self.#holder));
        return quote_spanned! {place=>
            #docs
            #allow
            #[must_use]
            #[inline]
            #vis const fn #ident(&self) -> &#ty {
                #body
            }
        };
    }
    let handle = match kind {
        Kind::Field => quote!(Field),
        Kind::Counter => quote!(Counter),
        Kind::Flash => quote!(Flash),
        Kind::FlashList => quote!(FlashList),
        Kind::OptField | Kind::Nest | Kind::Skip => quote!(OptField),
    };
    let ty = match field.inside_vec() {
        Some(message) if kind == Kind::FlashList => message,
        _ => field.key_type(),
    };
    let data = &context.data;
    let body = quote_spanned!(place=> #private::#handle::new(&self.#untyped, <#data>::#constant));
    let body = context.body(body);
    quote_spanned! {place=>
        #docs
        #allow
        #[inline]
        #vis fn #ident(&self) -> #private::#handle<'_, #ty> {
            #body
        }
    }
}

/// The lints that expect something else of a method of this name: one called `new` or `into_cart` reads a field, and is
/// no constructor or conversion. Only where there is such a name, since a crate that forbids the lints is warned of each
/// attribute that allows them.
fn allow(name: &str) -> TokenStream {
    let conversions = ["as_", "from_", "into_", "is_", "to_"];
    if name == "new" {
        quote!(#[allow(clippy::new_ret_no_self, clippy::wrong_self_convention)])
    } else if conversions.iter().any(|prefix| name.starts_with(prefix)) {
        quote!(#[allow(clippy::wrong_self_convention)])
    } else if name == "iter" || name == "iter_mut" {
        quote!(#[allow(clippy::iter_not_returning_iterator)])
    } else {
        TokenStream::new()
    }
}

/// `load` and `store`, and `detach`, which gives the type along.
fn whole(model: &Model<'_>, context: &Context) -> TokenStream {
    let (private, untyped) = (&context.private, &context.untyped);
    let (vis, data) = (&model.input.vis, &context.data);
    // The one parameter that people see, and so the one without underscores.
    let argument = local("data");
    let name = model.name();
    let load_doc = format!(" Reads a whole [`{name}`] at once.");
    // A session of a struct that nests what cannot be nested is as wrong as the nested field: one error, at its type.
    let argument_of_detach = quote!(&self.#untyped);
    let (session, detach) = match nested(model).next() {
        Some(field) => {
            let place = field.ty().span();
            let shown = |tokens| path::shown_at(tokens, place);
            let (session, detach) = (
                shown(quote!(#private::Session)),
                shown(quote!(#private::detach)),
            );
            let data = shown(data.clone());
            (
                shown(quote!(#private::Result<#session<#data>>)),
                quote_spanned!(place=> #detach(#argument_of_detach)),
            )
        }
        None => (
            quote!(#private::Result<#private::Session<#data>>),
            quote!(#private::detach(#argument_of_detach)),
        ),
    };
    let store_doc = format!(
        " Writes those fields of the given [`{name}`] that differ from what the session holds; of a counter, the difference."
    );
    quote! {
        #[doc = #load_doc]
        ///
        /// # Errors
        /// A field that is stored and cannot be read, a field that is neither stored nor an `Option` nor has a
        /// default, and the store's errors.
        #[inline]
        #vis fn load(&self) -> #private::Loading<'_, #data> {
            #private::load(&self.#untyped)
        }
        #[doc = #store_doc]
        ///
        /// # Errors
        /// A value that cannot be stored, a counter that leaves its range, and the store's errors.
        #[inline]
        #vis fn store<'a>(&'a self, #argument: &'a #data) -> #private::Storing<'a, #data> {
            #private::store(&self.#untyped, #argument)
        }
        /// The same session with a unit of work of its own, for what goes on after the response: a WebSocket,
        /// server-sent events, a spawned task. What it changes is stored by its own `commit` only.
        ///
        /// # Errors
        /// A session that is new and was not committed yet, one that has ended, and a request that is over.
        // Out of a macro by example, the paragraph above is not seen.
        #[allow(clippy::missing_errors_doc)]
        #[inline]
        #vis fn detach(&self) -> #session {
            #detach
        }
    }
}
