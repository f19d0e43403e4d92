//! Errors must not carry a session's content into a log (requirement S08). serde's own messages quote it.

use super::{super::Value, Buffer, as_type, bytes, encode};
use crate::{ErrorKind, Timestamp, value::Stored};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, Unexpected},
    ser::Error as _,
};
use std::{collections::BTreeMap, fmt::Debug};

const SECRET: &str = "hunter2";
const NUMBER: u64 = 918_273_645;

#[track_caller]
fn silent<T: for<'de> Deserialize<'de> + Debug>(stored: &(impl Serialize + ?Sized)) {
    let error = as_type::<T>(stored).unwrap_err();
    let shown = format!("{error} {error:?} {error:#?}");
    let error = error.on_field("f");
    let shown = format!("{shown} {error} {error:?} {error:#?}");
    for secret in [SECRET, &NUMBER.to_string(), "918273645.5"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert_eq!(error.field(), Some("f"));
}

#[derive(Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Struct {
    a: u8,
}
#[derive(Serialize, Deserialize, Debug)]
enum Enum {
    A,
    B(u8),
}
#[derive(Serialize, Deserialize, Debug)]
#[serde(tag = "t")]
enum Internal {
    A { a: u8 },
}
#[derive(Serialize, Deserialize, Debug)]
#[serde(untagged)]
enum Untagged {
    A(u8),
}

/// A type whose own `Deserialize` quotes its input, in every way that serde offers.
macro_rules! talkative {
    ($($name:ident: $read:ty, |$it:ident, $text:ident| $error:expr;)*) => {$(
        #[derive(Debug)]
        struct $name;
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let $it = <$read>::deserialize(from)?;
                let $text = format!("something like {}", $it);
                Err($error)
            }
        }
    )*};
}
talkative! {
    Custom: String, |it, text| D::Error::custom(format!("{it}: {text}"));
    InvalidValue: String, |it, text| D::Error::invalid_value(Unexpected::Str(&it), &text.as_str());
    InvalidType: String, |it, text| D::Error::invalid_type(Unexpected::Str(&it), &text.as_str());
    Other: String, |it, text| D::Error::invalid_value(Unexpected::Other(&text), &it.get(..0).unwrap());
    Variant: String, |it, _text| D::Error::unknown_variant(&it, &["a"]);
    Field: String, |it, _text| D::Error::unknown_field(&it, &["a"]);
    Number: u64, |it, text| D::Error::invalid_value(Unexpected::Unsigned(it), &text.as_str());
    Float: f64, |it, text| D::Error::invalid_value(Unexpected::Float(it), &text.as_str());
}

#[test]
fn reading_says_nothing_of_the_value() {
    silent::<u64>(SECRET);
    silent::<char>(SECRET);
    silent::<Enum>(SECRET);
    silent::<Struct>(SECRET);
    silent::<Untagged>(SECRET);
    silent::<Vec<u8>>(SECRET);
    silent::<uuid::Uuid>(SECRET);
    silent::<url::Url>(SECRET);
    silent::<std::net::IpAddr>(SECRET);
    silent::<chrono::DateTime<chrono::Utc>>(SECRET);
    silent::<time::OffsetDateTime>(SECRET);
    silent::<u8>(&NUMBER);
    silent::<i16>(&-i128::from(NUMBER));
    silent::<String>(&NUMBER);
    silent::<u8>(&(NUMBER as f64 + 0.5));
    silent::<f32>(&(NUMBER as f64 + 0.5));
    silent::<Enum>(&NUMBER);
    silent::<std::num::NonZeroU8>(&NUMBER);
    silent::<Untagged>(&NUMBER);
    let map = BTreeMap::from([(SECRET, SECRET)]);
    silent::<Struct>(&map);
    silent::<Enum>(&map);
    silent::<Internal>(&map);
    silent::<Internal>(&BTreeMap::from([("t", SECRET)]));
    silent::<Internal>(&BTreeMap::from([("t", "A"), ("a", SECRET)]));
    silent::<BTreeMap<String, u8>>(&map);
    silent::<BTreeMap<u8, String>>(&map);
    silent::<Enum>(&BTreeMap::from([("B", SECRET)]));
    silent::<serde_bytes::ByteBuf>(SECRET);
    silent::<Struct>(&serde_bytes::Bytes::new(SECRET.as_bytes()));
}

#[test]
fn a_type_that_quotes_the_value_itself_is_not_repeated() {
    silent::<Custom>(SECRET);
    silent::<InvalidValue>(SECRET);
    silent::<InvalidType>(SECRET);
    silent::<Other>(SECRET);
    silent::<Variant>(SECRET);
    silent::<Field>(SECRET);
    silent::<Number>(&NUMBER);
    silent::<Float>(&(NUMBER as f64 + 0.5));
}

#[test]
fn writing_says_nothing_of_the_value() {
    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom(format!("cannot take {SECRET}")))
        }
    }
    let mut out = Buffer::new();
    out.extend_from_slice(&[9]);
    let error = encode(&[Refuses], &mut out).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert_eq!(
        error.to_string(),
        "cannot be stored: the `Serialize` of its type failed"
    );
    assert!(!format!("{error:?}").contains(SECRET));
    assert_eq!(*out, [9], "earlier bytes stay, a part of a value does not");
}

#[test]
fn serde_s_own_sentences_are_kept_where_they_name_types_alone() {
    let error = as_type::<Untagged>(SECRET).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("data did not match any variant of untagged enum Untagged")
    );
    #[derive(Serialize)]
    #[serde(tag = "t")]
    enum Wrong {
        A(u8),
    }
    let error = encode(&Wrong::A(1), &mut Buffer::new()).unwrap_err();
    assert!(
        error.to_string().contains("Wrong::A containing an integer"),
        "{error}"
    );
}

#[test]
fn debug_shows_shapes() {
    let tree = Value::of(&BTreeMap::from([(SECRET, [SECRET])])).unwrap();
    assert_eq!(format!("{tree:?}"), "Map(1 entries)");
    for value in [
        Value::from(SECRET),
        Value::from(NUMBER),
        Value::from(-(NUMBER as i64)),
        Value::from(NUMBER as f64),
        Value::from(NUMBER as f32),
        Value::Bytes(SECRET.into()),
        Value::Some(Box::new(Value::from(SECRET))),
        tree,
    ] {
        let sealed = value.to_stored(Some(Timestamp::from_millis(1))).unwrap();
        let shown = format!("{value:?} {value:#?} {:?}", Stored::open(&sealed).unwrap());
        assert!(
            !shown.contains(SECRET) && !shown.contains("9182"),
            "{shown}"
        );
        let listed = format!("{:?}", bytes(&value));
        assert!(!shown.contains(listed.trim_matches(['[', ']'])), "{shown}");
    }
}

#[test]
fn a_given_value_is_spoken_of_as_given() {
    let error = as_type::<u64>(SECRET).unwrap_err().of_given();
    assert_eq!(error.kind(), ErrorKind::Type);
    assert_eq!(error.to_string(), "was given a string, expected u64");
    let error = error.on_field("user_id");
    assert_eq!(
        error.to_string(),
        "session field `user_id`: was given a string, expected u64"
    );
}
