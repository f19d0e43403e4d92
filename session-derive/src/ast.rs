//! The model: the declarations of the struct, as far as they can be parsed.

use crate::{
    attr::{self, FieldAttrs, StructAttrs},
    errors::Errors,
    types,
};
use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{
    Attribute, Data, DeriveInput, Fields, GenericParam, Generics, Type, Visibility, ext::IdentExt,
};

pub(crate) struct Model<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) attrs: StructAttrs,
    /// The name of the generated struct, `ShopFields`.
    pub(crate) fields_ident: Ident,
    /// The declared lifetimes, which are an error: [`Model::generics`] and [`Field::ty`] are without them.
    pub(crate) lifetimes: Vec<String>,
    without_lifetimes: Option<Generics>,
    pub(crate) fields: Vec<Field<'a>>,
}

pub(crate) struct Field<'a> {
    pub(crate) input: &'a syn::Field,
    pub(crate) ident: &'a Ident,
    /// The name without `r#`.
    pub(crate) name: String,
    /// The name of the constant, `USER_ID`.
    pub(crate) constant: Ident,
    /// The key in the store, with the namespace.
    pub(crate) key: String,
    owned: Option<Type>,
    pub(crate) attrs: FieldAttrs,
    /// The field has an error: the generated items for it use only its type.
    pub(crate) broken: bool,
    /// The field cannot have a key: its type borrows, or another field has the same constant.
    pub(crate) keyless: bool,
}

/// The kind of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads as `T`.
    Field,
    /// Reads as `Option<T>`.
    OptField,
    /// Reads as an integer; changes add up.
    Counter,
    /// Reads as `Option<T>`, once.
    Flash,
    /// Reads as `Vec<T>`, once.
    FlashList,
    /// The fields of another struct.
    Nest,
    /// Nothing: not in the session.
    Skip,
}

impl<'a> Model<'a> {
    pub(crate) fn new(input: &'a DeriveInput, errors: &Errors) -> Self {
        let attrs = StructAttrs::new(&input.attrs, errors);
        let lifetimes: Vec<String> = {
            let lifetimes = input.generics.lifetimes();
            lifetimes
                .map(|param| param.lifetime.ident.to_string())
                .collect()
        };
        let mut model = Model {
            input,
            attrs,
            fields_ident: format_ident!("{}Fields", input.ident.unraw(), span = input.ident.span()),
            without_lifetimes: without_lifetimes(&input.generics, &lifetimes),
            lifetimes,
            fields: Vec::new(),
        };
        if let Data::Struct(data) = &input.data
            && let Fields::Named(fields) = &data.fields
        {
            let fields = fields
                .named
                .iter()
                .filter_map(|field| model.field(field, errors));
            model.fields = fields.collect();
        }
        model
    }

    fn field(&self, input: &'a syn::Field, errors: &Errors) -> Option<Field<'a>> {
        let ident = input.ident.as_ref()?;
        let name = ident.unraw().to_string();
        // Rust rejects this, but syn parses it if another crate enables more of its features.
        if name == "_" {
            errors.at(ident, "a session field must have a name");
            return None;
        }
        let mut attrs = FieldAttrs::default();
        let broken = errors.found(|| attrs = FieldAttrs::new(&input.attrs, errors));
        let renamed = attrs.rename.as_ref().map(|given| given.value.value());
        let key = renamed.unwrap_or_else(|| name.clone());
        Some(Field {
            input,
            ident,
            constant: constant(&name, ident.span()),
            key: match &self.attrs.namespace {
                Some(namespace) => format!("{}.{key}", namespace.value.value()),
                None => key,
            },
            name,
            owned: owned(&input.ty, &self.lifetimes),
            attrs,
            broken,
            keyless: false,
        })
    }

    /// The struct's name without `r#`.
    pub(crate) fn name(&self) -> String {
        self.input.ident.unraw().to_string()
    }

    /// The parameters.
    pub(crate) fn generics(&self) -> &Generics {
        self.without_lifetimes
            .as_ref()
            .unwrap_or(&self.input.generics)
    }

    /// The fields that have a key.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.is_stored())
    }
}

impl Field<'_> {
    pub(crate) fn ty(&self) -> &Type {
        self.owned.as_ref().unwrap_or(&self.input.ty)
    }

    /// The `T` of an `Option<T>`.
    pub(crate) fn inside_option(&self) -> Option<&Type> {
        types::inside("Option", self.ty())
    }

    /// The `T` of a `Vec<T>`.
    pub(crate) fn inside_vec(&self) -> Option<&Type> {
        types::inside("Vec", self.ty())
    }

    /// The kind of the field. If attributes exclude each other, the first one in this order counts.
    pub(crate) fn kind(&self, of: &StructAttrs) -> Kind {
        if self.attrs.skip.is_some() {
            Kind::Skip
        } else if self.attrs.nest.is_some() {
            Kind::Nest
        } else if self.attrs.counter.is_some() {
            Kind::Counter
        } else if self.attrs.flash.is_some() && self.inside_vec().is_some() {
            Kind::FlashList
        } else if self.attrs.flash.is_some() {
            Kind::Flash
        } else if self.attrs.default.is_some()
            || of.default.is_some() && self.inside_option().is_none()
        {
            Kind::Field
        } else {
            Kind::OptField
        }
    }

    pub(crate) fn is_stored(&self) -> bool {
        self.attrs.skip.is_none() && self.attrs.nest.is_none()
    }

    /// Whether the field reads as `None` if it is absent: an `Option` without `default = expr`.
    pub(crate) fn is_optional(&self) -> bool {
        self.inside_option().is_some()
            && !matches!(&self.attrs.default, Some(given) if matches!(given.value, attr::Default::Expr { .. }))
    }

    /// The stored type: `T`, also for an `Option<T>`.
    pub(crate) fn key_type(&self) -> &Type {
        match self.inside_option() {
            Some(inner) if self.is_optional() => inner,
            _ => self.ty(),
        }
    }

    /// The attributes of the field that its generated items also have.
    pub(crate) fn carried(&self) -> impl Iterator<Item = &Attribute> {
        let carried = ["doc", "deprecated", "cfg"];
        let attrs = self.input.attrs.iter();
        attrs.filter(move |attr| carried.iter().any(|name| attr.path().is_ident(name)))
    }

    /// Only `#[cfg(..)]`.
    pub(crate) fn cfg(&self) -> TokenStream {
        let attrs = self.input.attrs.iter();
        attrs
            .filter(|attr| attr.path().is_ident("cfg"))
            .map(ToTokens::to_token_stream)
            .collect()
    }

    pub(crate) fn vis(&self) -> &Visibility {
        &self.input.vis
    }
}

/// A field's name in capitals. In some scripts the result is not a valid identifier.
fn constant(name: &str, span: Span) -> Ident {
    match syn::parse_str::<Ident>(&name.to_uppercase()) {
        Ok(mut ident) => {
            ident.set_span(span);
            ident
        }
        Err(_) => format_ident!("r#{name}", span = span),
    }
}

/// A type that borrows, with `'static` instead of the struct's lifetimes and of elided ones after `&`.
fn owned(ty: &Type, lifetimes: &[String]) -> Option<Type> {
    let borrows = types::borrows(ty, lifetimes);
    borrows.then(|| syn::parse2(with_static(ty.to_token_stream(), lifetimes)).ok())?
}

/// Removes the lifetimes from parameters.
fn without_lifetimes(generics: &Generics, lifetimes: &[String]) -> Option<Generics> {
    if lifetimes.is_empty() {
        return None;
    }
    let params = generics.params.iter();
    let params = params.filter(|param| !matches!(param, GenericParam::Lifetime(_)));
    let params = with_static(quote!(#(#params),*), lifetimes);
    let clause = with_static(generics.where_clause.to_token_stream(), lifetimes);
    let mut owned: Generics = syn::parse2(quote!(<#params>)).ok()?;
    owned.where_clause = syn::parse2(clause).ok()?;
    Some(owned)
}

fn with_static(tokens: TokenStream, lifetimes: &[String]) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let stream = with_static(group.stream(), lifetimes);
                let mut owned = Group::new(group.delimiter(), stream);
                owned.set_span(group.span());
                out.extend([TokenTree::Group(owned)]);
            }
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                out.extend([TokenTree::Punct(punct)]);
                if let Some(TokenTree::Ident(ident)) = tokens.next() {
                    let ours = lifetimes.iter().any(|l| ident == l);
                    let ident = if ours {
                        Ident::new("static", ident.span())
                    } else {
                        ident
                    };
                    out.extend([TokenTree::Ident(ident)]);
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                let span = punct.span();
                out.extend([TokenTree::Punct(punct)]);
                if !matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'')
                {
                    syn::Lifetime::new("'static", span).to_tokens(&mut out);
                }
            }
            other => out.extend([other]),
        }
    }
    out
}
