use level_session_tests_tower_sessions::{on_fjall, on_memory};
use serde_json::json;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use tower_sessions::{
    MemoryStore, Session, SessionStore,
    session::{Id, Record},
};

/// Asserts that a property does not hold on tower-sessions' own store, and holds on both of ours.
macro_rules! gained {
    ($holds:ident) => {
        assert!(
            !$holds(Arc::new(MemoryStore::default())).await,
            "tower-sessions' own store has this property too, so it is not a benefit"
        );
        assert!($holds(Arc::new(on_memory())).await);
        assert!($holds(Arc::new(on_fjall())).await);
    };
}

/// A stored session with one key.
async fn stored<S: SessionStore>(store: &Arc<S>) -> Id {
    let session = Session::new(None, store.clone(), None);
    session.insert("theme", "light").await.unwrap();
    session.save().await.unwrap();
    session.id().unwrap()
}

/// Another request on the session with this id, which has already loaded it.
async fn request<S: SessionStore>(store: &Arc<S>, id: Id) -> Session {
    let session = Session::new(Some(id), store.clone(), None);
    session.get_value("theme").await.unwrap();
    session
}

/// The content that a new request sees.
async fn found<S: SessionStore>(store: &Arc<S>, id: Id) -> Option<Record> {
    store.load(&id).await.unwrap()
}

/// Prevents: an item that vanishes from the cart because another tab changed the language at the same time.
#[tokio::test]
async fn two_requests_that_change_different_keys_keep_both() {
    async fn holds<S: SessionStore>(store: Arc<S>) -> bool {
        let id = stored(&store).await;
        let (one, two) = (request(&store, id).await, request(&store, id).await);
        one.insert("cart", json!(["tea"])).await.unwrap();
        two.insert("language", "de").await.unwrap();
        two.remove_value("theme").await.unwrap();
        two.save().await.unwrap();
        one.save().await.unwrap();
        let data = found(&store, id).await.unwrap().data;
        data.get("cart") == Some(&json!(["tea"]))
            && data.get("language") == Some(&json!("de"))
            && !data.contains_key("theme")
    }
    gained!(holds);
}

/// Prevents: a user who has signed out and is signed in again by a request in flight.
#[tokio::test]
async fn what_another_request_has_ended_stays_dead() {
    async fn holds<S: SessionStore>(store: Arc<S>) -> bool {
        let id = stored(&store).await;
        let (signs_out, works) = (request(&store, id).await, request(&store, id).await);
        works.insert("cart", json!(["tea"])).await.unwrap();
        signs_out.flush().await.unwrap();
        works.save().await.is_err() && found(&store, id).await.is_none()
    }
    gained!(holds);
}

/// Prevents: an id that an attacker knows and that works again after the sign-in that should replace it.
#[tokio::test]
async fn an_id_that_was_cycled_stays_dead() {
    async fn holds<S: SessionStore>(store: Arc<S>) -> bool {
        let id = stored(&store).await;
        let (signs_in, works) = (request(&store, id).await, request(&store, id).await);
        signs_in.cycle_id().await.unwrap();
        signs_in.insert("user", 7).await.unwrap();
        signs_in.save().await.unwrap();
        works.insert("cart", json!(["tea"])).await.unwrap();
        works.save().await.is_err() && found(&store, id).await.is_none()
    }
    gained!(holds);
}

/// Prevents: a session that was ended everywhere but continues under another id.
#[tokio::test]
async fn what_another_request_has_ended_is_not_cycled() {
    async fn is_refused<S: SessionStore>(store: &Arc<S>, session: &Session, id: Id) -> bool {
        let cycled = match session.cycle_id().await {
            Ok(()) => session.save().await,
            Err(error) => Err(error),
        };
        cycled.is_err() && found(store, session.id().unwrap_or(id)).await.is_none()
    }
    async fn holds<S: SessionStore>(store: Arc<S>) -> bool {
        let id = stored(&store).await;
        let (signs_out, cycles) = (request(&store, id).await, request(&store, id).await);
        signs_out.flush().await.unwrap();
        is_refused(&store, &cycles, id).await
    }
    gained!(holds);
    async fn holds_between_processes<S: SessionStore>(store: Arc<S>) -> bool {
        let id = stored(&store).await;
        let cycles = request(&store, id).await;
        end_elsewhere(&store, id).await;
        is_refused(&store, &cycles, id).await
    }
    gained!(holds_between_processes);
}

/// Prevents: a sign-out that has no effect because a concurrent request cycles the id.
#[tokio::test]
async fn a_sign_out_between_cycling_and_saving_wins() {
    async fn holds<S: SessionStore>(store: Arc<S>) -> bool {
        let id = stored(&store).await;
        let (signs_out, cycles) = (request(&store, id).await, request(&store, id).await);
        cycles.cycle_id().await.unwrap();
        signs_out.flush().await.unwrap();
        cycles.save().await.is_err() && cycles.id().is_none()
    }
    gained!(holds);
}

/// Ends a session without using the store of this process.
async fn end_elsewhere<S: SessionStore>(store: &Arc<S>, id: Id) {
    let store: &dyn std::any::Any = &**store;
    match store.downcast_ref::<level_session_tower_sessions::BridgeStore>() {
        Some(ours) => {
            let store = level_session_tests_tower_sessions::another_process(ours);
            store.delete(&id).await.unwrap();
        }
        None => {
            let theirs = store.downcast_ref::<MemoryStore>().unwrap();
            theirs.delete(&id).await.unwrap();
        }
    }
}

/// Prevents: changes from another tab that a sign-in loses.
#[tokio::test]
async fn what_was_stored_before_a_session_is_cycled_comes_along() {
    async fn holds<S: SessionStore>(store: Arc<S>) -> bool {
        let id = stored(&store).await;
        let (signs_in, works) = (request(&store, id).await, request(&store, id).await);
        works.insert("cart", json!(["tea"])).await.unwrap();
        works.remove_value("theme").await.unwrap();
        works.save().await.unwrap();
        signs_in.cycle_id().await.unwrap();
        signs_in.insert("user", 7).await.unwrap();
        signs_in.save().await.unwrap();
        let data = found(&store, signs_in.id().unwrap()).await.unwrap().data;
        data.get("cart") == Some(&json!(["tea"]))
            && data.get("user") == Some(&json!(7))
            && !data.contains_key("theme")
    }
    gained!(holds);
}

/// Prevents: an expired session that is revived by a request that began before it expired.
#[tokio::test]
async fn what_has_expired_stays_dead() {
    async fn holds<S: SessionStore>(store: Arc<S>) -> bool {
        let mut record = Record {
            id: Id::default(),
            data: [("user".to_owned(), json!(7))].into(),
            expiry_date: OffsetDateTime::now_utc() - Duration::seconds(1),
        };
        store.create(&mut record).await.unwrap();
        record.expiry_date = OffsetDateTime::now_utc() + Duration::days(1);
        store.save(&record).await.is_err() && found(&store, record.id).await.is_none()
    }
    gained!(holds);
}

/// Prevents: session fixation, where an id that an attacker put into the victim's browser becomes a session.
#[tokio::test]
async fn an_id_that_the_server_did_not_issue_makes_no_record() {
    async fn holds<S: SessionStore>(store: Arc<S>) -> bool {
        let planted = Id::default();
        let session = Session::new(Some(planted), store.clone(), None);
        // A form that starts over.
        session.clear().await;
        session.insert("user", 7).await.unwrap();
        session.save().await.is_err() && found(&store, planted).await.is_none()
    }
    gained!(holds);
}

/// Prevents: a log or a copy of the store that reveals the ids of signed-in users (S05, S08).
#[tokio::test]
async fn neither_the_store_nor_its_debug_shows_an_id() {
    async fn holds<S: SessionStore>(store: Arc<S>) -> bool {
        let id = stored(&store).await;
        let shown = format!("{store:?}");
        !shown.contains(&id.0.to_string()) && !shown.contains("light")
    }
    gained!(holds);
    let folder = tempfile::tempdir().unwrap();
    let store = level_session_fjall::FjallStore::open(folder.path().join("sessions")).unwrap();
    let store = Arc::new(level_session_tower_sessions::BridgeStore::new(store));
    let id = stored(&store).await;
    store.inner().close().await.unwrap();
    let kept = level_session_tests_tower_sessions::bytes_of(folder.path());
    let holds = |what: &[u8]| kept.windows(what.len()).any(|bytes| bytes == what);
    assert!(holds(b"light"), "the search finds stored values");
    assert!(!holds(&id.0.to_le_bytes()) && !holds(&id.0.to_be_bytes()));
    assert!(!holds(id.to_string().as_bytes()));
}

/// Prevents: a deployment that signs out all users.
#[tokio::test]
async fn a_session_outlives_the_process() {
    let theirs = Arc::new(MemoryStore::default());
    let id = stored(&theirs).await;
    drop(theirs);
    assert!(found(&Arc::new(MemoryStore::default()), id).await.is_none());

    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let store = level_session_fjall::FjallStore::open(folder.path().join("sessions")).unwrap();
        Arc::new(level_session_tower_sessions::BridgeStore::new(store))
    };
    let store = open();
    let id = stored(&store).await;
    store.inner().close().await.unwrap();
    drop(store);
    let record = found(&open(), id).await.unwrap();
    assert_eq!(record.data["theme"], json!("light"));
}
