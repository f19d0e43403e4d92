//! Old bytes stay readable: every line of `value-v1.txt` was written in version 1 of the format, and never changes.

use super::super::{Stored, Value};
use crate::Timestamp;
use std::{collections::BTreeMap, path::Path};

/// Lines of `name = hex`, `#` for comments.
const VECTORS: &str = include_str!("value-v1.txt");

fn vectors() -> BTreeMap<&'static str, Vec<u8>> {
    let lines = VECTORS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, hex) = line.split_once(" = ").expect("name = hex");
            let hex: String = hex.split(" #").next().unwrap().split(' ').collect();
            let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
            (name, (0..hex.len()).step_by(2).map(byte).collect())
        })
        .collect()
}

fn values() -> Vec<(&'static str, Option<u64>, Value)> {
    let v = |it: Value| (None, it);
    let all: Vec<(&str, (Option<u64>, Value))> = vec![
        ("null", v(Value::Null)),
        ("true", v(true.into())),
        ("false", v(false.into())),
        ("zero", v(0u8.into())),
        ("uint-1-byte", v(250u8.into())),
        ("uint-2-bytes", v(251u8.into())),
        ("uint-2-bytes-most", v(u16::MAX.into())),
        ("uint-4-bytes", v(65_536u32.into())),
        ("uint-8-bytes", v((1u64 << 32).into())),
        ("uint-8-bytes-most", v(u64::MAX.into())),
        ("uint-16-bytes", v((1u128 << 64).into())),
        ("uint-16-bytes-most", v(u128::MAX.into())),
        ("minus-one", v((-1).into())),
        ("int-1-byte-least", v((-125).into())),
        ("int-2-bytes", v((-126).into())),
        ("int-i64-least", v(i64::MIN.into())),
        ("int-i128-least", v(i128::MIN.into())),
        ("f32", v(1.5f32.into())),
        ("f32-minus-zero", v((-0.0f32).into())),
        ("f64", v(0.1f64.into())),
        ("f64-infinity", v(f64::INFINITY.into())),
        ("f64-nan", v(f64::from_bits(0x7FF8_0000_0000_0000).into())),
        ("str-empty", v("".into())),
        ("str", v("né".into())),
        ("str-251", v("x".repeat(251).into())),
        ("bytes", v(Value::Bytes(vec![0x00, 0xFF]))),
        ("list-empty", v(Value::List(vec![]))),
        ("list", v(Value::List(vec![1u8.into(), "a".into()]))),
        ("map-empty", v(Value::Map(vec![]))),
        (
            "struct",
            v(Value::from_iter([
                ("id", Value::from(7u8)),
                ("ok", true.into()),
            ])),
        ),
        (
            "map-other-keys",
            v(Value::Map(vec![
                (Value::List(vec![1u8.into()]), Value::Null),
                ((-1).into(), "m".into()),
            ])),
        ),
        ("variant-unit", v("Unit".into())),
        ("variant-newtype", v(Value::from_iter([("New", 5u8)]))),
        (
            "variant-struct",
            v(Value::from_iter([("At", Value::from_iter([("x", 1u8)]))])),
        ),
        ("some-none", v(Some(None::<u8>).into())),
        ("some-some-none", v(Some(Some(None::<u8>)).into())),
        ("expires", (Some(1_700_000_000_000), "otp".into())),
        ("expires-never", (Some(u64::MAX), Value::Null)),
    ];
    all.into_iter()
        .map(|(name, (expires, value))| (name, expires, value))
        .collect()
}

#[test]
fn version_1_is_written_and_read_as_ever() {
    let mut vectors = vectors();
    for (name, expires, value) in values() {
        let expires = expires.map(Timestamp::from_millis);
        let written = value.to_stored(expires).unwrap();
        let expected = vectors.remove(name).unwrap_or_else(|| {
            panic!("{name} = {}", hex(&written));
        });
        assert_eq!(hex(&written), hex(&expected), "{name}");
        let (read, back) = Value::from_stored(&expected).unwrap();
        assert_eq!(read, expires, "{name}");
        assert_eq!(back.to_stored(read).unwrap(), written, "{name}");
        assert!(back == value || name.contains("nan"), "{name}");
    }
    assert!(
        vectors.is_empty(),
        "a line that nothing holds: {:?}",
        vectors.keys()
    );
}

#[test]
fn the_types_behind_the_lines() {
    fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
        Stored::open(&vectors()[name])
            .unwrap()
            .body()
            .decode()
            .unwrap()
    }
    #[derive(serde::Deserialize, Debug, PartialEq)]
    enum Enum {
        Unit,
        New(u8),
        At { x: u8 },
    }
    assert_eq!(read::<Enum>("variant-unit"), Enum::Unit);
    assert_eq!(read::<Enum>("variant-newtype"), Enum::New(5));
    assert_eq!(read::<Enum>("variant-struct"), Enum::At { x: 1 });
    assert_eq!(read::<Option<Option<u8>>>("some-none"), Some(None));
    assert_eq!(read::<(u64, String)>("list"), (1, "a".into()));
    assert_eq!(read::<i128>("int-i128-least"), i128::MIN);
    assert!(read::<f64>("f64-nan").is_nan());
}

/// The fuzzer's seeds and findings stay harmless. (A published package has no corpus.)
#[test]
fn the_fuzzer_s_corpus_is_read_without_a_panic() {
    let Ok(corpus) = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus/stored_bytes")
        .read_dir()
    else {
        return;
    };
    let mut read = 0;
    for file in corpus {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        if let Ok((expires, value)) = Value::from_stored(&bytes) {
            assert_eq!(*value.to_stored(expires).unwrap(), *bytes);
            read += 1;
        }
    }
    assert!(read > 5, "only {read} seeds hold a value");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
