//! Random structs, valid and invalid: for any input, the expansion is valid Rust, reports the errors, and contains
//! everything that can be generated.

use crate::{
    ast::{Kind, Model},
    check::{RESERVED, check},
    derive,
    errors::Errors,
};
use std::{collections::BTreeSet, panic};
use syn::{DeriveInput, parse_str};
use syn_full::{File, ImplItem, Item, Type};

const RUNS: usize = 1_000;

/// Words of attributes, valid and invalid; the spaces separate the tokens.
const WORDS: &[&str] = &[
    "default",
    "index",
    "ttl = \"10m\"",
    "default = Map::<K, V>::new()",
    "default = 3",
    "default =",
    "default = Some(\"x\".to_owned())",
    "default = |x| x",
    "default = { a; b }",
    "default = a.",
    "rename = \"other\"",
    "rename = \"a\"",
    "rename = \"\"",
    "rename = b",
    "ttl = \"10 min\"",
    "ttl = 3",
    "ttl",
    "ttl = \"1d1h\"",
    "flash",
    "flash = true",
    "index(a)",
    "counter",
    "nest",
    "skip",
    "flatten",
    "falsh",
    "expires = \"1h\"",
    "serialize_with = \"x\"",
    "namespace = \"n\"",
    "namespace = \"\"",
    "crate = a::b",
    "crate = \"a\"",
    "crate",
    "r#type",
    "self",
    "3",
    "\"\"",
    "'a",
    "=",
    "..",
    "#",
    "$",
    "( flash )",
    "[ 1, 2 ]",
    "{ }",
    "a :: b",
    "-",
    "< >",
    ";",
];
const TYPES: &[&str] = &[
    "u8",
    "String",
    "Option<u64>",
    "std::option::Option<Vec<u8>>",
    "Vec<Item>",
    "&'static str",
    "&str",
    "&'a str",
    "Cow<'a, str>",
    "Option<Cow<'a, [T]>>",
    "T",
    "Option<T>",
    "[u8; N]",
    "[T; { 2 }]",
    "(u8, String)",
    "()",
    "!",
    "Box<dyn Fn(&u8) -> u8 + Send>",
    "fn(u8) -> T",
    "<T as Iterator>::Item",
    "HashMap<String, Vec<(T, u8)>>",
    "impl Sized",
    "_",
    "*const u8",
    "r#type",
    "Auth",
    "Auth<'a, T>",
    "Option",
    "m!()",
];
const NAMES: &[&str] = &[
    "a",
    "b",
    "c",
    "user_id",
    "Cart",
    "cart",
    "r#type",
    "r#fn",
    "get",
    "renew",
    "clone",
    "größe",
    "名前",
    "_",
    "__data",
    "__untyped",
    "self_",
    "data",
    "A",
];
const GENERICS: &[&str] = &[
    "",
    "",
    "",
    "<T>",
    "<'a>",
    "<'a, T: 'a + Send>",
    "<'a, 'b: 'a, T, const N: usize>",
    "<const N: usize = 3>",
    "<T = u8>",
];

/// Reproducible random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// Up to three words with commas, some of which are omitted or doubled.
    fn attribute(&mut self) -> String {
        let mut words = String::new();
        for _ in 0..self.below(4) {
            // The first words are valid.
            let known = self.of(&WORDS[..4]);
            words += if self.below(2) == 0 {
                known
            } else {
                self.of(WORDS)
            };
            words += self.of(&[", ", ", ", ", ", ",, ", " "]);
        }
        match self.below(20) {
            0 => "#[session]".to_owned(),
            1 => format!("#[session = \"{}\"]", self.of(NAMES)),
            2 => format!("#[session[{words}]]"),
            3 => "#[doc = \"words\"] #[cfg(unix)] #[deprecated]".to_owned(),
            4..9 => String::new(),
            _ => format!("#[session({words})]"),
        }
    }

    fn field(&mut self) -> String {
        let (one, two) = (self.attribute(), self.attribute());
        let vis = self.of(&["", "pub ", "pub(crate) ", "pub(in a::b) "]);
        format!("{one} {two} {vis}{}: {}", self.of(NAMES), self.of(TYPES))
    }

    fn input(&mut self) -> String {
        let (attribute, name) = (self.attribute(), self.of(&["S", "r#struct", "Größe"]));
        let (generics, clause) = (
            self.of(GENERICS),
            self.of(&["", "", "where Vec<u8>: Clone"]),
        );
        let fields: Vec<_> = (0..self.below(6)).map(|_| self.field()).collect();
        let fields = fields.join(", ");
        match self.below(12) {
            0 => format!(
                "{attribute} struct {name}{generics}({}, u8) {clause};",
                self.attribute() + " &str"
            ),
            1 => format!("{attribute} struct {name}{generics} {clause};"),
            2 => format!(
                "{attribute} enum {name}{generics} {clause} {{ A {{ {} }}, B }}",
                fields.replace("pub", "")
            ),
            3 => format!("{attribute} union {name}{generics} {clause} {{ {fields} }}"),
            _ => format!("{attribute} pub struct {name}{generics} {clause} {{ {fields} }}"),
        }
    }
}

/// Prevents: a macro that panics or generates invalid Rust, whose message would hide the user's own mistake; and
/// compiler errors about missing accessors, in addition to the macro's own error.
#[test]
fn whatever_is_written_is_expanded() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut read, mut sound) = (0, 0);
    for _ in 0..RUNS {
        let text = random.input();
        // Input that is not Rust never reaches the macro: the compiler has rejected it.
        let Ok(input) = parse_str::<DeriveInput>(&text) else {
            continue;
        };
        read += 1;
        let expanded = panic::catch_unwind(|| derive(&input).to_string());
        let expanded = expanded.unwrap_or_else(|_| panic!("panics: {text}"));
        let file: File = syn_full::parse_str(&expanded)
            .unwrap_or_else(|error| panic!("{error}: {text}\n{expanded}"));
        let errors = Errors::default();
        let mut model = Model::new(&input, &errors);
        check(&mut model, &errors);
        let messages = errors.messages();
        sound += usize::from(messages.is_empty());
        let reported = file
            .items
            .iter()
            .filter(|item| matches!(item, Item::Macro(_)))
            .count();
        assert_eq!(reported, messages.len(), "{text}: {messages:#?}");
        assert_eq!(found(&file), expected(&model), "{text}\n{expanded}");
    }
    // There are many of both kinds.
    assert!(
        sound > RUNS / 40 && read - sound > RUNS / 4,
        "{read} read, {sound} sound"
    );
}

/// The items that a struct has despite its errors: accessors, except for names that are taken; and each key once.
fn expected(model: &Model<'_>) -> BTreeSet<String> {
    let mut all: BTreeSet<_> = [
        "fn detach",
        "fn load",
        "fn store",
        "type Fields",
        "const SCHEMA",
        "const FIELDS",
        "fn read",
    ]
    .map(str::to_owned)
    .into();
    all.extend(["fn write", "type Target", "fn deref", "fn fmt"].map(str::to_owned));
    for field in &model.fields {
        let kind = field.kind(&model.attrs);
        if kind != Kind::Skip && !RESERVED.contains(&field.name.as_str()) {
            all.insert(format!("fn {}", field.ident));
        }
        if field.is_stored() && !field.keyless {
            all.insert(format!("const {}", field.constant));
        }
    }
    all
}

/// The names of items in `impl`s.
fn found(file: &File) -> BTreeSet<String> {
    let impls = file.items.iter().filter_map(|item| match item {
        Item::Impl(item) => Some(item),
        _ => None,
    });
    let items = impls
        .inspect(|item| assert!(matches!(&*item.self_ty, Type::Path(_))))
        .flat_map(|item| &item.items);
    let names = items.map(|item| match item {
        ImplItem::Fn(item) => format!("fn {}", item.sig.ident),
        ImplItem::Const(item) => format!("const {}", item.ident),
        ImplItem::Type(item) => format!("type {}", item.ident),
        _ => "something else".to_owned(),
    });
    names.collect()
}
