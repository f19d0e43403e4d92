//! Values with serde_json's features `arbitrary_precision` and `raw_value`. Any crate in a build can enable them for the
//! whole build.
#![cfg(test)]
#![allow(missing_docs, clippy::unwrap_used)]

use level_session::Value;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value as Json, json, value::RawValue};
use std::collections::BTreeMap;

fn again<T: Serialize, R: DeserializeOwned>(value: &T) -> R {
    Value::of(value).unwrap().read().unwrap()
}

/// Prevents: a number in a JSON value that comes back as `{"$serde_json::private::Number": "7"}`.
#[test]
fn numbers_come_back_as_numbers() {
    let json = json!({"n": 7, "list": [-1, 0.5, u64::MAX], "nested": {"pi": 3.25}});
    assert_eq!(again::<_, Json>(&json), json);
    assert_eq!(serde_json::to_value(Value::of(&json).unwrap()).unwrap(), json);

    #[derive(Debug, PartialEq, Deserialize)]
    struct Typed {
        n: u64,
        list: (i8, f64, u64),
        nested: BTreeMap<String, f32>,
    }
    let typed = Typed {
        n: 7,
        list: (-1, 0.5, u64::MAX),
        nested: BTreeMap::from([("pi".into(), 3.25)]),
    };
    assert_eq!(again::<_, Typed>(&json), typed);
    assert_eq!(Value::of(&json!(7)).unwrap(), Value::from(7));
}

/// Prevents: digits that are lost silently.
#[test]
fn numbers_keep_their_digits() {
    for text in [
        "340282366920938463463374607431768211455",
        "-170141183460469231731687303715884105728",
        "3.14159265358979323846264338327950288",
        "123456789012345678901234567890123456789012345678901234567890",
        "1e400",
    ] {
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(again::<_, Json>(&json).to_string(), json.to_string());
    }
}

/// Prevents: a number that only an untyped reader can read.
#[test]
fn numbers_within_other_types() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Claims {
        sub: String,
        #[serde(flatten)]
        rest: BTreeMap<String, Json>,
    }
    let claims = Claims {
        sub: "ann".into(),
        rest: BTreeMap::from([("exp".into(), json!(1_800_000_000)), ("w".into(), json!([1.5]))]),
    };
    assert_eq!(again::<_, Claims>(&claims), claims);
    let number: serde_json::Number = again(&7);
    assert_eq!(number.as_u64(), Some(7));
    assert_eq!(again::<_, u8>(&number), 7);
}

/// Prevents: raw JSON that can be stored but not read.
#[test]
fn raw_json_comes_back_as_it_was() {
    let raw = RawValue::from_string(r#"{"a": [1.00, 7]}"#.to_owned()).unwrap();
    assert_eq!(again::<_, Box<RawValue>>(&raw).get(), raw.get());
    let list: Vec<Box<RawValue>> = again(&vec![raw.clone(), raw.clone()]);
    assert_eq!(list[1].get(), raw.get());
    assert_eq!(again::<_, String>(&raw), raw.get());
}
