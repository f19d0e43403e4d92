//! The store for tower-sessions, call by call, with a manual clock.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use level_session_store::{
    Bytes, Clock, Commit, Digest, Home, MemoryStore, Outcome, Step, Store, StoreFuture, Timestamp,
    Wrapper, Write,
    testing::{Call, Faults, FaultyStore},
};
use level_session_tower_sessions::BridgeStore;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use time::OffsetDateTime;
use tower_sessions_0_15::{
    ExpiredDeletion, Session, SessionStore,
    session::{Id, Record},
    session_store::Error,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A store with a manual clock that is set to the current time.
struct World {
    clock: Clock,
    memory: Arc<MemoryStore>,
    faults: Faults,
    store: BridgeStore,
}

impl World {
    fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        let memory = Arc::new(MemoryStore::new());
        let (faulty, faults) = FaultyStore::new(memory.clone());
        let store = BridgeStore::builder(faulty)
            .with_index("login", "/user")
            .with_clock(clock.clone())
            .build()
            .unwrap();
        Self {
            clock,
            memory,
            faults,
            store,
        }
    }

    /// A time after the clock's.
    fn later(&self, by: Duration) -> OffsetDateTime {
        let now = i128::from(self.clock.now().as_millis()) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(now).unwrap() + by
    }

    /// Creates a stored session, and returns its id.
    async fn stored(&self, data: Value) -> Id {
        let mut record = Record {
            id: Id::default(),
            data: serde_json::from_value(data).unwrap(),
            expiry_date: self.later(HOUR),
        };
        self.store.create(&mut record).await.unwrap();
        record.id
    }

    async fn load(&self, id: Id) -> Record {
        self.store.load(&id).await.unwrap().unwrap()
    }

    /// The content of a session, without the store's own entry.
    async fn holds(&self, id: Id) -> Option<Value> {
        let mut data = self.store.load(&id).await.unwrap()?.data;
        data.remove("level-session:loaded").unwrap();
        Some(serde_json::to_value(data).unwrap())
    }

    /// Does the same as `Session::cycle_id`.
    async fn begin_cycle(&self, record: &mut Record) {
        let former = std::mem::take(&mut record.id);
        self.store.delete(&former).await.unwrap();
    }

    async fn users(&self, user: u64) -> usize {
        self.store.find("login", &user).await.unwrap().len()
    }
}

/// Prevents: an older value that overwrites a newer one, or a removed key that comes back.
#[tokio::test]
async fn of_two_values_of_one_key_the_last_one_wins() {
    let world = World::new();
    let id = world
        .stored(json!({ "n": 0, "gone": 1, "kept": {"a": [1.5, null]} }))
        .await;
    let (mut one, mut two) = (world.load(id).await, world.load(id).await);
    one.data.insert("n".into(), json!(1));
    one.data.remove("gone");
    two.data.insert("n".into(), json!(2));
    world.store.save(&one).await.unwrap();
    world.store.save(&two).await.unwrap();
    let held = world.holds(id).await;
    assert_eq!(held, Some(json!({ "n": 2, "kept": {"a": [1.5, null]} })));
}

/// Prevents: a save that writes the whole record although only one key has changed.
#[tokio::test]
async fn a_save_writes_the_keys_that_have_changed() {
    let world = World::new();
    let id = world.stored(json!({ "a": 1, "b": 2 })).await;
    let mut record = world.load(id).await;
    record.data.insert("b".into(), json!(3));
    // Another program has changed other keys, through the store's own interface.
    let digest = world.digests().await[0];
    let writes = [Write::set("a".into(), stored(&json!("elsewhere")))];
    let step = Step::keep(None);
    let commit = Commit::new(digest, world.clock.now(), step).with_writes(&writes);
    assert!(world.memory.commit(commit).await.unwrap().is_done());
    world.store.save(&record).await.unwrap();
    let calls = world.faults.calls();
    let Some(Call::Commit { fields, .. }) = calls.last() else {
        panic!("{calls:?}");
    };
    assert_eq!(*fields, ["b", "level-session:tower-sessions"]);
    let held = world.holds(id).await;
    assert_eq!(held, Some(json!({ "a": "elsewhere", "b": 3 })));
}

/// Prevents: a key that is taken for its neighbour, a new key that is overlooked because another was removed, and a key that is
/// written although it has not changed.
#[tokio::test]
async fn a_save_writes_what_is_new_what_has_changed_and_what_is_gone() {
    let world = World::new();
    let id = world
        .stored(json!({ "a": 1, "ab": 2, "b": 3, "\u{e9}": 4, "kept": {"b": 1, "a": [2.5]} }))
        .await;
    let mut record = world.load(id).await;
    record.data.remove("ab");
    record.data.insert("ba".into(), json!(5));
    record.data.insert("\u{e9}".into(), json!(6));
    record.data.insert("b".into(), json!(3));
    world.store.save(&record).await.unwrap();
    let calls = world.faults.calls();
    let Some(Call::Commit { fields, .. }) = calls.last() else {
        panic!("{calls:?}");
    };
    let mut fields = fields.clone();
    fields.sort();
    let written = ["ab", "ba", "level-session:tower-sessions", "\u{e9}"];
    assert_eq!(fields, written);
    let held = world.holds(id).await;
    let kept = json!({"b": 1, "a": [2.5]});
    assert_eq!(
        held,
        Some(json!({ "a": 1, "b": 3, "ba": 5, "\u{e9}": 6, "kept": kept }))
    );
}

impl World {
    async fn digests(&self) -> Vec<Digest> {
        self.memory
            .page(None, 100, self.clock.now())
            .await
            .unwrap()
            .items
    }
}

fn stored(value: &Value) -> Bytes {
    level_session_store::Value::of(value)
        .unwrap()
        .to_stored(None)
        .unwrap()
}

/// Prevents: `clear` that keeps keys that the request has not read, or that fails for a session that has ended.
#[tokio::test]
async fn a_cleared_record_replaces_everything() {
    let world = World::new();
    let id = world.stored(json!({ "a": 1, "b": 2 })).await;
    // Before and after the session is loaded.
    for mut record in [
        Record {
            id,
            ..world.load(id).await
        },
        world.load(id).await,
    ] {
        record.data.clear();
        record.data.insert("c".into(), json!(3));
        world.store.save(&record).await.unwrap();
        assert_eq!(world.holds(id).await, Some(json!({ "c": 3 })));
    }
    world.store.delete(&id).await.unwrap();
    let mut record = Record {
        id,
        data: [].into(),
        expiry_date: world.later(HOUR),
    };
    world.store.save(&record).await.unwrap();
    assert_eq!(world.holds(id).await, None, "the session is not revived");
    record.data.insert("c".into(), json!(3));
    assert!(world.store.save(&record).await.is_err());
}

/// Prevents: an id that attackers compute from their own, so that a victim signs in to the attacker's session.
#[tokio::test]
async fn an_alias_is_no_id() {
    let world = World::new();
    let id = world.stored(json!({ "a": 1 })).await;
    let alias = world.load(id).await.id;
    assert_ne!(alias, id);
    assert!(world.store.load(&alias).await.unwrap().is_none());
    // Another store, as in another process, has another alias.
    let other = BridgeStore::builder(world.memory.clone())
        .with_clock(world.clock.clone())
        .build()
        .unwrap();
    let elsewhere = other.load(&id).await.unwrap().unwrap();
    assert_ne!(elsewhere.id, alias);
}

/// Prevents: a lost or duplicated session if a request cycles a session that it has just created.
#[tokio::test]
async fn a_session_is_cycled_by_the_request_that_made_it() {
    let store = Arc::new(BridgeStore::new(MemoryStore::new()));
    let session = Session::new(None, store.clone(), None);
    session.insert("a", 1).await.unwrap();
    session.save().await.unwrap();
    let first = session.id().unwrap();
    session.cycle_id().await.unwrap();
    session.insert("b", 2).await.unwrap();
    session.save().await.unwrap();
    let second = session.id().unwrap();
    session.insert("c", 3).await.unwrap();
    session.save().await.unwrap();
    assert!(store.load(&first).await.unwrap().is_none());
    let data = store.load(&second).await.unwrap().unwrap().data;
    let held = ["a", "b", "c"].map(|key| data[key].clone());
    assert_eq!(held, [json!(1), json!(2), json!(3)]);
}

/// Prevents: a request that still reads the old value of a key after it has given the session another id, and a later save of
/// it that stores that value.
#[tokio::test]
async fn a_cycled_record_holds_what_is_stored() {
    let world = World::new();
    let id = world
        .stored(json!({ "mine": 1, "gone": 2, "theirs": 3, "ended": 4 }))
        .await;
    let (mut record, mut other) = (world.load(id).await, world.load(id).await);
    other.data.insert("theirs".into(), json!(30));
    other.data.remove("ended");
    world.store.save(&other).await.unwrap();
    record.data.insert("mine".into(), json!(10));
    record.data.remove("gone");
    world.begin_cycle(&mut record).await;
    world.store.create(&mut record).await.unwrap();
    let stored = json!({ "mine": 10, "theirs": 30 });
    assert_eq!(world.holds(record.id).await, Some(stored.clone()));
    let mut held = record.data.clone();
    held.remove("level-session:loaded");
    assert_eq!(json!(held), stored);
    world.store.save(&record).await.unwrap();
    assert_eq!(world.holds(record.id).await, Some(stored));
}

/// Prevents: a save by another request to a session that was cycled and never picked up; and such a session that still works
/// under the old id.
#[tokio::test]
async fn a_cycled_session_is_nobodys_until_it_is_saved() {
    let world = World::new();
    let id = world.stored(json!({ "login": {"user": 7} })).await;
    let (mut cycles, mut works) = (world.load(id).await, world.load(id).await);
    world.begin_cycle(&mut cycles).await;
    assert_eq!(world.holds(id).await, None);
    assert_eq!(world.users(7).await, 0);
    works.data.insert("a".into(), json!(1));
    assert!(world.store.save(&works).await.is_err());
    // The second cycle finds the session already cycled; only one of the two gets it.
    world.begin_cycle(&mut works).await;
    world.store.create(&mut cycles).await.unwrap();
    assert!(world.store.create(&mut works).await.is_err());
    assert_eq!(
        world.holds(cycles.id).await,
        Some(json!({ "login": {"user": 7} }))
    );
    assert_eq!(world.users(7).await, 1);

    let mut left = world.load(cycles.id).await;
    world.begin_cycle(&mut left).await;
    world.clock.advance(Duration::from_secs(60));
    assert!(world.store.create(&mut left).await.is_err(), "too late");
    world.store.delete_expired().await.unwrap();
    assert_eq!(world.digests().await, []);
}

/// Prevents: a sign-out that reports success while the session continues under the id that it has just got.
#[tokio::test]
async fn a_sign_out_that_comes_after_the_cycle_says_so() {
    let world = World::new();
    let id = world.stored(json!({})).await;
    let mut cycles = world.load(id).await;
    world.begin_cycle(&mut cycles).await;
    world.store.create(&mut cycles).await.unwrap();
    assert!(world.store.delete(&id).await.is_err());
    world.clock.advance(Duration::from_secs(61));
    world.store.delete(&id).await.unwrap();
    assert_eq!(world.holds(cycles.id).await, Some(json!({})));
}

/// Prevents: a request to a sharded store to move a session to another shard.
#[tokio::test]
async fn a_cycled_session_keeps_its_home() {
    struct Sharded(Arc<MemoryStore>);
    impl Wrapper for Sharded {
        fn inner(&self) -> &dyn Store {
            &*self.0
        }
        fn wrap_home(&self, id: Digest) -> Home {
            Home::new(u16::from(id.as_bytes()[0] % 16))
        }
        fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
            if let Step::Renew { to, .. } = commit.step {
                assert_eq!(self.wrap_home(to), self.wrap_home(commit.id));
            }
            self.0.commit(commit)
        }
    }
    let store = Arc::new(BridgeStore::new(Sharded(Arc::new(MemoryStore::new()))));
    for _ in 0..20 {
        let session = Session::new(None, store.clone(), None);
        session.insert("a", 1).await.unwrap();
        session.save().await.unwrap();
        let session = Session::new(session.id(), store.clone(), None);
        session.cycle_id().await.unwrap();
        session.save().await.unwrap();
        assert!(store.load(&session.id().unwrap()).await.unwrap().is_some());
    }
}

/// Prevents: a session that expires earlier or later than tower-sessions specifies, to the nanosecond.
#[tokio::test]
async fn expiry_is_theirs() {
    let world = World::new();
    let id = world.stored(json!({ "a": 1 })).await;
    let mut record = world.load(id).await;
    assert_eq!(record.expiry_date, world.later(HOUR));

    // Longer.
    world.clock.advance(HOUR - Duration::from_secs(1));
    record.expiry_date = world.later(10 * HOUR) + Duration::from_nanos(1);
    world.store.save(&record).await.unwrap();
    assert_eq!(world.load(id).await.expiry_date, record.expiry_date);

    // A long request that has extended the session itself.
    world.clock.advance(2 * HOUR);
    world.store.save(&record).await.unwrap();

    // Shorter than the time since its last use.
    world.clock.advance(3 * HOUR);
    let mut record = world.load(id).await;
    record.expiry_date = world.later(Duration::from_secs(2));
    world.store.save(&record).await.unwrap();
    world.clock.advance(Duration::from_millis(1_999));
    let late = world.load(id).await;
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.holds(id).await, None);
    assert!(world.store.save(&late).await.is_err());
    assert_eq!(world.users(7).await, 0);

    world.clock.advance(10 * HOUR);
    world.store.delete_expired().await.unwrap();
    assert_eq!(world.digests().await, [], "the session is finally removed");
}

/// Prevents: a user who cannot be signed out elsewhere, and a user who is signed out together with others.
#[tokio::test]
async fn the_sessions_of_a_user_are_found_and_ended() {
    let world = World::new();
    let mut sevens = Vec::new();
    for user in [7, 7, 7, 8] {
        let id = world
            .stored(json!({ "login": {"user": user, "hash": [1, 2]} }))
            .await;
        sevens.push(id);
    }
    // Signed in later by a save, signed out, and cycled.
    let late = world.stored(json!({ "login": {"user": null} })).await;
    let mut record = world.load(late).await;
    record.data.insert("login".into(), json!({"user": 7}));
    world.store.save(&record).await.unwrap();
    let mut record = world.load(sevens[0]).await;
    record.data.remove("login");
    world.store.save(&record).await.unwrap();
    let mut record = world.load(sevens[1]).await;
    world.begin_cycle(&mut record).await;
    world.store.create(&mut record).await.unwrap();
    let cycled = record.id;

    let found = world.store.find("login", &7).await.unwrap();
    assert_eq!(found.len(), 3);
    for id in [cycled, sevens[2], late] {
        assert_eq!(found.iter().filter(|session| session.is(id)).count(), 1);
    }
    assert!(
        found
            .iter()
            .all(|session| session.expires == world.later(HOUR))
    );

    assert_eq!(world.store.end_others("login", &7, late).await.unwrap(), 2);
    assert_eq!(world.users(7).await, 1);
    assert_eq!(world.holds(cycled).await, None);
    assert!(world.holds(late).await.is_some());
    assert!(world.holds(sevens[0]).await.is_some(), "signed out already");
    assert_eq!(world.store.end_all("login", &7).await.unwrap(), 1);
    assert_eq!((world.users(7).await, world.users(8).await), (0, 1));
    assert!(
        world.store.find("theme", &1).await.is_err(),
        "the key has no index"
    );
}

/// Prevents: a key that is reserved for the library, and a key that is too long.
#[tokio::test]
async fn keys_that_no_session_may_have_are_refused() {
    let world = World::new();
    let id = world.stored(json!({ "a": 1 })).await;
    let long = "k".repeat(1025);
    for key in [
        "",
        "level-session:tower-sessions",
        "level-session:loaded",
        &long,
    ] {
        let mut record = world.load(id).await;
        record.data.insert(key.to_owned(), json!("secret"));
        record.data.insert("a".to_owned(), json!(2));
        let error = world.store.save(&record).await.unwrap_err();
        assert!(
            matches!(&error, Error::Encode(text) if !text.contains("secret")),
            "{error}"
        );
    }
    assert_eq!(world.holds(id).await, Some(json!({ "a": 1 })));
}

/// Prevents: a record that is saved under another id than the one it was loaded with.
#[tokio::test]
async fn a_record_stays_with_its_session() {
    let world = World::new();
    let one = world.stored(json!({ "a": 1 })).await;
    let two = world.stored(json!({ "a": 2 })).await;
    let mut record = world.load(one).await;
    record.id = two;
    assert!(matches!(
        world.store.save(&record).await,
        Err(Error::Encode(_))
    ));
    // A record whose session is live, or ended long ago, cannot be created again, whether it was loaded or created.
    let mut copy = world.load(one).await;
    copy.id = Id::default();
    assert!(world.store.create(&mut copy).await.is_err());
    let mut made = Record {
        id: Id::default(),
        data: [("a".to_owned(), json!(3))].into(),
        expiry_date: world.later(HOUR),
    };
    world.store.create(&mut made).await.unwrap();
    let id = std::mem::take(&mut made.id);
    assert!(world.store.create(&mut made).await.is_err());
    world.store.delete(&id).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    assert!(world.store.create(&mut made).await.is_err());
    assert_eq!(world.holds(two).await, Some(json!({ "a": 2 })));
}

/// Prevents: an empty session if the store fails (F05), and a session without the field that identifies the user.
#[tokio::test]
async fn what_cannot_be_read_is_an_error() {
    let world = World::new();
    let id = world.stored(json!({ "a": 1 })).await;
    let writes = [Write::set("a".into(), (&[0xFF, 0xFF]).into())];
    let step = Step::keep(None);
    let digest = world.digests().await[0];
    let commit = Commit::new(digest, world.clock.now(), step).with_writes(&writes);
    assert!(world.memory.commit(commit).await.unwrap().is_done());
    assert!(matches!(world.store.load(&id).await, Err(Error::Decode(_))));
    let other = world.stored(json!({ "a": 1 })).await;
    let mut record = world.load(other).await;
    record.data.insert("a".into(), json!(2));
    world.faults.fail_loads(true);
    assert!(matches!(
        world.store.load(&other).await,
        Err(Error::Backend(_))
    ));
    assert!(matches!(
        world.store.delete(&other).await,
        Err(Error::Backend(_))
    ));
    world.faults.fail_loads(false);
    world.faults.fail_commits(true);
    assert!(matches!(
        world.store.save(&record).await,
        Err(Error::Backend(_))
    ));
    world.faults.fail_commits(false);
    assert_eq!(world.holds(other).await, Some(json!({ "a": 1 })));
}

/// Prevents: changes that are lost if a browser sends many requests at once, over real connections.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_at_once_every_key_is_kept() {
    use axum::{Router, extract::Path, routing::get};
    use level_session_tests::http::Client;
    use tower_sessions_0_15::SessionManagerLayer;
    const REQUESTS: usize = 32;

    // All requests have loaded the session before the first one saves it.
    let together = Arc::new(tokio::sync::Barrier::new(REQUESTS));
    let set = async move |session: Session, Path(key): Path<String>| {
        session.insert(&key, true).await.unwrap();
        if key != "first" {
            together.wait().await;
        }
    };
    let count = async |session: Session| {
        let mut count = 0;
        for n in 0..REQUESTS {
            let key = format!("k{n}");
            count += usize::from(session.get_value(&key).await.unwrap().is_some());
        }
        count.to_string()
    };
    let layer = SessionManagerLayer::new(level_session_tests_tower_sessions::on_fjall());
    let app: Router = Router::new()
        .route("/set/{key}", get(set))
        .route("/count", get(count))
        .layer(layer.with_secure(false));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Client::new(listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    client.get("/set/first").await;
    let mut requests = tokio::task::JoinSet::new();
    for n in 0..REQUESTS {
        let mut client = client.clone();
        requests.spawn(async move { client.get(&format!("/set/k{n}")).await.status });
    }
    while let Some(status) = requests.join_next().await {
        assert!(status.unwrap().is_success());
    }
    assert_eq!(client.get("/count").await.body, REQUESTS.to_string());
    server.abort();
}

/// Prevents: an id or a value in a log (S08).
#[tokio::test]
async fn nothing_that_is_printed_shows_an_id_or_a_value() {
    use level_session_tower_sessions::{SessionId, TowerSessionLayer};
    let world = World::new();
    let id = world
        .stored(json!({ "login": {"user": 7, "diary": "dear diary"} }))
        .await;
    let found = world.store.find("login", &7).await.unwrap();
    let mut record = world.load(id).await;
    record
        .data
        .insert("level-session:x".into(), json!("dear diary"));
    let refused = world.store.save(&record).await.unwrap_err();
    world.store.delete(&id).await.unwrap();
    record.data.remove("level-session:x");
    let gone = world.store.save(&record).await.unwrap_err();
    let printed = format!(
        "{:?} {:?} {:?} {found:?} {:?} {refused} {refused:?} {gone} {gone:?}",
        world.store,
        BridgeStore::builder(MemoryStore::new()).with_index("login", "/user"),
        SessionId::from(id),
        TowerSessionLayer::new(),
    );
    assert!(printed.len() > 500, "{printed}");
    let secrets =
        [id, record.id].map(|id| [id.to_string(), id.0.to_string(), format!("{:x}", id.0)]);
    for secret in secrets.as_flattened() {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(!printed.contains("dear diary"), "{printed}");
}
