//! Comparison with JSON: the private structs of serde_json, and maps whose keys are not strings.

use super::*;
use crate::Value;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A number of serde_json as a serializer sees it, if any crate of the build enables `arbitrary_precision`.
#[derive(Serialize)]
#[serde(rename = "$serde_json::private::Number")]
struct Number<'a> {
    #[serde(rename = "$serde_json::private::Number")]
    text: &'a str,
}

/// Prevents: a number that is read back as a map with a private name of serde_json.
#[test]
fn a_number_of_any_precision_is_a_number() {
    for (text, value) in [
        ("0", Value::from(0)),
        ("7", Value::from(7)),
        ("-7", Value::from(-7)),
        ("18446744073709551615", Value::from(u64::MAX)),
        (
            "340282366920938463463374607431768211455",
            Value::from(u128::MAX),
        ),
        (
            "-170141183460469231731687303715884105728",
            Value::from(i128::MIN),
        ),
        ("0.1", Value::from(0.1)),
        ("-0.25", Value::from(-0.25)),
        ("1.10", Value::from(1.1)),
        ("1.0", Value::from(1.0)),
        ("100e-2", Value::from(1.0)),
        ("1e3", Value::from(1000.0)),
        ("6.02E+23", Value::from(6.02e23)),
        ("5e-324", Value::from(5e-324)),
        ("0.30000000000000004", Value::from(0.1 + 0.2)),
    ] {
        assert_eq!(bytes(&Number { text }), bytes(&value), "{text}");
    }
    let zero = bytes(&Number { text: "-0" });
    assert_eq!(zero, bytes(&-0.0), "as without the feature");
    let list: Vec<u64> = as_type(&[Number { text: "1" }, Number { text: "2" }]).unwrap();
    assert_eq!(list, [1, 2]);
    let map = BTreeMap::from([("a", Number { text: "1" })]);
    assert_eq!(as_type::<BTreeMap<String, u8>>(&map).unwrap()["a"], 1);
}

/// Prevents: digits that are lost silently.
#[test]
fn a_number_that_no_number_here_is_keeps_its_digits() {
    for text in [
        "340282366920938463463374607431768211456",
        "3.14159265358979323846264338327950288",
        "1e400",
        "1e-400",
        "9007199254740993.0",
        "no number",
        "1e99999999999999999999",
    ] {
        let kept: BTreeMap<String, String> = as_type(&Number { text }).unwrap();
        assert_eq!(kept["$serde_json::private::Number"], text);
    }
}

/// Prevents: a `RawValue` that can be stored but not read.
#[test]
fn raw_json_is_its_text() {
    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::RawValue")]
    struct Raw<'a> {
        #[serde(rename = "$serde_json::private::RawValue")]
        json: &'a str,
    }
    let text = r#"{"a":[1.00]}"#;
    assert_eq!(bytes(&Raw { json: text }), bytes(text));

    // In the form in which serde_json reads a `RawValue`.
    struct Read(String);
    impl<'de> Deserialize<'de> for Read {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Read;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("any valid JSON value")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Read, A::Error> {
                    assert_eq!(
                        map.next_key::<String>()?.unwrap(),
                        "$serde_json::private::RawValue"
                    );
                    map.next_value().map(Read)
                }
            }
            deserializer.deserialize_newtype_struct("$serde_json::private::RawValue", Visitor)
        }
    }
    assert_eq!(as_type::<Read>(&Raw { json: text }).unwrap().0, text);
    assert_eq!(as_type::<Vec<Read>>(&[text, "1"]).unwrap()[1].0, "1");
    let former = BTreeMap::from([("$serde_json::private::RawValue", text)]);
    assert_eq!(
        as_type::<Read>(&former).unwrap().0,
        text,
        "a value that was stored before"
    );
    let refused = refusal::<Read>(&7);
    assert_eq!(refused, "holds an integer, expected any valid JSON value");
}

/// Whether this format and JSON can both read a map as another type, with the same result.
#[track_caller]
fn as_in_json<W, R>(written: &BTreeMap<W, u8>) -> bool
where
    W: Serialize,
    R: DeserializeOwned + PartialEq + std::fmt::Debug + Ord,
{
    let ours = as_type::<BTreeMap<R, u8>>(written).ok();
    let json = serde_json::to_string(written).unwrap();
    assert_eq!(ours, serde_json::from_str(&json).ok(), "{json}");
    ours.is_some()
}

/// Prevents: a map that becomes unreadable when the type of its keys changes to wider integers or strings, which JSON
/// allows.
#[test]
fn the_keys_of_a_map_evolve_as_in_json() {
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    struct Id<T>(T);
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    enum Name {
        A,
    }
    let numbers = BTreeMap::from([(0u32, 1), (7, 2), (u32::MAX, 3)]);
    assert!(as_in_json::<_, u32>(&numbers));
    assert!(as_in_json::<_, u64>(&numbers));
    assert!(as_in_json::<_, i128>(&numbers));
    assert!(as_in_json::<_, String>(&numbers));
    assert!(as_in_json::<_, Id<u64>>(&numbers));
    assert!(as_in_json::<_, Id<String>>(&numbers));
    assert!(as_in_json::<_, Option<u64>>(&numbers));
    assert!(!as_in_json::<_, u16>(&numbers));
    assert!(!as_in_json::<_, bool>(&numbers));
    assert!(!as_in_json::<_, Name>(&numbers));
    assert!(as_in_json::<_, char>(&BTreeMap::from([(7u8, 1)])));

    let negative = BTreeMap::from([(-1i64, 1), (i64::MIN, 2)]);
    assert!(as_in_json::<_, i64>(&negative));
    assert!(as_in_json::<_, i128>(&negative));
    assert!(as_in_json::<_, String>(&negative));
    assert!(!as_in_json::<_, u64>(&negative));
    assert!(as_in_json::<_, Id<i64>>(&BTreeMap::from([(Id(-1i8), 1)])));

    let text = |text: &str| BTreeMap::from([(text.to_owned(), 1)]);
    assert!(as_in_json::<_, u8>(&text("7")));
    assert!(as_in_json::<_, i8>(&text("-7")));
    assert!(as_in_json::<_, Id<u8>>(&text("7")));
    assert!(as_in_json::<_, bool>(&text("true")));
    assert!(as_in_json::<_, Name>(&text("A")));
    for none in [
        "", "07", "+7", " 7", "7 ", "0x7", "7.0", "seven", "-", "True",
    ] {
        assert!(!as_in_json::<_, u8>(&text(none)), "{none:?}");
        assert!(!as_in_json::<_, i8>(&text(none)), "{none:?}");
        assert!(!as_in_json::<_, bool>(&text(none)), "{none:?}");
    }
    assert!(!as_in_json::<_, u8>(&text("256")));

    let truth = BTreeMap::from([(true, 1), (false, 2)]);
    assert!(as_in_json::<_, bool>(&truth));
    assert!(as_in_json::<_, String>(&truth));
    assert!(!as_in_json::<_, u8>(&truth));
    // The conversions of keys do not apply to values.
    assert!(as_type::<Vec<String>>(&[7]).is_err() && as_type::<Vec<u8>>(&["7"]).is_err());
}
