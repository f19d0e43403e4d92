//! What a struct declares: its fields, and the structs it nests.

use super::FieldDef;

/// What a struct declares: its own fields, and the structs it nests.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    pub(crate) type_name: &'static str,
    pub(crate) fields: &'static [FieldDef],
    pub(crate) nested: &'static [&'static Schema],
}

/// The schema of a struct; refuses at compile time what [`Schema::checked`] refuses.
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
    .checked()
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
    pub(crate) fn find(&self, key: &str) -> Option<&'static FieldDef> {
        let own = self.fields.iter().find(|field| field.key == key);
        own.or_else(|| self.nested.iter().find_map(|nested| nested.find(key)))
    }

    /// The struct that declares a key, here or nested, and what it declares.
    pub(crate) fn owner_of(&self, key: &str) -> Option<(&'static str, &'static FieldDef)> {
        let own = self
            .fields
            .iter()
            .find(|field| field.key == key)
            .map(|field| (self.type_name, field));
        own.or_else(|| self.nested.iter().find_map(|nested| nested.owner_of(key)))
    }

    /// Every field, the nested structs' included, with the struct it belongs to.
    pub(crate) fn for_each(&self, f: &mut dyn FnMut(&'static str, &'static FieldDef)) {
        for field in self.fields {
            f(self.type_name, field);
        }
        for nested in self.nested {
            nested.for_each(f);
        }
    }

    /// Refuses, at compile time, a struct in which two fields claim one key, nested structs included.
    ///
    /// That a struct's own fields have keys of their own is the derive's to see, and a nested struct was checked where
    /// it was declared: what is compared here is each with the others, and nothing where nothing is nested. The
    /// compiler's evaluation is slow, and all comparisons of 200 fields would cost more than the rest of the derive.
    #[doc(hidden)]
    #[must_use]
    pub const fn checked(self) -> Self {
        let mut i = 0;
        while i < self.nested.len() {
            let nested = self.nested[i];
            let mut clash = nested.claims_any_of(self.fields);
            let mut j = i + 1;
            while j < self.nested.len() {
                clash |= nested.clashes_with(self.nested[j]);
                j += 1;
            }
            if clash {
                CLASH.expect(
                    "two fields of this session struct, or of the structs it nests, are stored under one key: \
                     give one of them `#[session(rename = \"..\")]`, or its struct `#[session(namespace = \"..\")]`",
                );
            }
            i += 1;
        }
        self
    }

    /// Whether a key of `other`, or of what that nests, is one of this.
    const fn clashes_with(&self, other: &Self) -> bool {
        let mut clash = self.claims_any_of(other.fields);
        let mut i = 0;
        while i < other.nested.len() {
            clash |= self.clashes_with(other.nested[i]);
            i += 1;
        }
        clash
    }

    /// Whether one of these fields has a key of this, or of what this nests.
    const fn claims_any_of(&self, fields: &[FieldDef]) -> bool {
        let mut i = 0;
        while i < fields.len() {
            if self.claims(fields[i].key) {
                return true;
            }
            i += 1;
        }
        false
    }

    const fn claims(&self, key: &str) -> bool {
        let mut i = 0;
        while i < self.fields.len() {
            if same(self.fields[i].key, key) {
                return true;
            }
            i += 1;
        }
        let mut i = 0;
        while i < self.nested.len() {
            if self.nested[i].claims(key) {
                return true;
            }
            i += 1;
        }
        false
    }
}

/// Not a `panic!`: what the compiler shows of the place would be the inside of that macro, which it has on some machines
/// and not on others.
const CLASH: Option<()> = None;

/// From the end, since keys of one namespace begin alike.
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
