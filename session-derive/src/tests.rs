//! The rules as a table, and the behaviour of expansion for any input. (The tests of the whole library check how the
//! compiler shows the messages.)

mod random;

use crate::{ast::Model, check::check, derive, errors::Errors};
use syn::{DeriveInput, parse_str};

fn messages(input: &str) -> Vec<String> {
    let input: DeriveInput = parse_str(input).unwrap_or_else(|error| panic!("{input}: {error}"));
    let errors = Errors::default();
    check(&mut Model::new(&input, &errors), &errors);
    errors.messages()
}

/// The expansion, without spaces.
fn expansion(input: &str) -> String {
    let input: DeriveInput = parse_str(input).unwrap_or_else(|error| panic!("{input}: {error}"));
    derive(&input).to_string().split_whitespace().collect()
}

#[test]
fn what_has_sense_is_accepted() {
    for fields in [
        "",
        "a: u8",
        "#[session(index)] a: Option<u64>",
        "#[session(index, default)] a: u64",
        "#[session(index, limit = 3)] a: Option<u64>",
        "#[session(limit = 1, when_full = \"refuse\", index)] a: u64",
        "#[session(index, when_full = \"end_oldest\", limit = 2)] a: u64",
        "#[session(index, rename = \"b\")] a: u64, #[session(rename = \"a\")] b: u8",
        "#[session(flash, ttl = \"1m\", rename = \"x\")] a: std::option::Option<u8>",
        "#[session(counter, ttl = \"1m\", default = 3)] a: u8",
        "#[session(counter, default)] a: u8",
        "#[session(default = Some(1), ttl = \"1m\")] a: Option<u8>",
        "#[session(default = f::<A, B, C>(), index)] a: u8",
        "#[session()] #[session(default,)] #[session(ttl = \"400d\",)] #[doc = \"x\"] a: u8",
        "#[session(nest)] a: A, #[session(nest)] b: B<A>",
        "#[session(skip)] a: &'static str",
        "a: Cow<'static, str>, b: Box<dyn Fn(u8) -> u8>",
        "r#type: u8, #[session(rename = \"get\")] other: u8",
        "#[session(skip)] get: u8",
    ] {
        for attribute in [
            "",
            "#[session(default)]",
            "#[session(namespace = \"n\", crate = a::b)]",
        ] {
            let input = format!("{attribute} struct S {{ {fields} }}");
            assert_eq!(messages(&input), [""; 0], "{input}");
        }
    }
}

#[test]
fn what_has_none_is_refused_in_one_sentence() {
    for (fields, said) in [
        ("#[session(flash)] a: u8", "write `Option<u8>`"),
        ("#[session(limit = 3)] a: u8", "`limit` requires `index`"),
        ("#[session(index, limit = 0)] a: u8", "1 or more"),
        ("#[session(index, limit = -1)] a: u8", "1 or more"),
        ("#[session(index, limit)] a: u8", "1 or more"),
        ("#[session(index, limit = \"3\")] a: u8", "1 or more"),
        (
            "#[session(index, limit = 99999999999999999999)] a: u8",
            "1 or more",
        ),
        (
            "#[session(index, when_full = \"refuse\")] a: u8",
            "`when_full` requires `limit`",
        ),
        (
            "#[session(index, limit = 3, when_full = \"never\")] a: u8",
            "which refuses the",
        ),
        (
            "#[session(skip, limit = 3)] a: u8",
            "`limit` cannot be combined with `skip`",
        ),
        (
            "#[session(flash, default = None)] a: Option<u8>",
            "`default` cannot be combined with `flash`",
        ),
        (
            "#[session(flash, default)] a: Option<u8>",
            "`default` cannot be combined with `flash`",
        ),
        (
            "#[session(flash, index)] a: Option<u8>",
            "`index` cannot be combined with `flash`",
        ),
        (
            "#[session(flash, counter)] a: u8",
            "`counter` cannot be combined with `flash`",
        ),
        (
            "#[session(index, counter)] a: u8",
            "`index` cannot be combined with `counter`",
        ),
        (
            "#[session(index, ttl = \"1m\")] a: u8",
            "`ttl` cannot be combined with `index`",
        ),
        ("#[session(counter)] a: Option<u8>", "write `u8`"),
        ("#[session(default)] a: Option<u8>", "default = Some(..)"),
        (
            "#[session(nest, index)] a: A",
            "set it on the fields of the nested struct",
        ),
        (
            "#[session(skip, rename = \"x\")] a: A",
            "the field is not stored",
        ),
        (
            "#[session(skip, nest)] a: A",
            "`nest` cannot be combined with `skip`",
        ),
        ("#[session(index, index)] a: u8", "given twice"),
        ("#[session(index)] #[session(index)] a: u8", "given twice"),
        ("#[session(ttl = \"0s\")] a: u8", "expires at once"),
        ("#[session(ttl = \"401d\")] a: u8", "exceeds 400 days"),
        ("#[session(rename = \"\")] a: u8", "the key is empty"),
        (
            "#[session(typ)] a: u8",
            "unknown attribute `typ`; on the fields, use one of",
        ),
        ("#[session(crate = a)] a: u8", "only valid on the struct"),
        ("#[session(index a)] a: u8", "`index` takes no value"),
        ("#[session(index(a))] a: u8", "`index` takes no value"),
        ("#[session(a::b)] a: u8", "unknown attribute `a`"),
        ("a: &'static str", "`&'static str` borrows"),
        ("a: Vec<&str>", "`Vec<&str>` borrows"),
        (
            "destroy: u8",
            "keep the stored key with `#[session(rename = \"destroy\")]`",
        ),
        ("r#clone: u8", "`clone` is a method of every session"),
        ("#[session(nest)] load: u8", "choose another field name"),
        ("a: u8, A: u8", "the constant `A`"),
    ] {
        let found = messages(&format!("struct S {{ {fields} }}"));
        assert!(
            found.len() == 1 && found[0].contains(said),
            "{fields}: {found:?}"
        );
    }
}

/// Prevents: a password that serde was told to skip is stored in the session. An attribute of serde that the session
/// does not follow is an error, unless `#[session(..)]` says the same, or that the attribute is not for the session.
#[test]
fn what_serde_is_told_is_never_ignored_in_silence() {
    for (fields, said) in [
        ("#[serde(skip)] a: Option<u8>", "write `#[session(skip)]`"),
        (
            "#[serde(skip_serializing)] a: u8",
            "write `#[session(skip)]`",
        ),
        (
            "#[serde(skip_deserializing)] #[session(default)] a: u8",
            "write `#[session(skip)]`",
        ),
        (
            "#[serde(skip_serializing_if = \"Vec::is_empty\")] a: Vec<u8>",
            "`#[serde(skip_serializing_if)]` has no effect in a session",
        ),
        (
            "#[serde(skip_serializing_if = \"is_secret\")] a: Option<u8>",
            "`Option::is_none`",
        ),
        (
            "#[serde(rename = \"b\")] a: u8",
            "write `#[session(rename = \"b\")]`",
        ),
        (
            "#[serde(rename(serialize = \"b\"))] a: u8",
            "write `#[session(rename = \"..\")]`",
        ),
        (
            "#[serde(alias = \"b\")] a: u8",
            "write `#[session(rename = \"..\")]`",
        ),
        (
            "#[serde(rename = \"b\")] #[session(nest)] a: A",
            "keeps the keys of its own struct",
        ),
        ("#[serde(default)] a: u8", "write `#[session(default)]`"),
        (
            "#[serde(default = \"f::g\")] a: u8",
            "write `#[session(default = f::g())]`",
        ),
        (
            "#[serde(default = \"f\")] a: Option<u8>",
            "write `#[session(default = f())]`",
        ),
        (
            "#[serde(default = \"f\")] #[session(counter)] a: u8",
            "write `#[session(default = f())]`",
        ),
        (
            "#[serde(with = \"m\")] a: u8",
            "struct A(#[serde(with = \"m\")] u8);",
        ),
        (
            "#[serde(serialize_with = \"m\")] a: u8",
            "`#[serde(serialize_with)]`",
        ),
        (
            "#[serde(deserialize_with = \"m\")] a: u8",
            "`#[serde(deserialize_with)]`",
        ),
        ("#[serde(flatten)] a: A", "write `#[session(nest)]`"),
    ] {
        let found = messages(&format!("struct S {{ {fields} }}"));
        assert!(
            found.len() == 1
                && found[0].contains(said)
                && found[0].contains("`#[session(ignore_serde)]`"),
            "{fields}: {found:?}"
        );
    }
    for (attribute, said) in [
        (
            "#[serde(rename_all = \"camelCase\")]",
            "`#[session(rename = \"..\")]`",
        ),
        (
            "#[serde(rename_all(serialize = \"camelCase\"))]",
            "`#[session(rename = \"..\")]`",
        ),
        ("#[serde(default)]", "write `#[session(default)]`"),
        ("#[serde(default = \"f\")]", "write `#[session(default)]`"),
        ("#[serde(from = \"T\")]", "the types of the fields"),
        ("#[serde(try_from = \"T\")]", "the types of the fields"),
        ("#[serde(into = \"T\")]", "the types of the fields"),
    ] {
        let found = messages(&format!("{attribute} struct S {{ a: u8 }}"));
        assert!(
            found.len() == 1
                && found[0].contains(said)
                && found[0].contains("`#[session(ignore_serde)]`"),
            "{attribute}: {found:?}"
        );
        let told = format!("{attribute} #[session(ignore_serde)] struct S {{ a: u8 }}");
        assert_eq!(messages(&told), [""; 0], "{told}");
    }
    let both = "#[serde(skip, with = \"m\")] a: u8, #[serde(rename = \"x\")] b: u8";
    assert_eq!(messages(&format!("struct S {{ {both} }}")).len(), 3);
}

/// Prevents: a struct that cannot be used both as session data and in other formats.
#[test]
fn what_serde_and_the_session_are_both_told_is_accepted() {
    for fields in [
        "#[serde(skip)] #[session(skip)] a: u8",
        "#[serde(rename = \"b\", with = \"m\", flatten)] #[session(skip)] a: u8",
        "#[serde(skip, rename = \"b\", with = \"m\", default = \"f\")] #[session(ignore_serde)] a: u8",
        "#[serde(rename = \"b\", alias = \"c\")] #[session(rename = \"d\")] a: u8",
        "#[serde(default)] a: Option<u8>",
        "#[serde(default)] #[session(default)] a: u8",
        "#[serde(default = \"f\")] #[session(default = f())] a: u8",
        "#[serde(default)] #[session(counter)] a: u8",
        "#[serde(default)] #[session(flash)] a: Option<u8>",
        "#[serde(skip_serializing_if = \"Option::is_none\")] a: Option<u8>",
        "#[serde(flatten)] #[session(nest)] a: A",
        "#[serde(default, rename = \"b\")] #[session(nest, ignore_serde)] a: A",
        "#[serde(bound = \"T: Serialize\", borrow)] a: u8",
    ] {
        let input = format!(
            "#[serde(deny_unknown_fields, bound = \"\", crate = \"s\")] struct S {{ {fields} }}"
        );
        assert_eq!(messages(&input), [""; 0], "{input}");
    }
    for input in [
        "#[serde(rename_all = \"snake_case\")] struct S { a: u8 }",
        "#[serde(rename_all = \"UPPERCASE\")] struct S { #[session(rename = \"A\")] a: u8, #[session(nest)] b: B }",
        "#[serde(default)] #[session(default)] struct S { a: u8 }",
        "#[serde(default)] struct S { a: Option<u8>, #[session(default = 1)] b: u8 }",
    ] {
        assert_eq!(messages(input), [""; 0], "{input}");
    }
}

/// Prevents: a field that is stored under a key of the library.
#[test]
fn keys_of_the_library_are_refused() {
    for input in [
        "struct S { #[session(rename = \"level-session:a\")] a: u8 }",
        "#[session(namespace = \"level-session:x\")] struct S { a: u8, b: u8 }",
        "#[session(namespace = \"level-session:\")] struct S { #[session(rename = \"level-session:\")] a: u8 }",
    ] {
        let found = messages(input);
        assert!(
            found.len() == 1
                && found[0].contains("keys beginning with `level-session:` are reserved"),
            "{input}: {found:?}"
        );
    }
    let fine = "#[session(namespace = \"shop\")] struct S { #[session(rename = \"level-session:a\")] a: u8, b: u8 }";
    assert_eq!(messages(fine), [""; 0]);
}

/// Prevents: a second message that replaces the first before it was read.
#[test]
fn a_flash_may_be_a_list() {
    for fields in [
        "#[session(flash)] a: Vec<String>",
        "#[session(flash, ttl = \"1m\")] a: std::vec::Vec<(u8, String)>",
    ] {
        let input = format!("struct S {{ {fields} }}");
        assert_eq!(messages(&input), [""; 0], "{input}");
    }
    let list = expansion("struct S { #[session(flash)] a: Vec<String> }");
    assert!(
        list.contains("fna(&self)->::level_session::__private::FlashList<'_,String>"),
        "{list}"
    );
    assert!(
        list.contains("constA:::level_session::__private::Key<Vec<String>>"),
        "{list}"
    );
    let empty = messages("struct S { #[session(flash, default)] a: Vec<String> }");
    assert!(
        empty.len() == 1 && empty[0].contains("`default` has no effect on a flash list"),
        "{empty:?}"
    );
    // A struct's default would not be removed by reading either.
    let whole = expansion("#[session(default)] struct S { #[session(flash)] a: Vec<String> }");
    assert!(!whole.contains("<Selfas"), "{whole}");
}

/// One mistake is one error: it is shown at the second field, and names the first.
#[test]
fn keys_that_clash_are_one_error() {
    let found = messages("struct S { #[session(rename = \"b\")] a: u8, b: u8, c: u8 }");
    let said = "`b` and `a` are both stored under `b`: give one of them another key with `rename`";
    assert_eq!(found, [said]);
    // A duplicate constant is not a duplicate key.
    assert_eq!(
        messages("struct S { #[session(skip)] a: u8, #[session(rename = \"a\")] b: u8 }"),
        [""; 0]
    );
}

#[test]
fn everything_wrong_is_said_at_once_and_everything_is_there() {
    let input = "#[session(namespac = \"n\", oops)] struct S<'a> {
        #[session(tll = \"never\", flash = 1)] notice: &'a str,
        #[session(counter, wrong = [1, 2], index)] visits: Option<u8>,
        #[session(defalt =)] cart: Vec<u8>,
        #[session(nest, skip)] auth: Auth,
        #[session(nest, ttl = 1)] other: Other<'a>,
        renew: u8,
    }";
    let found = messages(input);
    assert_eq!(found.len(), 15, "{found:#?}");
    let expansion = expansion(input);
    for signature in [
        "fnnotice(&self)->::level_session::__private::Flash<'_,&'staticstr>",
        "fnvisits(&self)->::level_session::__private::Counter<'_,u8>",
        "fncart(&self)->::level_session::__private::Field<'_,Vec<u8>>",
        "fnother(&self)->&<Other<'static>as::level_session::__private::SessionData>::Fields",
        "constVISITS:::level_session::__private::Key<u8>",
        "structSFields",
        "SessionDataforS<'static>",
    ] {
        assert!(expansion.contains(signature), "{signature}: {expansion}");
    }
    assert!(
        !expansion.contains("fnrenew") && !expansion.contains("fnauth"),
        "{expansion}"
    );
}

/// Prevents: a panic of the macro, which hides the mistake behind "proc-macro derive panicked".
#[test]
fn expansion_cannot_fail() {
    let attributes = [
        "#[session]",
        "#[session = 1]",
        "#[session(,)]",
        "#[session(,,)]",
        "#[session(=)]",
        "#[session(\"x\")]",
        "#[session[x]]",
        "#[session{flash}]",
        "#[session(flash flash)]",
        "#[session(default = )]",
        "#[session(default = ,)]",
        "#[session(default = a.)]",
        "#[session(default = a b, c)]",
        "#[session(default = <)]",
        "#[session(ttl = -1)]",
        "#[session(ttl = \"\\u{0}\")]",
        "#[session(ttl = b\"1m\")]",
        "#[session(ttl == \"1m\")]",
        "#[session(rename = \"`\")]",
        "#[session(crate)]",
        "#[session(crate = )]",
        "#[session(crate = 1)]",
        "#[session(crate = a::<B>::c)]",
        "#[session(namespace)]",
        "#[session(r#default)]",
        "#[session(self)]",
        "#[session(a::b = 1, 'x, #, $, ..)]",
        "#[session((((((flash))))))]",
    ];
    let shapes = [
        "struct S { @ a: Option<u8> }",
        "@ struct S { a: u8 }",
        "@ struct S<'a, T: 'a, const N: usize> { @ a: &'a T }",
        "@ struct S(@ u8, &str);",
        "@ struct S;",
        "@ enum S { A { @ a: u8 }, B }",
        "@ union S { a: u8, @ b: u8 }",
        "@ struct r#fn { @ r#fn: r#fn, @ _x: (), @ __: !, @ ﬁ: [u8; { 1 }] }",
    ];
    for attribute in attributes {
        for shape in shapes {
            let input = shape.replace('@', attribute);
            // Input that is not Rust never reaches the macro: the compiler has rejected it.
            if parse_str::<DeriveInput>(&input).is_ok() {
                assert!(expansion(&input).contains("SessionDatafor"), "{input}");
            }
        }
    }
}

/// Prevents: a message about the parser's features. The compiler has already parsed everything that reaches the macro.
#[test]
fn an_expression_in_a_type_is_read_or_told() {
    for ty in [
        "[u8; { 1 + 1 }]",
        "[u8; N * 2]",
        "A<{ N + 1 }>",
        "[u8; size_of::<u8>()]",
        "A<-1>",
    ] {
        let read = parse_str::<DeriveInput>(&format!("struct S {{ a: {ty} }}"));
        assert!(read.is_ok(), "{ty}");
    }
    // Whether larger ones are parsed depends on the parser's features, which other crates of the build may enable.
    match parse_str::<DeriveInput>("struct S { a: [u8; if X { 1 } else { 2 }] }") {
        Ok(input) => assert!(derive(&input).to_string().contains("SessionData for")),
        Err(error) => {
            let message = crate::unreadable(&error).to_string();
            assert!(message.contains("move it into a constant"), "{message}");
        }
    }
}

#[test]
fn the_docs_say_what_a_field_is() {
    let shop = "#[session(namespace = \"shop\")] struct Shop {
        #[doc = \" The signed-in user.\"] #[session(index)] user: Option<u64>,
        #[session(default = \"light\".into(), ttl = \"1h30m\")] theme: String,
        #[session(counter)] visits: u64,
        #[session(flash)] notice: Option<Vec<u8>>,
        #[session(nest)] auth: Auth,
    }";
    let input: DeriveInput = parse_str(shop).unwrap_or_else(|error| panic!("{error}"));
    let expansion = derive(&input).to_string();
    for sentence in [
        " The signed-in user.",
        " Stored under `shop.user` as `u64`; reads as `None` if nothing is stored. Sessions can be found by its value. A read returns a copy; `set` and `update` change the stored value.",
        " The field `theme`.",
        " A value lives 1 hour 30 minutes after it was set. A read returns a copy",
        " Stored under `shop.visits` as `u64`; reads as 0 if nothing is stored. Changes add up.",
        " Stored under `shop.notice` as `Vec<u8>`; reads as `None` if nothing is stored. Reading it removes it.",
        " The fields of a nested `Auth`, under their own keys.",
        " The fields of a session that holds [`Shop`], one method each.",
    ] {
        assert!(expansion.contains(sentence), "{sentence}: {expansion}");
    }
}
