//! Arbitrary bytes from a store: decoding returns an error or a value and never panics, uses memory in proportion to the
//! input, and each value has exactly one encoding.
#![no_main]

use level_session::store::value::{Stored, Value};
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize, de::DeserializeOwned, de::IgnoredAny};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(i64),
    Pair(String, Box<Shape>),
    Struct {
        a: Option<Option<u8>>,
        #[serde(default)]
        b: f32,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(u32),
    Text(String),
    List(Vec<Either>),
    Flat {
        id: u64,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    },
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(stored) = Stored::open(bytes) else {
        assert!(Value::from_stored(bytes).is_err());
        return;
    };
    match Value::from_stored(bytes) {
        Ok((expires, value)) => {
            let again = value
                .to_stored(expires)
                .expect("what was read can be written");
            assert_eq!(*again, *bytes, "two encodings of one value");
            // Skipping a value must accept the same bytes as reading it.
            stored.body().decode::<IgnoredAny>().expect("a value");
        }
        Err(error) => {
            let _ = (error.to_string(), format!("{error:?}"));
            assert!(stored.body().decode::<IgnoredAny>().is_err());
        }
    }
    read_and_write::<u64>(stored);
    read_and_write::<String>(stored);
    read_and_write::<Vec<Option<Option<bool>>>>(stored);
    read_and_write::<BTreeMap<(u8, char), Vec<i128>>>(stored);
    read_and_write::<Shape>(stored);
    read_and_write::<Either>(stored);
});

/// A value that was read as a type survives a round trip as that type.
fn read_and_write<T: Serialize + DeserializeOwned>(stored: Stored<'_>) {
    let Ok(value) = stored.body().decode::<T>() else {
        return;
    };
    // Compare encoded trees, because floats may be NaN. The decoded type can contain more than the stored value (defaults,
    // or nested lists where one level was stored), so it may be too deep to be written.
    let Ok(tree) = Value::of(&value) else {
        return;
    };
    let bytes = tree.to_stored(None).expect("a tree of a value");
    let again: T = tree
        .read()
        .expect("what was written as a type is read as it");
    let again = Value::of(&again).expect("the same again");
    assert_eq!(*again.to_stored(None).expect("the same again"), *bytes);
}
