//! The serializer writes the same bytes as bincode does for the tree.

use super::{
    super::{Value, tree::some, wire::reference},
    bytes, read,
};
use proptest::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Trees in canonical form.
pub(super) fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (any::<u128>(), 0u32..128).prop_map(|(n, shift)| Value::Uint(n >> shift)),
        (any::<u128>(), 1u32..128).prop_map(|(n, shift)| Value::Int(!((n >> shift) as i128))),
        any::<u32>().prop_map(|bits| Value::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        any::<String>().prop_map(Value::Str),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(6, 400, 300, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec(Just(Value::Null), 0..300).prop_map(Value::List),
            prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Map),
            prop::collection::vec((any::<String>().prop_map(Value::Str), inner.clone()), 0..4)
                .prop_map(Value::Map),
            inner.prop_map(some),
        ]
    })
}

#[derive(Serialize, Debug, Clone)]
struct Typed {
    unsigned: (u8, u16, u32, u64, u128),
    signed: (i8, i16, i32, i64, i128),
    floats: (f32, f64),
    text: (char, String),
    options: Vec<Option<Option<u16>>>,
    map: BTreeMap<(u8, bool), Kind>,
    unit: (),
}

#[derive(Serialize, Debug, Clone)]
enum Kind {
    Unit,
    New(i64),
    Tuple(u8, u8),
    Struct { a: Option<u8>, b: bool },
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Unit),
        any::<i64>().prop_map(Kind::New),
        any::<(u8, u8)>().prop_map(|(a, b)| Kind::Tuple(a, b)),
        any::<(Option<u8>, bool)>().prop_map(|(a, b)| Kind::Struct { a, b }),
    ]
}

fn typed() -> impl Strategy<Value = Typed> {
    let map = prop::collection::btree_map(any::<(u8, bool)>(), kind(), 0..4);
    (
        any::<(u8, u16, u32, u64, u128)>(),
        any::<(i8, i16, i32, i64, i128)>(),
        any::<(f32, f64)>(),
        any::<(char, String)>(),
        any::<Vec<Option<Option<u16>>>>(),
        map,
    )
        .prop_map(|(unsigned, signed, floats, text, options, map)| Typed {
            unsigned,
            signed,
            floats,
            text,
            options,
            map,
            unit: (),
        })
}

/// The tree of a [`Typed`], built by hand.
fn by_hand(it: Typed) -> Value {
    let of_kind = |kind| match kind {
        Kind::Unit => Value::from("Unit"),
        Kind::New(n) => Value::from_iter([("New", n)]),
        Kind::Tuple(a, b) => Value::from_iter([("Tuple", vec![a, b])]),
        Kind::Struct { a, b } => {
            let fields = Value::from_iter([("a", Value::from(a)), ("b", Value::from(b))]);
            Value::from_iter([("Struct", fields)])
        }
    };
    let map = it
        .map
        .into_iter()
        .map(|((n, b), kind)| (Value::List(vec![n.into(), b.into()]), of_kind(kind)));
    let (u, s) = (it.unsigned, it.signed);
    Value::from_iter([
        (
            "unsigned",
            Value::List(vec![
                u.0.into(),
                u.1.into(),
                u.2.into(),
                u.3.into(),
                u.4.into(),
            ]),
        ),
        (
            "signed",
            Value::List(vec![
                s.0.into(),
                s.1.into(),
                s.2.into(),
                s.3.into(),
                s.4.into(),
            ]),
        ),
        (
            "floats",
            Value::List(vec![it.floats.0.into(), it.floats.1.into()]),
        ),
        (
            "text",
            Value::List(vec![it.text.0.into(), it.text.1.into()]),
        ),
        ("options", it.options.into()),
        ("map", Value::from_iter(map)),
        ("unit", Value::Null),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_tree_is_written_as_bincode_writes_it(tree in tree()) {
        let expected = reference::bytes(&tree);
        prop_assert_eq!(&bytes(&tree), &expected);
        let back: Value = read(&expected).unwrap();
        prop_assert_eq!(reference::bytes(&back), expected);
    }

    #[test]
    fn a_type_is_written_as_bincode_writes_its_tree(it in typed()) {
        prop_assert_eq!(bytes(&it), reference::bytes(&by_hand(it)));
    }
}
