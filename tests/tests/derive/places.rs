//! The derive works at every place where a struct is allowed, independent of the surrounding names.

use level_session::{OptField, SessionData};

/// Names that would break generated code that does not use absolute paths.
mod shadowed {
    #![no_implicit_prelude]
    #![allow(dead_code, non_upper_case_globals, non_camel_case_types)]

    use ::level_session::SessionData;

    pub struct Option;
    pub struct Result;
    pub struct Ok;
    pub struct Def;
    pub struct Field;
    pub struct Default;
    pub mod core {}
    pub mod level_session {}
    const session: u8 = 0;
    const view: u8 = 0;
    const diff: u8 = 0;
    const f: u8 = 0;

    #[derive(SessionData)]
    pub struct Inner {
        pub user: ::std::option::Option<u64>,
    }

    #[derive(SessionData)]
    pub struct Data {
        pub session: ::core::option::Option<u8>,
        pub view: u8,
        pub diff: u8,
        pub data: u8,
        pub f: u8,
        #[session(nest)]
        pub __data: Inner,
        #[session(skip)]
        pub skipped: u8,
        #[session(counter)]
        pub count: i32,
    }
}

#[test]
fn names_round_about_do_not_matter() {
    let keys = shadowed::Data::SCHEMA
        .fields()
        .iter()
        .map(|field| field.key());
    assert_eq!(
        keys.collect::<Vec<_>>(),
        ["session", "view", "diff", "data", "f", "count"]
    );
}

mod private {
    use level_session::SessionData;

    mod deeper {
        pub(in crate::places) struct Secret;
        impl Secret {
            pub(in crate::places) const KEY: &'static str = super::Visible::HIDDEN_KEY;
        }
    }

    #[derive(SessionData)]
    pub(super) struct Visible {
        hidden: Option<u8>,
        pub(super) above: Option<u8>,
        pub(in crate::places) within: Option<u8>,
        pub everywhere: Option<u8>,
    }

    impl Visible {
        const HIDDEN_KEY: &'static str = "hidden";
    }

    impl VisibleFields {
        /// The application adds methods, which can use a private accessor.
        pub(super) fn of_the_app(&self) -> level_session::OptField<'_, u8> {
            self.hidden()
        }
    }

    #[test]
    fn what_is_private_is_used_in_its_module() {
        assert_eq!(Visible::HIDDEN.name(), deeper::Secret::KEY);
    }
}

/// Never called: the test is that it compiles.
#[allow(dead_code)]
fn visible(fields: &private::VisibleFields) -> [OptField<'_, u8>; 4] {
    [
        fields.above(),
        fields.within(),
        fields.everywhere(),
        fields.of_the_app(),
    ]
}

#[test]
fn a_struct_in_a_function() {
    #[derive(SessionData)]
    #[session(namespace = "local")]
    struct Local {
        #[session(index)]
        user: Option<u64>,
        #[session(nest)]
        nested: Nested,
    }
    #[derive(SessionData)]
    struct Nested {
        #[session(default = 3)]
        level: u8,
    }
    assert_eq!(Local::USER.name(), "local.user");
    assert_eq!(Local::SCHEMA.nested()[0].fields()[0].key(), "level");
}

#[test]
fn raw_identifiers_are_names_without_the_mark() {
    #[allow(non_camel_case_types)]
    #[derive(SessionData)]
    struct r#struct {
        r#type: Option<u8>,
        r#move: Option<u8>,
        #[session(nest)]
        r#match: r#enum,
    }
    #[allow(non_camel_case_types)]
    #[derive(SessionData)]
    struct r#enum {
        r#fn: Option<u8>,
    }
    #[allow(dead_code)]
    fn accessors(fields: &structFields) -> [OptField<'_, u8>; 3] {
        [fields.r#type(), fields.r#move(), fields.r#match().r#fn()]
    }
    assert_eq!(r#struct::TYPE.name(), "type");
    assert_eq!(r#struct::MOVE.name(), "move");
    assert_eq!(r#struct::SCHEMA.type_name(), "struct");
}

#[test]
fn names_in_other_scripts() {
    #[derive(SessionData)]
    struct Localised {
        größe: Option<u8>,
        /// A script without capitals.
        名前: Option<String>,
    }
    assert_eq!(Localised::GRÖSSE.name(), "größe");
    assert_eq!(Localised::名前.name(), "名前");
}

#[test]
fn fields_that_are_configured_away() {
    #[derive(SessionData)]
    struct Configured {
        #[cfg(any(unix, windows))]
        here: Option<u8>,
        #[cfg(not(any(unix, windows)))]
        gone: NoSuchType,
        #[cfg(any(unix, windows))]
        #[session(nest)]
        nested: Nested,
        #[cfg(not(any(unix, windows)))]
        #[session(nest)]
        nested_gone: NoSuchType,
        #[cfg_attr(any(unix, windows), session(rename = "other"))]
        renamed: Option<u8>,
    }
    #[derive(SessionData)]
    struct Nested {
        #[cfg(any(unix, windows))]
        #[session(skip)]
        skipped: u8,
    }
    let keys = Configured::SCHEMA.fields().iter().map(|field| field.key());
    assert_eq!(keys.collect::<Vec<_>>(), ["here", "other"]);
    assert_eq!(Configured::SCHEMA.nested().len(), 1);
    let _: fn(&Nested) -> u8 = |nested| nested.skipped;
}

/// A crate that re-exports the library.
mod framework {
    pub mod parts {
        pub use level_session as sessions;
    }
}

#[test]
fn the_library_may_be_elsewhere() {
    mod level_session {}
    #[derive(crate::places::framework::parts::sessions::SessionData)]
    #[session(crate = crate::places::framework::parts::sessions, namespace = "app")]
    struct App {
        user: Option<u64>,
        #[session(nest)]
        other: Other,
    }
    #[derive(crate::places::framework::parts::sessions::SessionData)]
    #[session(crate = ::level_session)]
    struct Other {
        #[session(counter)]
        n: u8,
    }
    assert_eq!(App::USER.name(), "app.user");
    assert_eq!(App::SCHEMA.nested()[0].type_name(), "Other");
}
