//! Properties of a type that its tokens reveal, without resolving names.

use proc_macro2::{Delimiter, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type, spanned::Spanned};

/// The `T` of an `Option<T>`, under any path, or of another type with one argument.
pub(crate) fn inside<'t>(name: &str, ty: &'t Type) -> Option<&'t Type> {
    match ty {
        Type::Group(group) => inside(name, &group.elem),
        Type::Paren(paren) => inside(name, &paren.elem),
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last()?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else {
                return None;
            };
            match arguments.args.first() {
                Some(GenericArgument::Type(inner))
                    if last.ident == name && arguments.args.len() == 1 =>
                {
                    Some(inner)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The end of a type: its last token.
pub(crate) fn end(ty: &Type) -> Span {
    let last = ty.to_token_stream().into_iter().last();
    last.map_or_else(|| ty.span(), |token| token.span())
}

/// Whether a type borrows: it contains a reference, or one of these lifetimes.
pub(crate) fn borrows(ty: impl ToTokens, lifetimes: &[String]) -> bool {
    let tokens = ty.into_token_stream();
    has_reference(tokens.clone()) || has_lifetime(tokens, lifetimes)
}

/// Whether a type contains one of these lifetimes.
pub(crate) fn has_lifetime(tokens: impl ToTokens, lifetimes: &[String]) -> bool {
    let mut after_quote = false;
    tokens.into_token_stream().into_iter().any(|token| {
        let quoted = std::mem::replace(&mut after_quote, false);
        match token {
            TokenTree::Punct(punct) => {
                after_quote = punct.as_char() == '\'';
                false
            }
            TokenTree::Ident(ident) => quoted && lifetimes.iter().any(|l| ident == l),
            TokenTree::Group(group) => has_lifetime(group.stream(), lifetimes),
            TokenTree::Literal(_) => false,
        }
    })
}

/// Whether a type contains a reference.
pub(crate) fn has_reference(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Punct(punct) => punct.as_char() == '&',
        TokenTree::Group(group) => has_reference(group.stream()),
        _ => false,
    })
}

/// The source text of a type, with the usual spaces, which tokens do not keep.
pub(crate) fn text(ty: impl ToTokens) -> String {
    let mut out = String::new();
    write(ty.into_token_stream(), &mut out);
    out
}

fn write(tokens: TokenStream, out: &mut String) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                if group.delimiter() != Delimiter::None {
                    out.push_str(open);
                } else {
                    space_before_word(out);
                }
                write(group.stream(), out);
                out.push_str(close);
            }
            TokenTree::Punct(punct) => {
                let joint = punct.spacing() == Spacing::Joint;
                match punct.as_char() {
                    ',' | ';' if tokens.peek().is_some() => {
                        out.push(punct.as_char());
                        out.push(' ');
                    }
                    ':' if joint
                        && matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':') =>
                    {
                        tokens.next();
                        out.push_str("::");
                    }
                    ':' => out.push_str(": "),
                    '-' if joint
                        && matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '>') =>
                    {
                        tokens.next();
                        out.push_str(" -> ");
                    }
                    c @ ('+' | '=') => {
                        out.push(' ');
                        out.push(c);
                        out.push(' ');
                    }
                    '\'' => {
                        space_before_word(out);
                        out.push('\'');
                    }
                    c => out.push(c),
                }
            }
            word => {
                space_before_word(out);
                out.push_str(&word.to_string());
            }
        }
    }
}

/// Adds a space between two words, and between a closing bracket and a word.
fn space_before_word(out: &mut String) {
    if out.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '>' | ')' | ']' | '"')) {
        out.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_str;

    fn ty(text: &str) -> Type {
        parse_str(text).unwrap()
    }

    #[test]
    fn options_are_told_by_their_last_name() {
        for text in [
            "Option<u8>",
            "std::option::Option<u8>",
            "::core::option::Option<u8>",
            "(Option<u8>)",
        ] {
            assert!(inside("Option", &ty(text)).is_some(), "{text}");
        }
        for text in [
            "u8",
            "Maybe<u8>",
            "Vec<Option<u8>>",
            "Option",
            "Option<u8, u8>",
            "Option::Some<u8>",
        ] {
            assert!(inside("Option", &ty(text)).is_none(), "{text}");
        }
        assert_eq!(
            text(inside("Option", &ty("Option<Vec<Item>>"))),
            "Vec<Item>"
        );
    }

    #[test]
    fn borrowed_types_are_told_from_owned_ones() {
        let lifetimes = ["a".to_owned()];
        for text in [
            "&'a str",
            "Cow<'a, str>",
            "Option<&'static str>",
            "(u8, [&str; 2])",
        ] {
            assert!(borrows(ty(text), &lifetimes), "{text}");
        }
        for text in ["String", "Cow<'static, str>", "a", "Vec<a>", "[u8; 4]"] {
            assert!(!borrows(ty(text), &lifetimes), "{text}");
        }
    }

    #[test]
    fn types_are_written_as_people_write_them() {
        for written in [
            "u64",
            "Vec<Item>",
            "HashMap<String, Vec<u8>>",
            "std::collections::HashMap<u8, u8>",
            "[u8; 4]",
            "(u8, String)",
            "Cow<'static, str>",
            "Box<dyn Tr + Send>",
            "fn(u8) -> u8",
            "<T as Tr>::Out",
            "Tagged<{ N }>",
            "()",
            "&'a mut T",
            "Foo<T = u8>",
        ] {
            assert_eq!(text(ty(written)), written);
        }
    }
}
