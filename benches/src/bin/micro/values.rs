//! The cost of encoding and decoding a value, compared with other encodings.

use crate::{OPERATIONS, report};
use axum::http::HeaderMap;
use level_session::{Keyring, MemoryStore, Sessions, Value, value::Stored};
use level_session_benches::{compare::Race, workload::value};
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// The content of one field of a shop.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Item {
    sku: String,
    count: u32,
    price: f64,
    gift: Option<String>,
}

pub(super) fn measure(rounds: usize) {
    let items: Vec<Item> = (0..4)
        .map(|n| Item {
            sku: format!("SKU-{n:06}"),
            count: n,
            price: 19.95,
            gift: (n == 2).then(|| value().to_owned()),
        })
        .collect();
    let stored = Value::of(&items)
        .and_then(|tree| tree.to_stored(None))
        .expect("it can be stored");
    let sessions = Sessions::new(
        MemoryStore::new(),
        Keyring::new([[7; 32]]).expect("32 bytes"),
    );
    let session = sessions.begin(&HeaderMap::new());
    let mut encode = Race::new();
    encode.add("level-session (into the session)", OPERATIONS, |times| {
        for _ in 0..times {
            session.set("cart", black_box(&items)).expect("open");
        }
    });
    let mut decode = Race::new();
    decode.add("level-session", OPERATIONS, |times| {
        for _ in 0..times {
            let stored = Stored::open(black_box(&stored)).expect("it was written");
            black_box(stored.body().decode::<Vec<Item>>().expect("it was written"));
        }
    });
    #[cfg(feature = "peers")]
    {
        peers::encode(&mut encode, items.clone());
        peers::decode(&mut decode, &items);
    }
    report("encode four items of a cart", encode, rounds);
    report("decode them", decode, rounds);
    println!("Bytes of level-session: {}.", stored.len());
    #[cfg(feature = "peers")]
    println!("{}\n", peers::sizes(&items));
}

#[cfg(feature = "peers")]
mod peers {
    use super::{Item, OPERATIONS, Race, black_box};

    pub(super) fn encode(race: &mut Race<'_>, items: Vec<Item>) {
        let (a, b, c) = (items.clone(), items.clone(), items);
        race.add("postcard (not self-describing)", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(postcard::to_allocvec(black_box(&a)).expect("serde"));
            }
        });
        race.add("rmp-serde, named", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(rmp_serde::to_vec_named(black_box(&b)).expect("serde"));
            }
        });
        race.add("serde_json", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(serde_json::to_vec(black_box(&c)).expect("serde"));
            }
        });
    }

    pub(super) fn decode(race: &mut Race<'_>, items: &[Item]) {
        let a = postcard::to_allocvec(items).expect("serde");
        let b = rmp_serde::to_vec_named(items).expect("serde");
        let c = serde_json::to_vec(items).expect("serde");
        race.add("postcard (not self-describing)", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(postcard::from_bytes::<Vec<Item>>(black_box(&a)).expect("serde"));
            }
        });
        race.add("rmp-serde, named", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(rmp_serde::from_slice::<Vec<Item>>(black_box(&b)).expect("serde"));
            }
        });
        race.add("serde_json", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(serde_json::from_slice::<Vec<Item>>(black_box(&c)).expect("serde"));
            }
        });
    }

    pub(super) fn sizes(items: &[Item]) -> String {
        format!(
            "postcard {}, rmp-serde {}, serde_json {}.",
            postcard::to_allocvec(items).expect("serde").len(),
            rmp_serde::to_vec_named(items).expect("serde").len(),
            serde_json::to_vec(items).expect("serde").len()
        )
    }
}
