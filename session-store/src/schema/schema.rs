//! The declaration of a struct: its fields, and the structs it nests.

use super::FieldDef;

/// The declaration of a struct: its own fields, and the structs it nests.
///
/// ```
/// # use level_session_store::schema::{Def, Schema, schema};
/// # struct Shop;
/// # impl Shop {
/// #     const SCHEMA: Schema = schema("Shop", &[Def::<u64>::new("user_id", "u64").index().erased], &[]);
/// # }
/// assert_eq!(Shop::SCHEMA.type_name(), "Shop");
/// for field in Shop::SCHEMA.fields() {
///     println!("{}: {}", field.key(), field.type_name());
/// }
/// assert!(Shop::SCHEMA.find("user_id").is_some());
/// assert!(Shop::SCHEMA.find("theme").is_none()); // not declared
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    pub(crate) type_name: &'static str,
    pub(crate) fields: &'static [FieldDef],
    pub(crate) nested: &'static [&'static Schema],
}

/// The schema of a struct.
#[doc(hidden)]
#[must_use]
pub const fn schema(
    type_name: &'static str,
    fields: &'static [FieldDef],
    nested: &'static [&'static Schema],
) -> Schema {
    Schema {
        type_name,
        fields,
        nested,
    }
}

impl Schema {
    /// The name of the struct.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        self.type_name
    }
    /// The struct's own fields.
    #[must_use]
    pub const fn fields(&self) -> &'static [FieldDef] {
        self.fields
    }
    /// The structs it nests.
    #[must_use]
    pub const fn nested(&self) -> &'static [&'static Schema] {
        self.nested
    }

    /// The definition of a key, here or in a nested struct.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&'static FieldDef> {
        let own = self.fields.iter().find(|field| field.key == key);
        own.or_else(|| self.nested.iter().find_map(|nested| nested.find(key)))
    }

    /// The struct that declares a key, here or nested, and its declaration.
    #[doc(hidden)]
    #[must_use]
    pub fn owner_of(&self, key: &str) -> Option<(&'static str, &'static FieldDef)> {
        let own = self
            .fields
            .iter()
            .find(|field| field.key == key)
            .map(|field| (self.type_name, field));
        own.or_else(|| self.nested.iter().find_map(|nested| nested.owner_of(key)))
    }

    /// Calls `f` for every field, including those of nested structs, with the struct to which the field belongs.
    pub fn for_each(&self, f: &mut dyn FnMut(&'static str, &'static FieldDef)) {
        for field in self.fields {
            f(self.type_name, field);
        }
        for nested in self.nested {
            nested.for_each(f);
        }
    }

    /// Rejects, at compile time, the nested struct with this number if it claims a key of the struct's own fields, or
    /// of a struct that is nested before it. Returns the next number.
    ///
    /// The derive checks that a struct's own fields have different keys, and a nested struct was checked where it was
    /// declared. So only different structs are compared here, and nothing is compared if no struct is nested. The
    /// compiler's evaluation is slow: all comparisons of 200 fields would take longer than the rest of the derive.
    ///
    /// `track_caller` is for the message: it shows the nested field, and nothing of the library's inside.
    #[doc(hidden)]
    #[must_use]
    #[track_caller]
    pub const fn apart(&self, number: usize) -> usize {
        let nested = self.nested[number];
        refuse(nested.claims_any_of(self.type_name, self.fields));
        let mut before = 0;
        while before < number {
            refuse(nested.clash_with(self.nested[before]));
            before += 1;
        }
        number + 1
    }

    /// The first key of `other`, or of a struct nested in it, that this struct or one nested in it also has.
    const fn clash_with(&self, other: &Self) -> Option<Clash> {
        let mut clash = self.claims_any_of(other.type_name, other.fields);
        let mut i = 0;
        while clash.is_none() && i < other.nested.len() {
            clash = self.clash_with(other.nested[i]);
            i += 1;
        }
        clash
    }

    /// The first of these fields of another struct whose key this struct or one nested in it also has.
    const fn claims_any_of(&self, other: &'static str, fields: &[FieldDef]) -> Option<Clash> {
        let mut i = 0;
        while i < fields.len() {
            if let Some(own) = self.claims(fields[i].key) {
                return Some(Clash {
                    key: fields[i].key,
                    structs: [other, own],
                });
            }
            i += 1;
        }
        None
    }

    /// The struct that has this key: this one, or one nested in it.
    const fn claims(&self, key: &str) -> Option<&'static str> {
        let mut i = 0;
        while i < self.fields.len() {
            if same(self.fields[i].key, key) {
                return Some(self.type_name);
            }
            i += 1;
        }
        let mut i = 0;
        while i < self.nested.len() {
            if let Some(owner) = self.nested[i].claims(key) {
                return Some(owner);
            }
            i += 1;
        }
        None
    }
}

/// A key that two structs claim.
#[derive(Clone, Copy)]
struct Clash {
    key: &'static str,
    structs: [&'static str; 2],
}

/// Fails the compilation with a message that names the key and the structs.
#[track_caller]
const fn refuse(clash: Option<Clash>) {
    if let Some(Clash {
        key,
        structs: [one, other],
    }) = clash
    {
        let text = Text::new()
            .with("`")
            .with(key)
            .with("` is a key of `")
            .with(one)
            .with("` and of `")
            .with(other)
            .with("`: give one of the fields `#[session(rename = \"..\")]`, or its struct `#[session(namespace = \"..\")]`");
        panic!("{}", text.as_str());
    }
}

/// A text that is built at compile time.
struct Text {
    bytes: [u8; 1_000],
    len: usize,
}

impl Text {
    const fn new() -> Self {
        Self {
            bytes: [0; 1_000],
            len: 0,
        }
    }

    /// Appends a text; a part that does not fit is omitted.
    const fn with(mut self, more: &str) -> Self {
        let more = more.as_bytes();
        if self.bytes.len() - self.len >= more.len() {
            let mut i = 0;
            while i < more.len() {
                self.bytes[self.len + i] = more[i];
                i += 1;
            }
            self.len += more.len();
        }
        self
    }

    const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "two fields are stored under one key",
        }
    }
}

/// Compares from the end, since keys of one namespace have the same beginning.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = a.len();
    while i > 0 {
        i -= 1;
        if a[i] != b[i] {
            return false;
        }
    }
    true
}
