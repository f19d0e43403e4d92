//! The bounds of a session: how much data a client can make the server store.

use super::*;
use crate::{
    ErrorKind,
    store::{Clock, MemoryStore},
};

fn sessions(store: &Arc<MemoryStore>, fields: usize, bytes: usize) -> Sessions {
    let keyring = Keyring::new([[7_u8; 32]]).unwrap();
    Sessions::builder(Arc::clone(store), keyring)
        .max_fields(fields)
        .max_value_bytes(bytes)
        .clock(Clock::system())
        .build()
        .unwrap()
}

async fn next(sessions: &Sessions, session: &UntypedSession) -> HeaderMap {
    let mut response = HeaderMap::new();
    sessions.finish(session, &mut response).await.unwrap();
    let cookie = response["set-cookie"].to_str().unwrap();
    let mut request = HeaderMap::new();
    let pair = cookie.split(';').next().unwrap();
    request.insert("cookie", pair.parse().unwrap());
    request
}

/// Without a bound, a session could grow with every request of a client. A session that exceeds a lowered bound must
/// not lock its user out.
#[tokio::test]
async fn a_session_has_no_more_fields_than_it_may_and_one_that_has_can_shrink() {
    let store = Arc::new(MemoryStore::new());
    let wide = sessions(&store, 4, 100);
    let session = wide.begin(&HeaderMap::new());
    for key in ["a", "b", "c", "d"] {
        session.set(key, 1).unwrap();
    }
    let request = next(&wide, &session).await;

    let session = wide.begin(&request);
    session.set("e", 1).unwrap();
    session.set("a", 2).unwrap();
    let refused = session.commit().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(!refused.may_be_stored());
    let message = refused.to_string();
    assert!(
        message.contains("5 fields") && message.contains("limit of 4"),
        "{message}"
    );
    let other = wide.begin(&request);
    assert_eq!(
        other.get::<u64>("a").await.unwrap(),
        Some(1),
        "nothing is stored"
    );
    session.del("b").unwrap();
    session.commit().await.unwrap();

    let narrow = sessions(&store, 2, 100);
    let session = narrow.begin(&request);
    assert_eq!(
        session.get::<u64>("e").await.unwrap(),
        Some(1),
        "it is read"
    );
    session.set("e", 3).unwrap();
    session.commit().await.unwrap();
    session.set("f", 3).unwrap();
    assert_eq!(
        session.commit().await.unwrap_err().kind(),
        ErrorKind::TooLarge
    );
    for key in ["a", "c", "d"] {
        session.del(key).unwrap();
    }
    session.commit().await.unwrap();
    assert_eq!(session.get_all().await.unwrap().into_map().len(), 2);
}

/// A bound on the number of fields does not prevent a value of a megabyte in each of many sessions.
#[tokio::test]
async fn a_value_has_no_more_bytes_than_it_may() {
    let sessions = sessions(&Arc::default(), 10, 100);
    let session = sessions.begin(&HeaderMap::new());
    session.set("small", "x".repeat(50)).unwrap();
    session.set("large", "s3cret".repeat(50)).unwrap();
    let refused = session.commit().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert_eq!(refused.field(), Some("large"));
    assert!(!format!("{refused} {refused:?}").contains("s3cret"));
    session.set("large", "x").unwrap();
    session.commit().await.unwrap();
}
