//! The whole API compared with a plain map: for any sequence of requests, typed or untyped, committed or not, a visitor
//! sees the contents of the map.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use level_session::{
    ErrorKind, Expiry, FjallStore, MemoryStore, Session, SessionData, Value, store::Store,
};
use level_session_tests::visitor::{App, Visitor};
use proptest::{collection::vec, prelude::*};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[derive(Debug, Clone, PartialEq, SessionData)]
struct Data {
    name: Option<String>,
    #[session(counter)]
    count: i64,
    #[session(default)]
    list: Vec<u8>,
    #[session(flash)]
    notice: Option<String>,
    #[session(ttl = "40s")]
    code: Option<u32>,
}

type Typed = Session<Data>;

/// One operation of a handler.
#[derive(Debug, Clone)]
enum Op {
    SetName(String),
    RemoveName,
    Add(i32),
    Push(u8),
    PushUntyped(u8),
    SetList(Vec<u8>),
    RemoveList,
    TakeList,
    Notice(String),
    ReadNotice,
    PeekNotice,
    Code(u32),
    TakeCode,
    Set(u8, i64),
    Del(u8),
    Take(u8),
    Store(Option<String>, i32, Vec<u8>),
    Clear,
    Renew,
    Touch,
    Destroy,
    Commit,
    Look,
}

/// A request: its operations, whether it succeeds, and the number of seconds that pass after it.
type Request = (Vec<Op>, bool, u8);

fn op() -> impl Strategy<Value = Op> {
    let text = || "[a-c]{0,3}";
    let key = || 0..4_u8;
    prop_oneof![
        4 => text().prop_map(Op::SetName),
        1 => Just(Op::RemoveName),
        4 => (-5..5).prop_map(Op::Add),
        4 => any::<u8>().prop_map(Op::Push),
        2 => any::<u8>().prop_map(Op::PushUntyped),
        2 => vec(any::<u8>(), 0..3).prop_map(Op::SetList),
        1 => Just(Op::RemoveList),
        1 => Just(Op::TakeList),
        2 => text().prop_map(Op::Notice),
        2 => Just(Op::ReadNotice),
        1 => Just(Op::PeekNotice),
        2 => any::<u32>().prop_map(Op::Code),
        2 => Just(Op::TakeCode),
        3 => (key(), any::<i64>()).prop_map(|(key, value)| Op::Set(key, value)),
        2 => key().prop_map(Op::Del),
        2 => key().prop_map(Op::Take),
        2 => (proptest::option::of(text()), -5..5, vec(any::<u8>(), 0..3))
            .prop_map(|(name, add, list)| Op::Store(name, add, list)),
        1 => Just(Op::Clear),
        1 => Just(Op::Renew),
        1 => Just(Op::Touch),
        1 => Just(Op::Destroy),
        2 => Just(Op::Commit),
        8 => Just(Op::Look),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    (
        vec(op(), 0..8),
        proptest::bool::weighted(0.8),
        prop_oneof![5 => 0..30_u8, 1 => Just(100)],
    )
}

/// A session as a map.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    map: BTreeMap<String, Value>,
    code_until: u64,
}

impl Model {
    fn list(&self) -> Option<Vec<u8>> {
        self.map.get("list").map(|list| list.read().unwrap())
    }
    fn text(&self, key: &str) -> Option<String> {
        self.map.get(key).map(|text| text.read().unwrap())
    }
    fn count(&self) -> Option<i64> {
        self.map.get("count").map(|count| count.read().unwrap())
    }
    fn set(&mut self, key: &str, value: impl serde::Serialize) {
        self.map.insert(key.to_owned(), Value::of(&value).unwrap());
    }
    fn at(mut self, now: u64) -> Self {
        if now >= self.code_until {
            self.map.remove("code");
        }
        self
    }
}

/// A request as the model represents it.
#[derive(Debug, Default)]
struct Unit {
    /// The stored fields; `None` if there is no session.
    saved: Option<Model>,
    /// The fields as the request sees them.
    seen: Model,
    /// The fields that it has changed, and whether it set their value itself (`set`, `remove`) or derived it from the
    /// stored value (`update`).
    changed: BTreeMap<String, Changed>,
    /// Whether the stored value is hidden from it.
    cleared: bool,
    destroyed: bool,
    used: bool,
    committed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Changed {
    Own,
    Updated,
}

const IDLE: u64 = 90;

impl Unit {
    fn set(&mut self, key: &str, value: impl serde::Serialize) {
        self.seen.set(key, value);
        self.changed.insert(key.to_owned(), Changed::Own);
    }

    fn remove(&mut self, key: &str) {
        self.seen.map.remove(key);
        self.changed.insert(key.to_owned(), Changed::Own);
    }

    fn update(&mut self, key: &str, value: impl serde::Serialize) {
        self.seen.set(key, value);
        let fresh = if self.cleared {
            Changed::Own
        } else {
            Changed::Updated
        };
        self.changed.entry(key.to_owned()).or_insert(fresh);
    }

    /// The request's own value is taken when it commits, a stored value at once.
    fn take(&mut self, key: &str) {
        if self.seen.map.remove(key).is_none() {
            return;
        }
        if self.changed.get(key) == Some(&Changed::Own) {
            return;
        }
        self.changed.remove(key);
        if let Some(saved) = &mut self.saved {
            saved.map.remove(key);
        }
    }

    fn clear(&mut self) {
        self.seen = Model::default();
        self.changed.clear();
        self.cleared = true;
    }

    fn commit(&mut self) {
        if !self.used {
            return; // the session is not used, so there is no refresh
        }
        let nothing = self.seen.map.is_empty();
        self.saved = match &self.saved {
            Some(_) if self.destroyed && nothing => None,
            None if nothing => None,
            _ => Some(self.seen.clone()),
        };
        self.changed.clear();
        (self.cleared, self.destroyed, self.committed) = (false, false, true);
    }
}

async fn run(store: Arc<dyn Store>, requests: Vec<Request>) {
    let app = App::over(store).with_expiry(Expiry::idle(Duration::from_secs(IDLE)));
    let mut visitor = Visitor::new();
    let mut stored: Option<Model> = None;
    let (mut now, mut until) = (0, 0);
    for (ops, succeeds, wait) in requests {
        stored = stored.filter(|_| now < until).map(|model| model.at(now));
        let session: Typed = app.begin(&visitor);
        let mut unit = Unit {
            seen: stored.clone().unwrap_or_default(),
            saved: stored,
            ..Unit::default()
        };
        for op in ops {
            apply(&session, op, &mut unit, now).await;
        }
        if succeeds {
            app.finish(&session, &mut visitor).await.unwrap();
            unit.commit();
        } else {
            let mut response = http::HeaderMap::new();
            app.sessions.abandon(&session, &mut response);
            visitor.receive(&response);
        }
        if unit.committed {
            until = now + IDLE;
        }
        stored = unit.saved;
        app.sleep(u64::from(wait));
        now += u64::from(wait);
    }
}

/// Applies the operation to both, and compares the visible results.
async fn apply(s: &Typed, op: Op, unit: &mut Unit, now: u64) {
    unit.used |= !matches!(op, Op::Commit);
    match op {
        Op::SetName(name) => {
            s.name().set(name.clone()).unwrap();
            unit.set("name", name);
        }
        Op::RemoveName => {
            s.name().remove().unwrap();
            unit.remove("name");
        }
        Op::Add(n) => {
            s.count().add(n.into()).unwrap();
            let count = unit.seen.count().unwrap_or(0) + i64::from(n);
            unit.update("count", count);
        }
        Op::Push(n) => {
            s.list().update(move |list| list.push(n)).await.unwrap();
            let mut list = unit.seen.list().unwrap_or_default();
            list.push(n);
            unit.update("list", list);
        }
        Op::PushUntyped(n) => {
            let push = move |list: &mut Option<Vec<u8>>| list.get_or_insert_default().push(n);
            s.update("list", push).await.unwrap();
            let mut list = unit.seen.list().unwrap_or_default();
            list.push(n);
            unit.update("list", list);
        }
        Op::SetList(list) => {
            s.set("list", list.clone()).unwrap();
            unit.set("list", list);
        }
        Op::RemoveList => {
            s.list().remove().unwrap();
            unit.remove("list");
        }
        Op::TakeList => {
            assert_eq!(s.list().take().await.unwrap(), unit.seen.list());
            unit.take("list");
        }
        Op::Notice(text) => {
            s.notice().set(text.clone()).unwrap();
            unit.set("notice", text);
        }
        Op::ReadNotice => {
            assert_eq!(s.notice().await.unwrap(), unit.seen.text("notice"));
            unit.take("notice");
        }
        Op::PeekNotice => {
            assert_eq!(s.notice().peek().await.unwrap(), unit.seen.text("notice"));
        }
        Op::Code(code) => {
            s.code().set(code).unwrap();
            unit.set("code", code);
            unit.seen.code_until = now + 40;
        }
        Op::TakeCode => {
            let code = unit
                .seen
                .map
                .get("code")
                .map(|code| code.read::<u32>().unwrap());
            assert_eq!(s.code().take().await.unwrap(), code);
            unit.take("code");
        }
        Op::Set(key, value) => {
            s.set(format!("k{key}"), value).unwrap();
            unit.set(&format!("k{key}"), value);
        }
        Op::Del(key) => {
            s.del(format!("k{key}")).unwrap();
            unit.remove(&format!("k{key}"));
        }
        Op::Take(key) => {
            let key = format!("k{key}");
            let value = unit
                .seen
                .map
                .get(&key)
                .map(|value| value.read::<i64>().unwrap());
            assert_eq!(s.take::<i64>(&key).await.unwrap(), value);
            unit.take(&key);
        }
        Op::Store(name, add, list) => {
            let mut data = s.load().await.unwrap();
            data.count += i64::from(add);
            (data.name, data.list) = (name, list);
            s.store(&data).await.unwrap();
            match &data.name {
                Some(name) if unit.seen.text("name").as_ref() != Some(name) => {
                    unit.set("name", name);
                }
                None if unit.seen.text("name").is_some() => unit.remove("name"),
                _ => {}
            }
            if add != 0 {
                unit.update("count", data.count);
            }
            if unit.seen.list().unwrap_or_default() != data.list {
                unit.set("list", &data.list);
            }
        }
        Op::Clear => {
            s.clear().unwrap();
            unit.clear();
        }
        Op::Destroy => {
            s.destroy().unwrap();
            unit.clear();
            unit.destroyed = true;
        }
        Op::Renew => s.renew().unwrap(),
        Op::Touch => s.touch().unwrap(),
        Op::Commit => {
            s.commit().await.unwrap();
            unit.commit();
        }
        Op::Look => look(s, &unit.seen).await,
    }
}

async fn look(s: &Typed, seen: &Model) {
    assert_eq!(s.name().await.unwrap(), seen.text("name"));
    assert_eq!(s.count().await.unwrap(), seen.count().unwrap_or(0));
    assert_eq!(s.list().await.unwrap(), seen.list().unwrap_or_default());
    assert_eq!(s.get::<Vec<u8>>("list").await.unwrap(), seen.list());
    assert_eq!(s.get::<String>("k9").await.unwrap(), None);
    let all = s.get_all().await.unwrap();
    assert_eq!(*all, seen.map);
    let data = s.load().await.unwrap();
    assert_eq!(data.notice, seen.text("notice"));
    if seen.map.contains_key("name") {
        assert_eq!(
            s.get::<u64>("name").await.unwrap_err().kind(),
            ErrorKind::Decode
        );
    }
}

/// The model is sequential and so is the test: one runtime for all cases.
///
/// `MODEL_CASES` sets the number of cases.
fn check(cases: u32, store: impl Fn() -> Arc<dyn Store>) {
    let cases = std::env::var("MODEL_CASES").map_or(cases, |n| n.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(requests in vec(request(), 1..12))| {
        runtime.block_on(run(store(), requests));
    });
}

#[test]
fn in_memory() {
    check(500, || Arc::new(MemoryStore::new()));
}

/// One database for all cases: every case has new visitors, and the sessions of earlier cases remain.
#[test]
fn embedded() {
    for cached in [100, 0] {
        let folder = tempfile::tempdir().unwrap();
        let store = FjallStore::builder()
            .cache_sessions(cached)
            .sweep_every(None);
        let store = Arc::new(store.open(folder.path().join("sessions")).unwrap());
        check(200, || store.clone());
    }
}
