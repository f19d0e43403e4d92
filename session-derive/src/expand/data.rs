//! `impl SessionData for Shop`.

use super::{
    Context,
    accessors::{holder, nested},
    implementation,
    keys::of_struct,
    local,
};
use crate::{
    ast::{Field, Kind, Model},
    path,
};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

pub(super) fn data(model: &Model<'_>, context: &Context) -> TokenStream {
    let private = &context.private;
    let (_, ty_generics, _) = model.generics().split_for_impl();
    let ident = &model.fields_ident;
    let schema = schema(model, context);
    let fields = fields(model, context);
    let read = read(model, context);
    let write = write(model, context);
    let items = quote! {
        type Fields = #ident #ty_generics;
        const SCHEMA: &'static #private::Schema = #schema;
        #fields
        #read
        #write
    };
    let of = quote!(#private::SessionData);
    implementation(model.generics(), Some(of), &context.data, items)
}

fn schema(model: &Model<'_>, context: &Context) -> TokenStream {
    let private = &context.private;
    let name = model.name();
    if !context.sound {
        return quote!(&const { #private::schema(#name, &[], &[]) });
    }
    let fields = model.stored().map(|field| {
        let (cfg, constant) = (field.cfg(), &field.constant);
        quote!(#cfg Self::#constant.def())
    });
    let fields = quote!(&const { [#(#fields),*] });
    let nested: Vec<_> = nested(model).collect();
    if nested.is_empty() {
        return quote!(&const { #private::schema(#name, #fields, &[]) });
    }
    let (schema, number) = (local("__schema"), local("__number"));
    let schemas = nested.iter().map(|field| {
        let (cfg, ty) = (field.cfg(), context.nested(field.ty(), "SCHEMA"));
        quote!(#cfg #ty)
    });
    // A duplicate key is reported at the nested struct.
    let apart = nested.iter().map(|field| {
        let (cfg, place) = (field.cfg(), field.ty().span());
        let apart = path::shown_at(quote!(#private::Schema::apart), place);
        let apart = quote_spanned!(place=> #apart(&#schema, #number));
        quote!(#cfg let #number = #apart;)
    });
    quote! {
        &const {
            let #schema = #private::schema(#name, #fields, &const { [#(#schemas),*] });
            let #number = 0;
            #(#apart)*
            #schema
        }
    }
}

/// The expression that creates the struct of accessors: its constructor, if that suffices.
fn fields(model: &Model<'_>, context: &Context) -> TokenStream {
    let private = &context.private;
    let (session, data) = (local("__session"), local("__data"));
    let ident = &model.fields_ident;
    let nested: Vec<_> = nested(model)
        .map(|field| {
            let (cfg, holder, place) = (field.cfg(), holder(field), field.ty().span());
            let fields = context.nested(field.ty(), "FIELDS");
            let phantom = quote!(::core::marker::PhantomData);
            let fields = quote_spanned! {place=>
                #fields(::core::clone::Clone::clone(&#session), #phantom)
            };
            quote_spanned!(place=> #cfg #holder: #fields,)
        })
        .collect();
    let make = if nested.is_empty() {
        quote!(#ident)
    } else {
        quote!(|#session, #data| #ident { #(#nested)* __untyped: #session, __data: #data })
    };
    quote! {
        const FIELDS: fn(#private::UntypedSession, #private::Of<Self>) -> Self::Fields = #make;
    }
}

fn read(model: &Model<'_>, context: &Context) -> TokenStream {
    let private = &context.private;
    let view = local("__view");
    let fields = model.fields.iter().map(|field| {
        let (cfg, ident, ty, constant) = (field.cfg(), field.ident, field.ty(), &field.constant);
        let value = match field.kind(&model.attrs) {
            Kind::Nest => {
                let read = context.nested(ty, "read");
                value_of(quote_spanned!(ty.span()=> #read(#view)))
            }
            Kind::Skip => match &model.attrs.default {
                Some(given) => {
                    let default = of_struct(given);
                    quote!(#default.#ident)
                }
                None => quote_spanned! {
                    ty.span()=> <#ty as ::core::default::Default>::default()
                },
            },
            _ => {
                let method = method(field);
                value_of(quote!(#view.#method(Self::#constant)))
            }
        };
        quote!(#cfg #ident: #value,)
    });
    let body = context.body(quote!(::core::result::Result::Ok(Self { #(#fields)* })));
    quote! {
        #[inline]
        #[allow(unused_variables)]
        fn read(#view: &#private::View<'_>) -> #private::Result<Self> {
            #body
        }
    }
}

fn write(model: &Model<'_>, context: &Context) -> TokenStream {
    let private = &context.private;
    let diff = local("__diff");
    let fields = model.fields.iter().filter_map(|field| {
        let (cfg, ident, ty, constant) = (field.cfg(), field.ident, field.ty(), &field.constant);
        let (method, optional) = (method(field), field.is_optional());
        let write = match field.kind(&model.attrs) {
            Kind::Skip => return None,
            Kind::Nest => {
                let write = context.nested(ty, "write");
                // `self` must have the same span context as the signature.
                let field = quote!(&self.#ident);
                tried(quote_spanned!(ty.span()=> #write(#field, #diff)))
            }
            _ if optional => {
                let value = quote!(::core::option::Option::as_ref(&self.#ident));
                tried(quote!(#diff.#method(Self::#constant, #value)))
            }
            _ => tried(quote!(#diff.#method(Self::#constant, &self.#ident))),
        };
        Some(quote!(#cfg #write;))
    });
    let body = context.body(quote!(#(#fields)* ::core::result::Result::Ok(())));
    quote! {
        #[inline]
        #[allow(unused_variables)]
        fn write(&self, #diff: &mut #private::Diff<'_>) -> #private::Result<()> {
            #body
        }
    }
}

/// `expression?`, but cheaper to compile.
fn value_of(expression: TokenStream) -> TokenStream {
    let (value, error) = (local("__value"), local("__error"));
    quote! {
        match #expression {
            ::core::result::Result::Ok(#value) => #value,
            ::core::result::Result::Err(#error) => {
                return ::core::result::Result::Err(#error);
            }
        }
    }
}

/// `expression?;`, likewise.
fn tried(expression: TokenStream) -> TokenStream {
    let error = local("__error");
    quote! {
        if let ::core::result::Result::Err(#error) = #expression {
            return ::core::result::Result::Err(#error);
        }
    }
}

/// How reading and writing the whole struct treats a field.
fn method(field: &Field<'_>) -> TokenStream {
    if field.is_optional() {
        quote!(optional)
    } else {
        quote!(required)
    }
}
