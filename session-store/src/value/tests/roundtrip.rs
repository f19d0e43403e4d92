//! Every value that serde can describe is read back equal: from bytes, and from the tree.

use super::{super::Value, bytes, read};
use serde::{Deserialize, Serialize, de::DeserializeOwned, ser::SerializeSeq as _};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Debug,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

#[track_caller]
fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let written = bytes(&value);
    assert_eq!(read::<T>(&written).unwrap(), value);
    // Through the tree, and the tree's own bytes.
    let tree: Value = read(&written).unwrap();
    assert_eq!(bytes(&tree), written);
    assert_eq!(tree.read::<T>().unwrap(), value);
    // Types for which serde buffers: it then reads from its own copy, which holds fewer types.
    let buffered = Buffered::Is { it: value };
    let Buffered::Is { it } = read::<Buffered<T>>(&bytes(&buffered)).unwrap();
    let Buffered::Is { it: value } = buffered;
    assert_eq!(it, value);
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Buffered<T> {
    Is { it: T },
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Unit;
#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Newtype<T>(T);
#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Tuple(u8, String);
#[derive(Serialize, Deserialize, Debug, PartialEq, Clone, Default)]
struct Item {
    sku: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    price: f64,
}
#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Clone)]
enum Plain {
    Unit,
    Newtype(i64),
    Empty(()),
    Pair(u8, String),
    Struct { x: Option<i8>, y: bool },
}
#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(tag = "kind")]
enum Internal {
    Unit,
    Newtype(Item),
    Struct { at: Plain, id: uuid::Uuid },
}
#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    Newtype(Plain),
    Pair(u64, f32),
    Struct { ip: IpAddr },
}
#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Negative(i64),
    Text(String),
    Item(Item),
    List(Vec<Untagged>),
    Nothing,
}
#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Token {
    access: String,
    #[serde(flatten)]
    item: Item,
    #[serde(flatten)]
    extra: BTreeMap<String, serde_json::Value>,
}

fn all_plain() -> Vec<Plain> {
    vec![
        Plain::Unit,
        Plain::Newtype(-3),
        Plain::Empty(()),
        Plain::Pair(250, "x".into()),
        Plain::Struct { x: None, y: true },
        Plain::Struct {
            x: Some(-1),
            y: false,
        },
    ]
}

fn item() -> Item {
    Item {
        sku: "a-1".into(),
        note: None,
        tags: vec!["new".into()],
        price: 1.25,
    }
}

#[test]
fn integers_at_every_edge() {
    for n in [
        0,
        1,
        250,
        251,
        255,
        256,
        65_535,
        65_536,
        u64::from(u32::MAX),
        u64::MAX,
    ] {
        same(n);
    }
    for n in [0, -1, 125, -126, 127, -128, i64::MAX, i64::MIN] {
        same(n);
    }
    same((u8::MAX, i8::MIN, u16::MAX, i16::MIN, u32::MAX, i32::MIN));
    same((usize::MAX, isize::MIN));
}

#[test]
fn integers_of_128_bits() {
    // Without `same`: serde's buffer cannot hold them.
    for n in [
        0,
        5,
        u128::from(u64::MAX),
        u128::from(u64::MAX) + 1,
        u128::MAX,
    ] {
        assert_eq!(read::<u128>(&bytes(&n)).unwrap(), n);
        assert_eq!(read::<Value>(&bytes(&n)).unwrap(), Value::Uint(n));
    }
    for n in [
        -1,
        i128::from(i64::MIN),
        i128::from(i64::MIN) - 1,
        i128::MIN,
    ] {
        assert_eq!(read::<i128>(&bytes(&n)).unwrap(), n);
        assert_eq!(read::<Value>(&bytes(&n)).unwrap(), Value::Int(n));
    }
    // The documented limitation: an error, not a wrong number.
    let inside = Buffered::Is { it: 1u128 };
    assert!(read::<Buffered<u128>>(&bytes(&inside)).is_err());
}

#[test]
fn floats_to_the_bit() {
    for x in [
        0.0,
        -0.0,
        1.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
        f64::MIN_POSITIVE / 2.0,
    ] {
        assert_eq!(read::<f64>(&bytes(&x)).unwrap().to_bits(), x.to_bits());
    }
    for x in [0.0, -0.0, 1.5, f32::INFINITY, f32::NAN, f32::from_bits(1)] {
        assert_eq!(read::<f32>(&bytes(&x)).unwrap().to_bits(), x.to_bits());
    }
    same(vec![0.1f32, f32::MAX]);
    same(vec![0.1f64, f64::MIN]);
}

#[test]
fn text_and_bytes() {
    for text in [
        "",
        "a",
        "é\u{0}\u{10FFFF}",
        &"x".repeat(250),
        &"x".repeat(251),
        &"x".repeat(70_000),
    ] {
        same(text.to_owned());
    }
    same('é');
    same('\0');
    same(serde_bytes::ByteBuf::from(vec![0, 0xFF, 0xC3, 0x28]));
    same(serde_bytes::ByteBuf::new());
    same(vec![0u8, 255]);
    same([1u8, 2, 3]);
}

#[test]
fn options_in_options() {
    same(None::<u64>);
    same(Some(5u64));
    same((None::<Option<u64>>, Some(None::<u64>), Some(Some(1u64))));
    same((
        None::<Option<Option<()>>>,
        Some(None::<Option<()>>),
        Some(Some(None::<()>)),
        Some(Some(Some(()))),
    ));
    same((
        Some(()),
        None::<()>,
        Some(Unit),
        Some(Newtype(None::<u8>)),
        None::<Newtype<Option<u8>>>,
    ));
    same(Some(vec![None, Some(Some(1u8)), Some(None)]));
    same(BTreeMap::from([("a".to_owned(), Some(None::<u8>))]));
    // A null that is not an option, inside an option.
    assert_ne!(
        bytes(&Some(serde_json::Value::Null)),
        bytes(&None::<serde_json::Value>)
    );
    let it: Option<serde_json::Value> = read(&bytes(&Some(serde_json::Value::Null))).unwrap();
    assert_eq!(it, Some(serde_json::Value::Null));
}

#[test]
fn structs_and_enums() {
    same(());
    same(Unit);
    same(Newtype(Newtype(7u8)));
    same(Tuple(1, "b".into()));
    same(Item::default());
    same(item());
    all_plain().into_iter().for_each(same);
    same(all_plain());
    same(Some(Plain::Unit));
    same(Internal::Unit);
    same(Internal::Newtype(item()));
    for at in all_plain() {
        same(Internal::Struct {
            at,
            id: uuid::Uuid::from_u128(7),
        });
    }
    same(Adjacent::Unit);
    all_plain()
        .into_iter()
        .map(Adjacent::Newtype)
        .for_each(same);
    same(Adjacent::Pair(1, 2.5));
    same(Adjacent::Struct {
        ip: "::1".parse().unwrap(),
    });
    for untagged in [
        Untagged::Number(1),
        Untagged::Negative(-1),
        Untagged::Text("t".into()),
        Untagged::Item(item()),
        Untagged::List(vec![Untagged::Nothing, Untagged::List(vec![])]),
        Untagged::Nothing,
    ] {
        same(untagged);
    }
}

#[test]
fn flattened_structs() {
    let extra =
        serde_json::json!({ "scope": ["a", 1, -1, 1.5, null, true], "nested": { "k": {} } });
    let serde_json::Value::Object(extra) = extra else {
        unreachable!()
    };
    same(Token {
        access: "secret".into(),
        item: item(),
        extra: extra.into_iter().collect(),
    });
    // Keys that are numbers.
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct ById {
        #[serde(flatten)]
        by_id: BTreeMap<u64, String>,
    }
    same(ById {
        by_id: BTreeMap::from([(0, "a".into()), (300, "b".into())]),
    });
}

#[test]
fn collections() {
    same(Vec::<u8>::new());
    same(BTreeMap::<String, u8>::new());
    same(vec![vec![(); 3]; 300]);
    same(BTreeSet::from([3u16, 1]));
    same(HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]));
    same(HashMap::from([
        (7u64, "x".to_owned()),
        (u64::MAX, "y".to_owned()),
    ]));
    same(BTreeMap::from([((1u8, -1i8), 'a'), ((2, 3), 'b')]));
    same(BTreeMap::from([(true, 1), (false, 2)]));
    same(
        all_plain()
            .into_iter()
            .zip(0u8..)
            .collect::<BTreeMap<_, _>>(),
    );
    same(BTreeMap::from([(
        vec![Some(1u8), None],
        BTreeMap::from([((), Unit)]),
    )]));
    same(
        (0u32..300)
            .map(|n| (n, n.to_string()))
            .collect::<BTreeMap<_, _>>(),
    );
}

#[test]
fn lengths_that_nobody_knows_before() {
    struct Evens(u64);
    impl Serialize for Evens {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq((0..self.0).filter(|n| n % 2 == 0))
        }
    }
    struct Lie(Option<usize>, u64);
    impl Serialize for Lie {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut list = to.serialize_seq(self.0)?;
            (0..self.1).try_for_each(|n| list.serialize_element(&n))?;
            list.end()
        }
    }
    struct Pairs(u64);
    impl Serialize for Pairs {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_map((0..self.0).filter(|n| n % 2 == 0).map(|n| (n, ())))
        }
    }
    for n in [0, 1, 500, 502, 600, 140_000] {
        let evens: Vec<u64> = (0..n).filter(|n| n % 2 == 0).collect();
        // Written twice, to check that the following value is read from its beginning.
        assert_eq!(bytes(&[Evens(n), Evens(n)]), bytes(&[&evens, &evens]));
        let pairs: BTreeMap<u64, ()> = evens.iter().map(|n| (*n, ())).collect();
        assert_eq!(bytes(&(Pairs(n), 1)), bytes(&(pairs, 1)));
        let all: Vec<u64> = (0..n).collect();
        for announced in [None, Some(0), Some(251), Some(usize::MAX)] {
            assert_eq!(bytes(&(Lie(announced, n), 1)), bytes(&(&all, 1)));
        }
    }
}

#[test]
fn types_of_other_crates() {
    same(uuid::Uuid::from_u128(0x0123_4567_89ab_cdef));
    same("https://example.org/?q=%20".parse::<url::Url>().unwrap());
    same("127.0.0.1".parse::<IpAddr>().unwrap());
    same("[2001:db8::1]:443".parse::<SocketAddr>().unwrap());
    same(Duration::new(5, 999_999_999));
    same(std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(1));
    same(std::path::PathBuf::from("/tmp/é"));
    same(std::num::NonZeroU32::new(9).unwrap());
    same(1..5u8);
    same(Ok::<u8, String>(1));
    same(chrono::DateTime::from_timestamp(1_700_000_000, 123_456_789).unwrap());
    same(chrono::NaiveDate::from_ymd_opt(-1, 2, 3).unwrap());
    same(chrono::NaiveTime::from_hms_milli_opt(1, 2, 3, 4).unwrap());
    same(time::macros::datetime!(2024-02-29 23:59:59.999_999_999 +05:30));
    same(time::macros::date!(2024 - 02 - 29));
    same(time::Duration::new(-5, -7));
    same(serde_json::json!({ "a": [1, -1, 0.5, u64::MAX, "s", null, { "b": [] }] }));
}

#[test]
fn a_value_is_a_value_everywhere() {
    let odd = Value::Map(vec![
        (Value::Null, Value::from(1u8)),
        (Value::List(vec![Value::from(-1)]), Value::Bytes(vec![255])),
        (Value::from("k"), Value::from(Some(None::<u8>))),
        (Value::F32(0.5), Value::from_iter([(3u8, "three")])),
    ]);
    same(odd.clone());
    same(vec![(odd.clone(), odd.clone()), (Value::Null, odd)]);
}

#[test]
fn in_json_a_value_is_what_it_looks_like() {
    let json = |value: &Value| serde_json::to_string(value).unwrap();
    let of = |value: &dyn Fn() -> Value| json(&value());
    assert_eq!(
        of(&|| Value::of(&item()).unwrap()),
        r#"{"sku":"a-1","tags":["new"],"price":1.25}"#
    );
    assert_eq!(of(&|| Value::from_iter([(1u8, true)])), r#"{"1":true}"#);
    assert_eq!(of(&|| Value::from_iter([(true, ())])), r#"{"true":null}"#);
    assert_eq!(
        of(&|| Value::Map(vec![(Value::Null, Value::from(1u8))])),
        "[[null,1]]"
    );
    assert_eq!(
        of(&|| Value::of(&BTreeMap::from([((1, 2), 'c')])).unwrap()),
        r#"[[[1,2],"c"]]"#
    );
    assert_eq!(of(&|| Value::Bytes(vec![1, 255])), "[1,255]");
    assert_eq!(of(&|| Value::from(f64::NAN)), "null");
    assert_eq!(of(&|| Value::from(Some(None::<u8>))), "null");
    assert_eq!(of(&|| Value::from(u128::MAX)), u128::MAX.to_string());
    let back: Value = serde_json::from_str(r#"{"a":[1,-1,0.5,null,"s"]}"#).unwrap();
    let list = [
        Value::from(1u8),
        Value::from(-1),
        Value::from(0.5),
        Value::Null,
        Value::from("s"),
    ];
    assert_eq!(back, Value::from_iter([("a", Value::List(list.to_vec()))]));
}
