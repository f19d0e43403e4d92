//! A type may ignore an error, or not read everything that it is offered. The values next to it must still be read from
//! their beginning.

use super::{as_type, bytes, read, refusal};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize, Debug, PartialEq, Default)]
struct Old {
    a: u32,
    b: String,
}

#[derive(Serialize, Default)]
struct Retyped {
    a: u32,
    b: u64,
}

fn old() -> Old {
    Old {
        a: 7,
        b: "b".into(),
    }
}

#[test]
fn a_type_that_ignores_an_error_does_not_disturb_its_neighbours() {
    fn or_default<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: DeserializeOwned + Default,
        D: Deserializer<'de>,
    {
        Ok(T::deserialize(from).unwrap_or_default())
    }
    #[derive(Deserialize, Debug, PartialEq)]
    struct Lenient {
        before: u8,
        #[serde(deserialize_with = "or_default")]
        it: Vec<(u8, Old)>,
        after: String,
    }
    #[derive(Deserialize, Debug, PartialEq)]
    struct Outer(#[serde(deserialize_with = "or_default")] u8);

    fn with<T: Serialize>(it: T) -> Lenient {
        #[derive(Serialize)]
        struct Written<T> {
            before: u8,
            it: T,
            after: &'static str,
        }
        as_type(&Written {
            before: 1,
            it,
            after: "z",
        })
        .unwrap()
    }
    let good = with([(1, old())]);
    assert_eq!(good.it, [(1, old())]);
    let it = Vec::new();
    let empty = Lenient {
        before: 1,
        it,
        after: "z".into(),
    };
    assert_eq!(with("a string"), empty);
    assert_eq!(with([(1, "half read")]), empty);
    assert_eq!(with([(1, old(), "too many")]), empty);
    assert_eq!(
        with([(1u8, Retyped { a: 1, b: 2 }), (2, Retyped::default())]),
        empty
    );
    assert_eq!(
        with(BTreeMap::from([(1, vec![vec![None, Some(Some(1))]])])),
        empty
    );
    assert_eq!(as_type::<Outer>(&[[1]]).unwrap(), Outer(0));
    // Damage is an error, unlike another type: the skipped part must be valid.
    let mut damaged = bytes(&[(1, "half read")]);
    damaged.pop();
    assert!(read::<Outer>(&damaged).is_err());
}

/// Visitors that violate serde's rules, as hand-written ones may do.
#[test]
fn a_type_that_does_not_read_all_does_not_disturb_its_neighbours() {
    use serde::de::{EnumAccess, IgnoredAny, MapAccess, SeqAccess, Visitor};
    use std::{fmt, marker::PhantomData};

    struct Odd<V>(PhantomData<V>);
    macro_rules! visitors {
        ($($name:ident -> $out:ty, $ask:ident($($arg:expr),*) { $($method:tt)* })*) => {$(
            #[derive(Debug, PartialEq)]
            struct $name($out);
            impl<'de> Visitor<'de> for Odd<$name> {
                type Value = $name;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("odd")
                }
                $($method)*
            }
            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    from.$ask($($arg,)* Odd::<$name>(PhantomData))
                }
            }
        )*};
    }
    visitors! {
        Good -> Vec<u8>, deserialize_seq() {
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Good, A::Error> {
                let mut good = Vec::new();
                while let Some(it) = list.next_element::<u8>().transpose() {
                    good.extend(it.ok());
                }
                Ok(Good(good))
            }
        }
        Keys -> Vec<u8>, deserialize_map() {
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = map.next_key()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        Name -> String, deserialize_enum("", &[]) {
            fn visit_enum<A: EnumAccess<'de>>(self, from: A) -> Result<Name, A::Error> {
                from.variant().map(|(name, _)| Name(name))
            }
        }
        IsSome -> bool, deserialize_option() {
            fn visit_none<E>(self) -> Result<IsSome, E> {
                Ok(IsSome(false))
            }
            fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<IsSome, D::Error> {
                Ok(IsSome(true))
            }
        }
        FirstOnly -> u8, deserialize_seq() {
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FirstOnly, A::Error> {
                list.next_element().map(|first| FirstOnly(first.unwrap()))
            }
        }
    }
    struct Untouched;
    impl<'de> Deserialize<'de> for Untouched {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }

    let mixed = serde_json::json!([1, "a", 2, [3, ["b"]], { "c": 4 }, 300, 5]);
    assert_eq!(
        as_type::<(Good, u8)>(&(mixed, 9)).unwrap(),
        (Good(vec![1, 2, 5]), 9)
    );
    let (_, last) = as_type::<(Untouched, u8)>(&([[1], [2]], 9)).unwrap();
    assert_eq!(last, 9);
    as_type::<Untouched>(&1).unwrap();
    let variant = BTreeMap::from([("A", [1, 2])]);
    assert_eq!(
        as_type::<(Name, u8)>(&(variant, 9)).unwrap(),
        (Name("A".into()), 9)
    );
    assert_eq!(
        as_type::<(Name, u8)>(&("B", 9)).unwrap(),
        (Name("B".into()), 9)
    );
    for it in [None, Some(None), Some(Some(1))] {
        let some = IsSome(it.is_some());
        assert_eq!(as_type::<(IsSome, u8)>(&(it, 9)).unwrap(), (some, 9));
    }
    let map = BTreeMap::from([(1, 2), (3, 4)]);
    assert!(refusal::<Keys>(&map).contains("a key without its value"));
    assert!(refusal::<Keys>(&BTreeMap::from([(1, 2)])).contains("a key without its value"));
    assert_eq!(as_type::<FirstOnly>(&[7]).unwrap(), FirstOnly(7));
    assert!(as_type::<FirstOnly>(&[7, 8]).is_err());
    as_type::<(IgnoredAny, u8)>(&(map, 9)).unwrap();
}
