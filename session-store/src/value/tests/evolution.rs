//! Types change between deployments while sessions stay live: which values can still be read, and the error messages
//! for the others.

use super::{as_type, bytes, refusal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

macro_rules! of {
    ($($name:ident { $($body:tt)* })*) => {$(
        #[derive(Serialize, Deserialize, Debug, PartialEq, Default)]
        struct $name { $($body)* }
    )*};
}
of! {
    Old { a: u32, b: String }
    Added { a: u32, b: String, #[serde(default)] c: bool }
    AddedBare { a: u32, b: String, c: bool }
    AddedOption { a: u32, b: String, c: Option<u8> }
    Removed { a: u32 }
    Reordered { b: String, a: u32 }
    Wider { a: u64, b: Option<String> }
    Retyped { a: u32, b: u64 }
    Renamed { #[serde(alias = "a")] first: u32 }
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Strict {
    a: u32,
}

fn old() -> Old {
    Old {
        a: 7,
        b: "b".into(),
    }
}

#[test]
fn a_struct_that_changes_its_fields() {
    let c = false;
    let (a, b) = (7, "b".to_owned());
    assert_eq!(
        as_type::<Added>(&old()).unwrap(),
        Added { a, b: b.clone(), c }
    );
    assert_eq!(
        as_type::<AddedOption>(&old()).unwrap(),
        AddedOption {
            a,
            b: b.clone(),
            c: None
        }
    );
    assert_eq!(as_type::<Removed>(&old()).unwrap(), Removed { a });
    assert_eq!(
        as_type::<Reordered>(&old()).unwrap(),
        Reordered { b: b.clone(), a }
    );
    assert_eq!(
        as_type::<Wider>(&old()).unwrap(),
        Wider {
            a: 7,
            b: Some(b.clone())
        }
    );
    assert_eq!(as_type::<Renamed>(&old()).unwrap(), Renamed { first: a });
    assert_eq!(
        as_type::<Old>(&Added { a, b, c: true }).unwrap(),
        old(),
        "and back again"
    );
    assert_eq!(
        refusal::<AddedBare>(&old()),
        "has no field `c`: give it `#[serde(default)]` to read values that were stored before the field was added"
    );
    assert_eq!(
        refusal::<Retyped>(&old()),
        "holds a string, expected u64 (in `b`)"
    );
    assert_eq!(
        refusal::<Strict>(&old()),
        "holds an unknown field (its struct has `a`)"
    );
}

#[test]
fn an_integer_is_read_by_its_value() {
    assert_eq!(as_type::<u64>(&5u8).unwrap(), 5);
    assert_eq!(as_type::<i8>(&5u64).unwrap(), 5);
    assert_eq!(as_type::<u8>(&5i64).unwrap(), 5);
    assert_eq!(as_type::<u128>(&u64::MAX).unwrap(), u128::from(u64::MAX));
    assert_eq!(as_type::<i16>(&i128::from(i16::MIN)).unwrap(), i16::MIN);
    let one = bytes(&5u8);
    for other in [
        bytes(&5u32),
        bytes(&5u64),
        bytes(&5u128),
        bytes(&5i8),
        bytes(&5i64),
        bytes(&5i128),
    ] {
        assert_eq!(other, one);
    }
    assert_eq!(
        refusal::<u8>(&300u16),
        "holds an integer that cannot be read as u8"
    );
    assert_eq!(
        refusal::<u64>(&-1i8),
        "holds an integer that cannot be read as u64"
    );
    assert_eq!(
        refusal::<i64>(&u64::MAX),
        "holds an integer that cannot be read as i64"
    );
    assert_eq!(
        refusal::<u64>(&u128::MAX),
        "holds an integer that cannot be read as u64"
    );
    assert_eq!(
        refusal::<i64>(&i128::MIN),
        "holds an integer that cannot be read as i64"
    );
}

#[test]
fn a_number_changes_its_kind_only_if_nothing_is_lost() {
    assert_eq!(as_type::<f64>(&5u8).unwrap(), 5.0);
    assert_eq!(
        as_type::<f64>(&(1u64 << 53)).unwrap(),
        9_007_199_254_740_992.0
    );
    assert_eq!(
        as_type::<f64>(&i64::MIN).unwrap(),
        -9_223_372_036_854_775_808.0
    );
    assert_eq!(as_type::<f64>(&1.5f32).unwrap(), 1.5);
    assert_eq!(as_type::<f32>(&1.5f64).unwrap(), 1.5);
    assert_eq!(as_type::<f32>(&-(1i32 << 24)).unwrap(), -16_777_216.0);
    assert!(as_type::<f32>(&f64::NAN).unwrap().is_nan());
    assert_eq!(as_type::<f32>(&f64::INFINITY).unwrap(), f32::INFINITY);
    let lost = "holds an integer that cannot be read as f64";
    assert_eq!(refusal::<f64>(&((1u64 << 53) + 1)), lost);
    assert_eq!(refusal::<f64>(&u128::MAX), lost);
    assert_eq!(refusal::<f64>(&i64::MAX), lost);
    assert_eq!(
        refusal::<f32>(&0.1f64),
        "holds a float that cannot be read as f32"
    );
    assert_eq!(
        refusal::<f32>(&1e300f64),
        "holds a float that cannot be read as f32"
    );
    assert_eq!(
        refusal::<f32>(&((1u32 << 24) + 1)),
        "holds an integer that cannot be read as f32"
    );
    assert_eq!(refusal::<u64>(&5.0f64), "holds a float, expected u64");
}

#[test]
fn an_option_comes_and_goes() {
    assert_eq!(as_type::<Option<u8>>(&5u8).unwrap(), Some(5));
    assert_eq!(as_type::<u8>(&Some(5u8)).unwrap(), 5);
    assert_eq!(as_type::<Option<Option<u8>>>(&5u8).unwrap(), Some(Some(5)));
    assert_eq!(as_type::<Option<Option<u8>>>(&None::<u8>).unwrap(), None);
    as_type::<()>(&Some(())).unwrap();
    assert_eq!(refusal::<u8>(&None::<u8>), "holds null, expected u8");
    assert_eq!(refusal::<u8>(&Some(None::<u8>)), "holds null, expected u8");
}

#[test]
fn an_enum_that_changes_its_variants() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Old {
        A,
        B(u8),
        Gone(u8),
        C { x: u8 },
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum New {
        Inserted,
        C {
            x: u64,
            #[serde(default)]
            y: bool,
        },
        B(u64),
        A,
    }
    assert_eq!(as_type::<New>(&Old::A).unwrap(), New::A);
    assert_eq!(as_type::<New>(&Old::B(1)).unwrap(), New::B(1));
    assert_eq!(
        as_type::<New>(&Old::C { x: 1 }).unwrap(),
        New::C { x: 1, y: false }
    );
    assert_eq!(
        refusal::<New>(&Old::Gone(1)),
        "holds an unknown variant (its enum has `Inserted`, `C`, `B`, `A`)"
    );
    assert_eq!(
        refusal::<Vec<Old>>(&[New::A, New::B(256)]),
        "holds an integer that cannot be read as u8 (in `[1].B`)"
    );
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Content {
        A(u8),
        B,
    }
    assert!(refusal::<Content>(&Old::A).starts_with("holds a unit variant, expected "));
    assert_eq!(
        refusal::<Content>(&Old::B(1)),
        "holds an integer, expected unit (in `B`)"
    );
}

#[test]
fn another_type_is_refused_and_never_reinterpreted() {
    assert_eq!(refusal::<u64>("5"), "holds a string, expected u64");
    assert_eq!(refusal::<String>(&5), "holds an integer, expected a string");
    assert_eq!(refusal::<bool>(&1), "holds an integer, expected a boolean");
    assert_eq!(refusal::<u8>(&true), "holds a boolean, expected u8");
    assert_eq!(refusal::<()>(&false), "holds a boolean, expected unit");
    assert_eq!(
        refusal::<char>("ab"),
        "holds a string that cannot be read as a character"
    );
    assert_eq!(
        refusal::<Vec<u8>>("ab"),
        "holds a string, expected a sequence"
    );
    assert_eq!(
        refusal::<serde_bytes::ByteBuf>("ab"),
        "holds a string, expected byte array"
    );
    assert_eq!(
        refusal::<String>(&serde_bytes::Bytes::new(b"ab")),
        "holds bytes, expected a string"
    );
    assert_eq!(
        refusal::<Old>(&old().b),
        "holds a string, expected struct Old"
    );
    // serde would accept both of these: a tuple by position, and fields by index.
    assert_eq!(
        refusal::<Old>(&(7u32, "b")),
        "holds a list, expected struct Old"
    );
    assert_eq!(
        refusal::<Removed>(&BTreeMap::from([(0u64, 7u32)])),
        "holds an integer, expected the name of a field or variant"
    );
    assert_eq!(
        refusal::<(u8, u8)>(&[1, 2, 3]),
        "cannot be read: it has 3 elements, expected 2"
    );
    assert_eq!(
        refusal::<(u8, u8)>(&[1]),
        "cannot be read: it has 1 elements, expected a tuple of size 2"
    );
    assert_eq!(
        refusal::<HashMap<u64, u8>>(&HashMap::from([("one", 1)])),
        "holds a string, expected u64 (in `[..]`)"
    );
}

#[test]
fn a_type_that_refuses_is_named() {
    use std::net::IpAddr;
    assert_eq!(
        refusal::<IpAddr>("no address"),
        "holds a string that core::net::ip_addr::IpAddr rejects"
    );
    assert_eq!(
        refusal::<Vec<IpAddr>>(&["::1", "no address"]),
        "holds a string that core::net::ip_addr::IpAddr rejects (in `[1]`)"
    );
    assert_eq!(
        refusal::<std::time::SystemTime>(&old()),
        "holds an unknown field (its struct has `secs_since_epoch`, `nanos_since_epoch`)"
    );
}

#[test]
fn bytes_and_a_list_of_integers_are_one() {
    let list = vec![0u8, 1, 250, 251, 255];
    let packed = serde_bytes::ByteBuf::from(list.clone());
    assert_eq!(as_type::<Vec<u8>>(&packed).unwrap(), list);
    assert_eq!(as_type::<Vec<u64>>(&packed).unwrap(), [0, 1, 250, 251, 255]);
    assert_eq!(as_type::<serde_bytes::ByteBuf>(&list).unwrap(), packed);
    assert!(as_type::<(u8, u8)>(&packed).is_err());
    assert!(as_type::<Vec<String>>(&packed).is_err());
}

#[test]
fn an_error_says_where_it_is() {
    #[derive(Serialize, Deserialize, Debug)]
    struct Item<P> {
        price: P,
    }
    #[derive(Serialize, Deserialize, Debug)]
    struct Cart<P> {
        items: Vec<Item<P>>,
        by_mail: BTreeMap<String, Item<P>>,
    }
    let item = |price: &str| Item {
        price: price.to_owned(),
    };
    let mut cart = Cart {
        items: vec![item("1"), item("2")],
        by_mail: BTreeMap::new(),
    };
    assert_eq!(
        refusal::<Cart<u8>>(&cart),
        "holds a string, expected u8 (in `items[0].price`)"
    );
    cart.items.clear();
    cart.by_mail.insert("ann@example.org".into(), item("3"));
    assert_eq!(
        refusal::<[[[[[[[[[u8; 1]; 1]; 1]; 1]; 1]; 1]; 1]; 1]; 1]>(&[[[[[[[[[""]]]]]]]]]),
        "holds a string, expected u8 (in `[0][0][0][0][0][0][0][0]..`)"
    );
    assert_eq!(
        refusal::<Cart<u8>>(&cart),
        "holds a string, expected u8 (in `by_mail[..].price`)",
        "the key of a map is data"
    );
}
