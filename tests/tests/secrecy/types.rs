//! The output of every public type.

use crate::{Account, BALANCE, CARD, DIARY, KEY, OLD_KEY, Secrets};
use level_session::{
    AnyBody, Clock, CookieConfig, Durability, EndReason, Error, Expiry, FjallStore, FormerCookie,
    Head, Key, Keyring, MemoryStore, Refresh, SameBody, SameSite, Session, SessionData,
    SessionHandle, SessionLayer, Sessions, Timestamp, Value,
    store::{
        Abilities, Bytes, Clear, Commit, Cursor, Digest, Done, FieldName, Flaw, Found, Guard, Home,
        Lifetime, Limit, Loaded, Moving, Op, Outcome, Page, Select, Step, StoreFuture, Swept,
        Timeouts, Use, WatchList, WhenFull, Write,
        local::{DigestHasher, Field, Striped, Table},
        rules::{Life, Verdict},
        testing::FaultyStore,
    },
    value::Stored,
};
use level_session_tests::visitor::{App, Visitor};
use std::{
    collections::BTreeSet,
    fmt::{Debug, Display},
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tower::Layer as _;

/// Types that only generated code and the library construct, and which cannot be constructed here; and types of
/// frameworks around `Sessions`, which is printed here, and around their own services.
const UNREACHABLE: [&str; 5] = ["Diff", "View", "Def", "ActixWebService", "PoemEndpoint"];

#[derive(Default)]
struct Printed(Vec<(&'static str, String)>);

impl Printed {
    fn debug(&mut self, what: &'static str, value: &dyn Debug) {
        self.0.push((what, format!("{value:?} {value:#?}")));
    }

    fn display(&mut self, what: &'static str, value: &(impl Debug + Display)) {
        self.debug(what, value);
        self.0.push((what, format!("{value} {value:#}")));
    }
}

/// Every public type, containing secrets, and its output.
pub(crate) async fn all(secrets: &Secrets) -> Vec<(&'static str, String)> {
    let mut out = Printed::default();
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let mut app = App::new();
    let keyring = Keyring::new([KEY, OLD_KEY]).unwrap();
    out.debug("Keyring", &keyring);
    let former = FormerCookie::express("connect.sid", [KEY, OLD_KEY]);
    out.debug("FormerCookie", &former.unwrap());
    let (store, faults) = FaultyStore::new(MemoryStore::new());
    let builder = Sessions::builder(store, keyring)
        .clock(app.clock.clone())
        .observer(move |event| seen.lock().unwrap().push(event));
    out.debug("SessionsBuilder", &builder);
    app.sessions = builder.build().unwrap();
    app.faults = faults;

    sessions(&mut out, &app, secrets).await;
    out.debug("Event", &*events.lock().unwrap());
    settings(&mut out, &app);
    stores(&mut out, &app).await;
    errors(&mut out, &app).await;
    must_be_complete(&out);
    out.0
}

async fn sessions(out: &mut Printed, app: &App, secrets: &Secrets) {
    let mut visitor = Visitor::new();
    let written = app.request(&mut visitor, async |session: Session<Account>| {
        session.card().set(CARD)?;
        session.diary().set(DIARY.to_owned())?;
        session.balance().add(BALANCE)?;
        session.notice().set(DIARY.to_owned())?;
        session.set("extra", DIARY)
    });
    written.await.unwrap();
    secrets.add_cookies(&visitor);
    let session: Session<Account> = app.begin(&visitor);
    session
        .diary()
        .update(|diary| diary.push('!'))
        .await
        .unwrap();
    session.diary().await.unwrap();
    out.debug("Session", &session);
    let fields: &<Account as SessionData>::Fields = &session;
    let untyped: &level_session::UntypedSession = fields;
    out.debug("UntypedSession", untyped);
    out.debug("OptField", &session.card());
    out.debug("Field", &session.diary());
    out.debug("Counter", &session.balance());
    out.debug("Flash", &session.notice());
    session.notices().push(DIARY).await.unwrap();
    out.debug("FlashList", &session.notices());
    let told = session.diary().update_tracked(|diary| diary.clone());
    out.debug("Updated", &told.await.unwrap());
    out.debug("AllFields", &session.get_all().await.unwrap());
    let data = Account {
        card: Some(CARD),
        diary: DIARY.to_owned(),
        ..Account::default()
    };
    out.debug("Loading", &session.load());
    out.debug("Storing", &session.store(&data));
    let mut exchange = app
        .sessions
        .exchange(&http::Method::GET, &visitor.request());
    exchange.session().set("diary", DIARY).unwrap();
    out.debug("Exchange", &exchange);
    let headers = visitor.request(); // with a secret, as the headers of a response contain one
    let head = Head::new(http::StatusCode::OK, &headers);
    out.debug("Head", &head);
    app.faults.fail_commits(true);
    let failure = exchange.commit(head).await.unwrap_err();
    app.faults.fail_commits(false);
    out.debug("Failure", &failure);
    let (present, _) = exchange.within(None);
    out.debug("RequestSessions", &present);
    let plain: Session = app.begin(&visitor);
    plain.get::<String>("diary").await.unwrap();
    let none: &level_session::NoFields = &plain;
    out.debug("NoFields", none);
    let mut listing = app.sessions.find(Account::CARD, &CARD).with_all_fields();
    out.debug("Listing", &listing);
    let page = listing.next_page().await.unwrap().unwrap();
    assert_eq!(page[0].get(Account::CARD).unwrap(), Some(CARD));
    out.debug("Found", &page[0]);
    out.display("SessionHandle", &page[0].handle());
    out.display("EndReason", &EndReason::Limit);
    let refused = DIARY.parse::<SessionHandle>().unwrap_err();
    out.display("InvalidHandle", &refused);
}

fn settings(out: &mut Printed, app: &App) {
    out.debug("Sessions", &app.sessions);
    let layer = SessionLayer::from(app.sessions.clone());
    out.debug("SessionLayer", &layer);
    let mut service = layer.layer(tower::service_fn(async |_: http::Request<()>| {
        Ok::<_, Error>(http::Response::<Vec<u8>>::default())
    }));
    out.debug("SameBody", &SameBody);
    out.debug("AnyBody", &AnyBody);
    out.debug("SessionBody", &"the body is the application's");
    out.debug("SessionService", &"its inner service is the application's");
    let response = tower::Service::call(&mut service, http::Request::default());
    out.debug("ResponseFuture", &response);
    out.debug("CookieConfig", &CookieConfig::default());
    out.debug("CookieConfigBuilder", &CookieConfig::builder());
    out.debug("SameSite", &SameSite::Lax);
    out.debug("Expiry", &Expiry::nist_aal2());
    out.debug("Refresh", &Refresh::Throttled);
    out.debug("Clock", &Clock::system());
    out.debug("Timestamp", &Timestamp::from_millis(1));
    out.debug("Schema", &Account::SCHEMA);
    let key: Key<u64> = Account::CARD;
    out.debug("Key", &key);
    out.debug("FieldDef", &key.def());
}

async fn stores(out: &mut Printed, app: &App) {
    let now = app.clock.now();
    let store = app.sessions.store();
    let ids = store.page(None, 10, now).await.unwrap().items;
    out.debug("Digest", &ids);
    for select in [
        Select::Nothing,
        Select::All,
        Select::Names(&["diary", "no"]),
    ] {
        out.debug("Select", &select);
        let loaded = store.load(ids[0], select, now).await.unwrap();
        out.debug("Loaded", &loaded);
        let Loaded::Live(snapshot) = loaded else {
            panic!("it lives")
        };
        out.debug("Snapshot", &snapshot);
        out.debug("Meta", &snapshot.meta);
        out.debug("Lease", &snapshot.meta.lease);
        out.debug("Fields", &snapshot.fields);
        out.debug("Answer", &snapshot.fields.clone().into_answer());
        if let Some(fields) = snapshot.fields.into_all() {
            for (name, bytes) in fields {
                out.debug("FieldName", &name);
                commits(out, ids[0], now, &name, &bytes);
            }
        }
    }
    let future: StoreFuture<'_, Bytes> = StoreFuture::ready(Ok(DIARY.as_bytes().into()));
    out.debug("StoreFuture", &future);
    out.debug("Swept", &Swept::default());
    out.debug("MemoryStore", &MemoryStore::new());
    out.debug(
        "Moving",
        &Moving::new(MemoryStore::new(), MemoryStore::new()),
    );
    out.debug("Durability", &Durability::Buffer);
    out.debug("FjallStoreBuilder", &FjallStore::builder());
    let folder = tempfile::tempdir().unwrap();
    let fjall = FjallStore::open(folder.path().join("sessions")).unwrap();
    out.debug("FjallStore", &fjall);
    let (faulty, faults) = FaultyStore::new(fjall);
    out.debug("FaultyStore", &faulty);
    out.debug("Faults", &faults);
    out.debug("Call", &app.faults.calls());
}

fn commits(out: &mut Printed, id: Digest, now: Timestamp, name: &FieldName, bytes: &Bytes) {
    let guard = Guard::new(name.clone(), Some(bytes.clone()));
    let write = |op| Write::new(name.clone(), op).with_index(Some(bytes.clone()));
    let limit = Limit::new(name.clone(), bytes.clone(), 3, WhenFull::Refuse);
    let timeouts = Timeouts::new(Duration::from_secs(1));
    let usage = Use::new(timeouts, Duration::ZERO);
    let lease = timeouts.lease(now, now);
    out.debug("Bytes", bytes);
    out.debug("Limit", &limit);
    out.debug("WhenFull", &limit.when_full);
    out.debug("Timeouts", &timeouts);
    out.debug("Lifetime", &Lifetime::new(timeouts));
    out.debug("Use", &usage);
    out.debug("Clear", &Clear::Fields);
    out.debug("Done", &Done::default().with_ended(vec![id]));
    out.debug("Home", &Home::ONLY);
    out.debug("Abilities", &Abilities::all());
    let life = Life {
        created: now,
        lease,
        former: Some((id, now)),
    };
    out.debug("Life", &life);
    out.debug("Verdict", &Verdict::Apply(vec![Some(bytes.clone())]));
    let found = Found::new(id, life.meta(now));
    out.debug("Found", &found);
    let cursor = Cursor::new(bytes.to_vec());
    out.debug("Cursor", &cursor);
    out.debug("Page", &Page::new(vec![found], Some(cursor)));
    out.debug("WatchList", &WatchList::default());
    let field = Field::new(name.clone(), Some(bytes.clone()), Some(bytes.clone()));
    out.debug("Field", &field);
    let table = Table::of([field].into_iter());
    out.debug("View", &table.view());
    out.debug("Table", &table);
    out.debug("Striped", &Striped::new(|| bytes.clone()));
    out.debug("DigestHasher", &DigestHasher::default());
    out.debug("Op", &Op::Set(bytes.clone()));
    out.debug("Guard", &guard);
    out.debug("Write", &write(Op::Set(bytes.clone())));
    out.debug("Step", &Step::keep(Some(usage)));
    let (guards, limits) = ([guard], [limit]);
    let writes = [write(Op::Set(bytes.clone())), write(Op::Remove)];
    out.debug(
        "Flaw",
        &Flaw::new(id, "has no entry").on(FieldName::from("card")),
    );
    let commit = Commit::new(id, now, Step::keep(None))
        .with_guards(&guards)
        .with_writes(&writes)
        .with_limits(&limits);
    out.debug("Commit", &commit);
    out.debug(
        "Outcome",
        &Outcome::Conflict(vec![Some(bytes.clone()), None]),
    );
    let mut buffer = level_session::value::Buffer::new();
    level_session::value::encode(DIARY, &mut buffer).unwrap();
    out.debug("Buffer", &buffer);
    let stored = Stored::open(bytes).unwrap();
    out.debug("Stored", &stored);
    out.debug("Body", &stored.body());
    let value: Value = stored.body().decode().unwrap();
    out.debug("Value", &value);
    let error = stored.body().decode::<Vec<(bool, char)>>().unwrap_err();
    out.display("ValueError", &error);
}

async fn errors(out: &mut Printed, app: &App) {
    let session: Session<Account> = app.begin(&Visitor::new());
    let error = session.set("card", DIARY).unwrap_err();
    out.display("Error", &error);
    out.debug("ErrorKind", &error.kind());
    let error = Keyring::new([&KEY[..9]]).unwrap_err();
    out.display("ConfigError", &error);
}

/// A new public type must be added here.
fn must_be_complete(out: &Printed) {
    let printed: BTreeSet<_> = out.0.iter().map(|(what, _)| (*what).to_owned()).collect();
    let mut declared = BTreeSet::new();
    for room in ["session/src", "session-store/src", "stores/fjall/src"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(room);
        collect(&source, &mut declared);
    }
    assert!(declared.len() > 40, "{declared:?}");
    let missing: Vec<_> = declared
        .iter()
        .filter(|name| !printed.contains(*name) && !UNREACHABLE.contains(&&***name))
        .collect();
    // The increment of a counter and its range are part of the application's code, not a visitor's data. A turn has no
    // content.
    assert_eq!(missing, ["Add", "CounterRange", "Turn", "Turns"]);
}

fn collect(folder: &Path, declared: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !["tests", "conformance", "fuzzing"].contains(&name) {
                collect(&path, declared);
            }
        } else if name != "fuzzing.rs" {
            let text = fs::read_to_string(&path).unwrap();
            let (text, _) = text
                .split_once("#[cfg(test)]\nmod tests {")
                .unwrap_or((&text, ""));
            declared.extend(text.lines().filter_map(|line| {
                let line = line.trim_start();
                let rest = line
                    .strip_prefix("pub struct ")
                    .or(line.strip_prefix("pub enum "))?;
                let end = rest.find(|c: char| !c.is_alphanumeric())?;
                (end > 0).then(|| rest[..end].to_owned()) // otherwise a macro provides the name
            }));
        }
    }
}
