//! Parses `#[session(..)]`. An item that cannot be parsed is reported and skipped; the others count.

use crate::{duration, errors::Errors, suggest::suggest};
use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::{
    Attribute, Expr, LitInt, LitStr, Meta, Path, Result, Token,
    ext::IdentExt,
    parse::{ParseStream, discouraged::Speculative},
};

/// The attributes of a field, and of the struct.
const ON_FIELD: &[&str] = &[
    "default",
    "rename",
    "ttl",
    "flash",
    "index",
    "limit",
    "when_full",
    "counter",
    "nest",
    "skip",
    "ignore_serde",
];
const ON_STRUCT: &[&str] = &["namespace", "default", "crate", "ignore_serde"];

/// An attribute with a value: its name, for messages, and the value.
pub(crate) struct Given<T> {
    pub(crate) name: Ident,
    pub(crate) value: T,
}

/// `default` and `default = expr`.
pub(crate) enum Default {
    OfType,
    Expr {
        tokens: TokenStream,
        /// Whether it was parsed as an expression; otherwise the compiler checks it.
        read: bool,
    },
}

/// `ttl = ".."`: the time in milliseconds; `None` if it could not be parsed.
pub(crate) type Ttl = Option<u64>;

/// `limit = ..`: the number of sessions; `None` if it could not be parsed.
pub(crate) type Limit = Option<usize>;

/// `when_full = ".."`.
#[derive(Clone, Copy)]
pub(crate) enum WhenFull {
    Refuse,
    EndOldest,
}

#[derive(std::default::Default)]
pub(crate) struct FieldAttrs {
    pub(crate) default: Option<Given<Default>>,
    pub(crate) rename: Option<Given<LitStr>>,
    pub(crate) ttl: Option<Given<Ttl>>,
    pub(crate) flash: Option<Given<()>>,
    pub(crate) index: Option<Given<()>>,
    pub(crate) limit: Option<Given<Limit>>,
    pub(crate) when_full: Option<Given<WhenFull>>,
    pub(crate) counter: Option<Given<()>>,
    pub(crate) nest: Option<Given<()>>,
    pub(crate) skip: Option<Given<()>>,
    pub(crate) ignore_serde: Option<Given<()>>,
}

#[derive(std::default::Default)]
pub(crate) struct StructAttrs {
    pub(crate) namespace: Option<Given<LitStr>>,
    pub(crate) default: Option<Given<()>>,
    pub(crate) krate: Option<Given<Path>>,
    pub(crate) ignore_serde: Option<Given<()>>,
}

impl FieldAttrs {
    pub(crate) fn new(attrs: &[Attribute], errors: &Errors) -> Self {
        let mut read = Self::default();
        each_item(attrs, "rename = \"..\"", errors, |name, input| {
            let name = understood(name, [ON_FIELD, ON_STRUCT], ["fields", "struct"], errors);
            match name.to_string().as_str() {
                "default" => put(&mut read.default, name, default(input, errors)?, errors),
                "rename" => put(
                    &mut read.rename,
                    name.clone(),
                    text(&name, "key", input)?,
                    errors,
                ),
                "ttl" => {
                    let text = text(&name, "10m", input)?;
                    let millis = duration::parse(&text.value());
                    let ttl = millis.map_err(|message| errors.at(&text, message)).ok();
                    put(&mut read.ttl, name, ttl, errors);
                }
                "flash" => flag(&mut read.flash, name, input, errors)?,
                "index" => flag(&mut read.index, name, input, errors)?,
                "limit" => {
                    let most = limit(&name, input, errors)?;
                    put(&mut read.limit, name, most, errors);
                }
                "when_full" => {
                    let text = text(&name, "refuse", input)?;
                    let when_full = when_full(&text, errors);
                    put(&mut read.when_full, name, when_full, errors);
                }
                "counter" => flag(&mut read.counter, name, input, errors)?,
                "nest" => flag(&mut read.nest, name, input, errors)?,
                "skip" => flag(&mut read.skip, name, input, errors)?,
                "ignore_serde" => flag(&mut read.ignore_serde, name, input, errors)?,
                _ => pass_over(input)?,
            }
            Ok(())
        });
        read
    }

    /// The names of all attributes that are present.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Ident> {
        let flags = [
            &self.flash,
            &self.index,
            &self.counter,
            &self.nest,
            &self.skip,
            &self.ignore_serde,
        ];
        let default = self.default.as_ref().map(|given| &given.name);
        let rename = self.rename.as_ref().map(|given| &given.name);
        let ttl = self.ttl.as_ref().map(|given| &given.name);
        let limit = self.limit.as_ref().map(|given| &given.name);
        let when_full = self.when_full.as_ref().map(|given| &given.name);
        let flags = flags.into_iter().flatten().map(|given| &given.name);
        let valued = [default, rename, ttl, limit, when_full].into_iter();
        valued.flatten().chain(flags)
    }
}

impl StructAttrs {
    pub(crate) fn new(attrs: &[Attribute], errors: &Errors) -> Self {
        let mut read = Self::default();
        each_item(attrs, "namespace = \"..\"", errors, |name, input| {
            let name = understood(name, [ON_STRUCT, ON_FIELD], ["struct", "fields"], errors);
            match name.to_string().as_str() {
                "namespace" => {
                    put(
                        &mut read.namespace,
                        name.clone(),
                        text(&name, "shop", input)?,
                        errors,
                    );
                }
                "default" => flag(&mut read.default, name, input, errors)?,
                "crate" => put(&mut read.krate, name, path(input)?, errors),
                "ignore_serde" => flag(&mut read.ignore_serde, name, input, errors)?,
                _ => pass_over(input)?,
            }
            Ok(())
        });
        read
    }
}

/// Calls `item` for each item of each `#[session(..)]`, after parsing its name. After an item that cannot be parsed, it
/// continues after the next comma.
fn each_item(
    attrs: &[Attribute],
    example: &str,
    errors: &Errors,
    mut item: impl FnMut(Ident, ParseStream<'_>) -> Result<()>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("session")) {
        let Meta::List(list) = &attr.meta else {
            let form = format!("attributes must be in parentheses: write `#[session({example})]`");
            errors.at(&attr.meta, form);
            continue;
        };
        let read = list.parse_args_with(|input: ParseStream<'_>| {
            while !input.is_empty() {
                let one = input.call(name).and_then(|name| {
                    item(name, input)?;
                    end_of_item(input)
                });
                if let Err(error) = one {
                    errors.push(error);
                    pass_over(input)?;
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        });
        if let Err(error) = read {
            errors.push(error);
        }
    }
}

fn name(input: ParseStream<'_>) -> Result<Ident> {
    if input.peek(Ident::peek_any) {
        return input.call(Ident::parse_any);
    }
    Err(input.error("expected the name of an attribute, such as `ttl`"))
}

fn end_of_item(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(input.error("expected a comma before the next attribute"))
}

fn put<T>(slot: &mut Option<Given<T>>, name: Ident, value: T, errors: &Errors) {
    if slot.is_some() {
        errors.at(&name, format!("`{name}` is given twice: remove one"));
    } else {
        *slot = Some(Given { name, value });
    }
}

/// An attribute without a value. It counts even if something follows it.
fn flag(
    slot: &mut Option<Given<()>>,
    name: Ident,
    input: ParseStream<'_>,
    errors: &Errors,
) -> Result<()> {
    if !input.is_empty() && !input.peek(Token![,]) {
        let form = format!("`{name}` takes no value: write `#[session({name})]`");
        errors.push(input.error(form));
        pass_over(input)?;
    }
    put(slot, name, (), errors);
    Ok(())
}

/// Skips to the next comma.
fn pass_over(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// An attribute with a string.
fn text(name: &Ident, example: &str, input: ParseStream<'_>) -> Result<LitStr> {
    let form = format!("`{name}` takes a string: write `#[session({name} = \"{example}\")]`");
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(name.span(), form));
    }
    input.parse::<Token![=]>()?;
    if input.peek(LitStr) {
        return input.parse();
    }
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(name.span(), form));
    }
    Err(input.error(form))
}

/// The number of sessions: at least 1.
fn limit(name: &Ident, input: ParseStream<'_>, errors: &Errors) -> Result<Limit> {
    const FORM: &str =
        "`limit` takes a number of sessions, 1 or more: write `#[session(index, limit = 3)]`";
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(name.span(), FORM));
    }
    input.parse::<Token![=]>()?;
    if !input.peek(LitInt) {
        return Err(match input.is_empty() || input.peek(Token![,]) {
            true => syn::Error::new(name.span(), FORM),
            false => input.error(FORM),
        });
    }
    let number: LitInt = input.parse()?;
    let most = number.base10_parse().ok().filter(|most| *most > 0);
    if most.is_none() {
        errors.at(&number, FORM);
    }
    Ok(most)
}

/// An invalid value is reported and counts as the default.
fn when_full(text: &LitStr, errors: &Errors) -> WhenFull {
    match text.value().as_str() {
        "refuse" => return WhenFull::Refuse,
        "end_oldest" => {}
        _ => errors.at(
            text,
            "`when_full` must be \"end_oldest\", which ends the session that signed in first, or \"refuse\", which \
             refuses the sign-in",
        ),
    }
    WhenFull::EndOldest
}

fn path(input: ParseStream<'_>) -> Result<Path> {
    const FORM: &str =
        "`crate` takes a path, without quotes: write `#[session(crate = my_framework::session)]`";
    if !input.peek(Token![=]) {
        return Err(input.error(FORM));
    }
    input.parse::<Token![=]>()?;
    if input.peek(LitStr) {
        return Err(input.error(FORM));
    }
    input.call(Path::parse_mod_style)
}

fn default(input: ParseStream<'_>, errors: &Errors) -> Result<Default> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(Default::OfType);
    }
    if !input.peek(Token![=]) {
        return Err(input.error(
            "expected `=` after `default`: write `#[session(default = expr)]`, or `#[session(default)]` for the default of the type",
        ));
    }
    let equals = input.parse::<Token![=]>()?;
    let (tokens, read) = expression(input)?;
    if tokens.is_empty() {
        errors.at(
            equals,
            "expected an expression: write `#[session(default = expr)]`, or `#[session(default)]` for the default of the type",
        );
        return Ok(Default::OfType);
    }
    Ok(Default::Expr { tokens, read })
}

/// An expression up to the following comma, and whether it was parsed.
///
/// Without its feature `full`, syn parses calls, paths, literals and similar expressions: enough to recognise that the
/// commas of `Map::<K, V>::new()` belong to the expression. Any other expression (a block, an array, a closure, an
/// incomplete word) extends to the next comma, and the compiler checks it.
fn expression(input: ParseStream<'_>) -> Result<(TokenStream, bool)> {
    let ahead = input.fork();
    if ahead.parse::<Expr>().is_ok() && (ahead.is_empty() || ahead.peek(Token![,])) {
        let expr = input.fork();
        input.advance_to(&ahead);
        return Ok((between(&expr, input), true));
    }
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok((tokens, false))
}

/// The tokens from one position in a stream to a later one, unchanged.
fn between(from: ParseStream<'_>, to: ParseStream<'_>) -> TokenStream {
    let rest = to.cursor().token_stream().into_iter().count();
    let all: Vec<TokenTree> = from.cursor().token_stream().into_iter().collect();
    let taken = all.len() - rest;
    all.into_iter().take(taken).collect()
}

/// The name of an attribute. An unknown name is reported, and then replaced by the one that was probably meant: so that
/// the field has its intended accessors for the code that uses it.
fn understood(
    name: Ident,
    [here, elsewhere]: [&[&str]; 2],
    [place, other]: [&str; 2],
    errors: &Errors,
) -> Ident {
    let written = name.to_string();
    if here.contains(&written.as_str()) {
        return name;
    }
    if elsewhere.contains(&written.as_str()) {
        errors.at(&name, format!("`{name}` is only valid on the {other}"));
    } else if let Some(meant) = suggest(&written, here) {
        errors.at(
            &name,
            format!("unknown attribute `{name}`; did you mean `{meant}`?"),
        );
        return Ident::new(meant, name.span());
    } else if let Some(meant) = suggest(&written, elsewhere) {
        errors.at(
            &name,
            format!("unknown attribute `{name}`; did you mean `{meant}`, which is only valid on the {other}?"),
        );
    } else {
        let all = here.iter().map(|name| format!("`{name}`"));
        let all = all.collect::<Vec<_>>().join(", ");
        errors.at(
            &name,
            format!("unknown attribute `{name}`; on the {place}, use one of {all}"),
        );
    }
    name
}
