//! The cost of a request before anything is read.

use crate::{OPERATIONS, report, runtime};
use axum::http::HeaderMap;
use level_session::{Clock, Keyring, MemoryStore, Sessions};
use level_session_benches::{compare::Race, workload::value};
use std::hint::black_box;

pub(super) fn measure(rounds: usize) {
    let runtime = runtime();
    let keyring = Keyring::new([[7; 32]]).expect("32 bytes");
    let sessions = Sessions::new(MemoryStore::new(), keyring);
    // A request without a session creates one; the response has its cookie.
    let mut response = HeaderMap::new();
    runtime.block_on(async {
        let session = sessions.begin(&HeaderMap::new());
        session.set("f3", value()).expect("open");
        sessions
            .finish(&session, &mut response)
            .await
            .expect("memory");
    });
    let cookie = response["set-cookie"].to_str().expect("ASCII");
    let cookie = cookie.split(';').next().unwrap_or_default();
    let request = |cookie: &str| {
        HeaderMap::from_iter([(
            "cookie".parse().expect("a name"),
            cookie.parse().expect("ASCII"),
        )])
    };
    let (good, forged) = (
        request(cookie),
        request(&format!("{}A", &cookie[..cookie.len() - 1])),
    );
    let clock = Clock::system();
    let mut race = Race::new();
    race.add("read the system's clock", OPERATIONS, |times| {
        for _ in 0..times {
            black_box(clock.now());
        }
    });
    race.add("begin and end, unused", OPERATIONS, |times| {
        for _ in 0..times {
            let session = sessions.begin(black_box(&good));
            sessions.abandon(&session, &mut HeaderMap::new());
        }
    });
    race.add(
        "the same, cookie read and verified, id digested",
        OPERATIONS,
        |times| {
            for _ in 0..times {
                let session = sessions.begin(black_box(&good));
                session.touch().expect("open");
                sessions.abandon(&session, &mut HeaderMap::new());
            }
        },
    );
    race.add("the same, forged", OPERATIONS, |times| {
        for _ in 0..times {
            let session = sessions.begin(black_box(&forged));
            session.touch().expect("open");
            sessions.abandon(&session, &mut HeaderMap::new());
        }
    });
    report("cookies", race, rounds);
}
