//! Damaged and hostile bytes give an error, without a panic, without allocating memory for announced lengths, and
//! without a wrong value (requirement S10).

use super::{super::Value, Buffer, as_type, bytes, encode, read};
use crate::{
    ErrorKind,
    value::{MAX_DEPTH, MAX_VALUE_BYTES},
};
use proptest::prelude::*;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Tree {
    Leaf,
    Node(Box<Tree>),
    Pair(Box<Tree>, u8),
    Struct { next: Box<Tree> },
}

#[derive(Serialize, Deserialize, Debug)]
#[serde(untagged)]
enum Lists {
    List(Vec<Lists>),
}

/// Reads bytes as types of every kind.
fn every_way(body: &[u8]) -> [Result<(), String>; 9] {
    fn one<T: DeserializeOwned>(body: &[u8]) -> Result<(), String> {
        read::<T>(body).map(drop).map_err(|error| error.to_string())
    }
    [
        one::<Value>(body),
        one::<IgnoredAny>(body),
        one::<serde_json::Value>(body),
        one::<Vec<u64>>(body),
        one::<BTreeMap<String, Vec<Option<Option<()>>>>>(body),
        one::<Tree>(body),
        one::<Lists>(body),
        one::<serde_bytes::ByteBuf>(body),
        one::<(String, f64, i128)>(body),
    ]
}

#[track_caller]
fn damaged(body: &[u8], how: &str) {
    for result in every_way(body).into_iter().take(2) {
        let shown = result.unwrap_err();
        assert_eq!(
            shown,
            format!("cannot be read, its stored bytes are damaged: {how}")
        );
    }
    assert!(every_way(body).iter().all(Result::is_err));
}

#[test]
fn there_is_one_way_to_write_a_value() {
    damaged(&[], "they end in the middle of a value");
    damaged(&[2], "they end in the middle of a value");
    damaged(&[2, 251, 255], "they end in the middle of a value");
    damaged(&[5, 0, 0, 0], "they end in the middle of a value");
    damaged(&[0, 0], "there are bytes after the end of the value");
    damaged(&[11], "a tag is unknown");
    damaged(&[255], "a tag is unknown");
    damaged(&[1, 2], "a boolean is neither 0 nor 1");
    damaged(&[2, 255], "an integer has no valid length");
    damaged(&[2, 251, 250, 0], "an integer is not in its shortest form");
    damaged(
        &[2, 252, 255, 255, 0, 0],
        "an integer is not in its shortest form",
    );
    damaged(
        &[2, 253, 255, 255, 255, 255, 0, 0, 0, 0],
        "an integer is not in its shortest form",
    );
    damaged(&[3, 251, 1, 0], "an integer is not in its shortest form");
    damaged(
        &[3, 2],
        "an integer with the tag of negative ones is not negative",
    );
    damaged(&[6, 1, 0xFF], "a string is not UTF-8");
    damaged(
        &[6, 251, 1, 0, 65],
        "an integer is not in its shortest form",
    );
    damaged(&[10, 2, 1], "a `Some` is unnecessary");
    damaged(&[10], "a `Some` is unnecessary");
    assert_eq!(read::<i128>(&bytes(&i128::MIN)).unwrap(), i128::MIN);
}

#[test]
fn no_length_is_believed() {
    for tag in [6, 7, 8, 9] {
        for len in [
            [253, 0, 0, 0, 0, 0, 0, 0, 0x10],
            [253, 255, 255, 255, 255, 255, 255, 255, 255],
        ] {
            let body = [&[tag][..], &len, &[0; 16]].concat();
            damaged(&body, "a length exceeds the remaining bytes");
        }
    }
    damaged(&[8, 2, 0], "a length exceeds the remaining bytes");
    damaged(&[9, 1, 0], "a length exceeds the remaining bytes");
}

#[test]
fn a_collection_is_told_of_few_elements_at_a_time() {
    struct Hint(usize);
    impl<'de> Deserialize<'de> for Hint {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Look;
            impl<'de> Visitor<'de> for Look {
                type Value = Hint;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a list")
                }
                fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Hint, A::Error> {
                    let hint = list.size_hint();
                    while list.next_element::<IgnoredAny>()?.is_some() {}
                    Ok(Hint(hint.unwrap()))
                }
            }
            from.deserialize_seq(Look)
        }
    }
    assert_eq!(as_type::<Hint>(&vec![(); 3]).unwrap().0, 3);
    assert_eq!(as_type::<Hint>(&vec![(); 500_000]).unwrap().0, 1024);
    assert_eq!(
        as_type::<Hint>(&serde_bytes::Bytes::new(&[0; 500_000]))
            .unwrap()
            .0,
        1024
    );
}

/// Bytes that were not written by this library can have any length.
#[test]
fn what_is_longer_than_a_value_may_be_is_not_read() {
    let string = |len: usize| {
        let length = u32::try_from(len).unwrap().to_le_bytes();
        [&[6, 252][..], &length, &b"x".repeat(len)].concat()
    };
    let most = string(MAX_VALUE_BYTES - 6);
    assert_eq!(most.len(), MAX_VALUE_BYTES);
    assert_eq!(read::<String>(&most).unwrap().len(), most.len() - 6);
    damaged(
        &string(MAX_VALUE_BYTES - 5),
        "they exceed the maximum size of a value",
    );
}

#[test]
fn what_can_be_written_deep_can_be_read() {
    let list = |depth| (1..depth).fold(Value::List(vec![]), |it, _| Value::List(vec![it]));
    let map = |depth| {
        (1..depth).fold(Value::Map(vec![]), |it, _| {
            Value::Map(vec![(it, Value::Null)])
        })
    };
    let some = |depth| (0..depth).fold(Value::Null, |it, _| Value::Some(Box::new(it)));
    let mixed = |depth| Value::List(vec![Value::Map(vec![(Value::Null, some(depth - 2))])]);
    let kinds: [&dyn Fn(usize) -> Value; 4] = [&list, &map, &some, &mixed];
    for make in kinds {
        let deepest = make(MAX_DEPTH);
        assert!(read::<Value>(&bytes(&deepest)).unwrap() == deepest);
        let error = encode(&make(MAX_DEPTH + 1), &mut Buffer::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        assert_eq!(
            error.to_string(),
            "cannot be stored: it is nested more than 128 levels deep"
        );
    }
    // Each `Node` is one level deep, each `Pair` and `Struct` two levels.
    let node = |n| (0..n).fold(Tree::Leaf, |it, _| Tree::Node(it.into()));
    let pair = |n| (0..n).fold(Tree::Leaf, |it, _| Tree::Pair(it.into(), 1));
    let strukt = |n| (0..n).fold(Tree::Leaf, |next, _| Tree::Struct { next: next.into() });
    let kinds: [(usize, &dyn Fn(usize) -> Tree); 3] = [
        (MAX_DEPTH, &node),
        (MAX_DEPTH / 2, &pair),
        (MAX_DEPTH / 2, &strukt),
    ];
    for (most, make) in kinds {
        assert_eq!(as_type::<Tree>(&make(most)).unwrap(), make(most));
        assert!(encode(&make(most + 1), &mut Buffer::new()).is_err());
    }
}

#[test]
fn depth_is_bounded_on_a_small_stack() {
    let bombs: [Vec<u8>; 4] = [
        [8, 1].repeat(400_000),
        [9, 1].repeat(400_000),
        [vec![10; 800_000], vec![0]].concat(),
        [&[9, 1, 6, 4][..], b"Node"].concat().repeat(100_000),
    ];
    let deepest = [[8, 1].repeat(MAX_DEPTH - 1), vec![8, 0]].concat();
    // Tokio's threads have two megabytes.
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let run = small.spawn(move || {
        for bomb in bombs {
            assert!(every_way(&bomb).iter().all(Result::is_err));
            assert!(
                read::<Value>(&bomb)
                    .unwrap_err()
                    .to_string()
                    .contains("nested too deep")
            );
        }
        assert!(read::<Value>(&deepest).is_ok());
        assert!(
            read::<Lists>(&deepest).is_ok(),
            "through serde's buffer, too"
        );
    });
    run.unwrap().join().unwrap();
}

#[test]
fn a_megabyte_and_no_more() {
    // A tag and a length of five bytes.
    let largest = "x".repeat(MAX_VALUE_BYTES - 6);
    assert_eq!(bytes(&largest).len(), MAX_VALUE_BYTES);
    assert!(as_type::<String>(&largest).unwrap() == largest);
    let more = format!("{largest}x");
    let endless = std::iter::repeat(0u8);
    struct Seq<I>(I);
    impl<I: Iterator<Item: Serialize> + Clone> Serialize for Seq<I> {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(self.0.clone())
        }
    }
    struct Text<'a>(&'a str);
    impl Serialize for Text<'_> {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_str(self.0)
        }
    }
    let mut out = Buffer::new();
    out.extend_from_slice(&[1, 2, 3]);
    let results = [
        encode(&more, &mut out),
        encode(&serde_bytes::Bytes::new(more.as_bytes()), &mut out),
        encode(&Text(&more), &mut out),
        encode(&[&largest, ""], &mut out),
        encode(&Seq(endless.clone()), &mut out),
        encode(&BTreeMap::from([(&largest, ())]), &mut out),
        encode(&Seq(endless.map(|n| (n, [n]))), &mut out),
    ];
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        assert!(
            error.to_string().contains("more than 1048576 bytes"),
            "{error}"
        );
    }
    assert_eq!(*out, [1, 2, 3]);
    encode(&Text(&largest), &mut out).unwrap();
    assert_eq!(
        out.len(),
        3 + MAX_VALUE_BYTES,
        "bytes that were in the buffer before do not count"
    );
    let too_many = [&out[3..], &[0]].concat();
    assert!(read::<Value>(&too_many).is_err());
}

#[test]
fn a_part_that_fails_is_not_passed_over() {
    struct Careless;
    impl Serialize for Careless {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq as _;
            let mut list = to.serialize_seq(Some(2))?;
            let _ = list.serialize_element(&(1, "x".repeat(MAX_VALUE_BYTES)));
            list.serialize_element(&1)?;
            list.end()
        }
    }
    struct Keys;
    impl Serialize for Keys {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeMap as _;
            let mut map = to.serialize_map(None)?;
            map.serialize_key(&1)?;
            map.end()
        }
    }
    assert!(encode(&Careless, &mut Buffer::new()).is_err());
    assert!(encode(&Keys, &mut Buffer::new()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..Default::default() })]

    #[test]
    fn any_bytes_are_refused_or_the_only_spelling(body in prop::collection::vec(prop_oneof![0u8..12, 250u8..=255, any::<u8>()], 0..40)) {
        let _ = every_way(&body);
        if let Ok(tree) = read::<Value>(&body) {
            prop_assert_eq!(bytes(&tree), body);
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_the_only_spelling(tree in super::same_bytes::tree(), at: prop::sample::Index, with: u8, cut: bool) {
        let mut body = bytes(&tree);
        let at = at.index(body.len());
        if cut {
            body.truncate(at);
            prop_assert!(every_way(&body)[..2].iter().all(Result::is_err));
        } else {
            body[at] = with;
        }
        let _ = every_way(&body);
        if let Ok(tree) = read::<Value>(&body) {
            prop_assert_eq!(bytes(&tree), body);
        }
    }
}
