//! The life of sessions, with every kind of failure.

use crate::{Account, BALANCE, CARD, DIARY, KEY, OLD_KEY, Secrets};
use axum::{Router, body::Body, http::Request, routing::post};
use level_session::{
    CookieConfig, Error, ErrorKind, Expiry, FjallStore, Keyring, MemoryStore, Result, Session,
    SessionLayer, Sessions,
    store::{Commit, Step, Store, Write, testing::FaultyStore},
};
use level_session_tests::visitor::{App, Visitor};
use std::{fmt::Write as _, sync::Arc, time::Duration};
use tower::ServiceExt as _;

/// Logs an error in every usual format.
fn log(error: &(dyn std::error::Error + 'static)) {
    tracing::error!(error, "an error");
    tracing::error!(%error, ?error, "an error");
    let mut chain = String::new();
    let mut cause = error.source();
    while let Some(source) = cause {
        write!(chain, "{source} {source:?}; ").unwrap();
        cause = source.source();
    }
    tracing::error!(chain, "its causes");
}

#[track_caller]
fn fails<T>(result: Result<T>) -> Error {
    let Err(error) = result else {
        panic!("this part of the journey is to fail")
    };
    log(&error);
    error
}

async fn write(session: Session<Account>) -> Result<()> {
    session.renew()?;
    session.card().set(CARD)?;
    session.diary().set(DIARY.to_owned())?;
    session.balance().add(BALANCE)?;
    session.notice().set(DIARY.to_owned())?;
    session.set("extra", DIARY)
}

fn app(store: Arc<dyn Store>) -> App {
    let (store, faults) = FaultyStore::new(store);
    let keyring = Keyring::new([KEY, OLD_KEY]).unwrap();
    let app = App::new();
    let sessions = Sessions::builder(store, keyring)
        .clock(app.clock.clone())
        .expiry(Expiry::idle(Duration::from_secs(1_000)))
        .observer(|event| panic!("{event:?}"))
        .build()
        .unwrap();
    App {
        sessions,
        faults,
        ..app
    }
}

fn site(app: &App) -> Router {
    Router::new()
        .route("/write", post(write))
        .route(
            "/end",
            post(async |session: Session<Account>| session.destroy()),
        )
        .route(
            "/wrong",
            post(async |session: Session<Account>| session.set("card", DIARY)),
        )
        .route(
            "/all",
            post(async |session: Session<Account>| {
                let all = session.get_all().await?;
                tracing::trace!(?session, ?all, "all");
                Ok::<_, Error>(())
            }),
        )
        .layer(SessionLayer::from(app.sessions.clone()))
}

async fn post_page(router: &Router, visitor: &mut Visitor, path: &str, secrets: &Secrets) {
    let mut request = Request::post(path).body(Body::empty()).unwrap();
    request.headers_mut().extend(visitor.request());
    tracing::trace!(?router, "a request");
    let response = router.clone().oneshot(request).await.unwrap();
    tracing::trace!(status = %response.status(), headers = ?response.headers(), "a response");
    visitor.receive(response.headers());
    secrets.add_cookies(visitor);
}

async fn begin(app: &App, secrets: &Secrets) -> Visitor {
    let mut visitor = Visitor::new();
    post_page(&site(app), &mut visitor, "/write", secrets).await;
    assert!(visitor.cookie().is_some());
    visitor
}

async fn over(app: &App, secrets: &Secrets) {
    let router = site(app);
    let mut visitor = begin(app, secrets).await;
    for path in ["/all", "/write", "/wrong", "/end", "/all"] {
        post_page(&router, &mut visitor, path, secrets).await;
    }
    let visitor = begin(app, secrets).await;
    errors_of_values(app, &visitor).await;
    errors_of_the_session(app, secrets).await;
    faults(app, secrets).await;

    // Cookies that are not ours, or no longer valid.
    for bad in [DIARY.to_owned(), visitor.cookie().unwrap()[1..].to_owned()] {
        let mut stranger = Visitor {
            jar: [("__Host-s".to_owned(), bad)].into(),
        };
        let request = stranger.request();
        let session = app.sessions.begin(&request);
        tracing::trace!(?session, "a stranger");
        session.get::<String>("diary").await.unwrap();
        stranger.jar.clear();
    }
    app.sleep(2_000);
    app.sessions
        .store()
        .sweep(app.clock.now(), 1_000)
        .await
        .unwrap();
}

async fn errors_of_values(app: &App, visitor: &Visitor) {
    let session: Session<Account> = app.begin(visitor);
    session.balance().add(u64::MAX).unwrap();
    assert_eq!(fails(session.commit().await).kind(), ErrorKind::Overflow);
    fails(session.balance().await);
    let session: Session<Account> = app.begin(visitor);
    fails(session.set("card", DIARY));
    fails(session.set("diary", CARD));
    fails(session.get::<u64>("extra").await);
    fails(session.get::<Vec<u64>>("extra").await);
    fails(session.get::<bool>("card").await);
    fails(session.take::<u64>("extra").await);
    fails(session.update::<u64, _>("extra", |_| ()).await);
    fails(session.set("large", DIARY.repeat(1 << 17)));
    let mut deep = serde_json::json!(DIARY);
    for _ in 0..500 {
        deep = serde_json::json!([deep]);
    }
    fails(session.set("deep", deep));
    session.set("own", DIARY).unwrap();
    fails(session.get::<u64>("own").await);
    let token = session.csrf_token().await.unwrap();
    assert!(!session.verify_csrf(DIARY).await.unwrap());
    assert!(session.verify_csrf(&token).await.unwrap());
    let all = session.get_all().await.unwrap();
    let load = session.load().await.unwrap();
    assert_eq!(load.card, Some(CARD));
    tracing::trace!(?session, ?all, "all");
    let detached = session.detach().unwrap();
    fails(detached.renew());
}

async fn errors_of_the_session(app: &App, secrets: &Secrets) {
    let mut visitor = begin(app, secrets).await;
    let late: Session<Account> = app.begin(&visitor);
    late.diary().await.unwrap();
    late.diary().set(DIARY.to_owned()).unwrap();
    post_page(&site(app), &mut visitor, "/end", secrets).await;
    let gone = app.finish(&late, &mut Visitor::new()).await;
    assert_eq!(fails(gone).kind(), ErrorKind::Gone);
    assert_eq!(fails(late.diary().await).kind(), ErrorKind::Gone);
    let closed = late.diary().set(DIARY.to_owned());
    assert_eq!(fails(closed).kind(), ErrorKind::Closed);

    let fixed = app
        .clone()
        .with(|sessions| sessions.id_source(|| Ok([0x5E; 24])));
    secrets.add(&[0x5E; 24]);
    begin(&fixed, secrets).await;
    let session: Session<Account> = fixed.begin(&Visitor::new());
    session.card().set(CARD).unwrap();
    assert_eq!(fails(session.commit().await).kind(), ErrorKind::Contended);
    let dry = || Err(level_session::store::Error::store("drawing an id", "no entropy").into());
    let dry = app.clone().with(|sessions| sessions.id_source(dry));
    let session: Session<Account> = dry.begin(&Visitor::new());
    session.card().set(CARD).unwrap();
    fails(session.commit().await);

    // A request that the layer rejects, because its session ended while it was being handled.
    let visitor = begin(app, secrets).await;
    let router = Router::new()
        .route(
            "/slow",
            post({
                let (app, visitor) = (app.clone(), visitor.clone());
                async move |session: Session<Account>| {
                    session.diary().set(DIARY.to_owned())?;
                    session.card().await?;
                    app.request(&mut visitor.clone(), async |s: Session<Account>| {
                        s.destroy()
                    })
                    .await
                }
            }),
        )
        .layer(SessionLayer::from(app.sessions.clone()));
    post_page(&router, &mut visitor.clone(), "/slow", secrets).await;
}

async fn faults(app: &App, secrets: &Secrets) {
    let visitor = begin(app, secrets).await;
    let router = site(app);
    let fail: [fn(&App, bool); 3] = [
        |app, fail| app.faults.fail_loads(fail),
        |app, fail| app.faults.fail_commits(fail),
        |app, fail| app.faults.fail_commits_afterwards(fail),
    ];
    for fail in fail {
        fail(app, true);
        for path in ["/all", "/write", "/end"] {
            post_page(&router, &mut visitor.clone(), path, secrets).await;
        }
        let session: Session<Account> = app.begin(&visitor);
        session.diary().set(DIARY.to_owned()).unwrap();
        fails(session.commit().await);
        fail(app, false);
    }
}

pub(crate) async fn over_memory(secrets: &Secrets) {
    over(&app(Arc::new(MemoryStore::new())), secrets).await;
}

pub(crate) async fn over_fjall(secrets: &Secrets) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    for cached in [0, 100] {
        let store = FjallStore::builder()
            .cache_sessions(cached)
            .open(&path)
            .unwrap();
        let app = app(Arc::new(store));
        over(&app, secrets).await;
        // Opened twice.
        fails(FjallStore::open(&path).map_err(Into::into));
        app.sessions.store().close().await.unwrap();
        let session: Session<Account> = app.begin(&Visitor::new());
        session.diary().set(DIARY.to_owned()).unwrap();
        fails(session.commit().await);
    }
    damaged(secrets).await;
    let file = folder.path().join("a file");
    std::fs::write(&file, DIARY).unwrap();
    fails(FjallStore::open(&file).map_err(Into::into));
    fails(
        FjallStore::builder()
            .prefix("")
            .open(folder.path().join("b"))
            .map_err(Into::into),
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let open = folder.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
        drop(FjallStore::open(&open).unwrap());
    }
    // Files that are not keys, and invalid configurations.
    let keys = folder.path().join("keys");
    for text in [DIARY, KEY, &format!("{KEY}\n{KEY}"), "\u{ff}"] {
        std::fs::write(&keys, text).unwrap();
        if let Err(error) = Keyring::from_file_or_generate(&keys) {
            log(&error);
        }
    }
    log(&Keyring::new([KEY, KEY]).unwrap_err());
    log(&Keyring::new([&DIARY[..8]]).unwrap_err());
    log(&CookieConfig::builder().name("a b").build().unwrap_err());
    log(&CookieConfig::builder().domain("x").build().unwrap_err());
}

/// A database that was tampered with.
async fn damaged(secrets: &Secrets) {
    let folder = tempfile::tempdir().unwrap();
    let database = fjall::Database::builder(folder.path()).open().unwrap();
    let store = FjallStore::builder()
        .cache_sessions(0)
        .build(database.clone())
        .unwrap();
    let app = app(Arc::new(store));
    let visitor = begin(&app, secrets).await;
    let now = app.clock.now();
    let store = app.sessions.store();
    let [id] = store.page(None, 10, now).await.unwrap().items[..] else {
        panic!("one session")
    };
    // A value in another format that contains a secret.
    let write = Write::set("card".into(), [&[0xEE], DIARY.as_bytes()].concat().into());
    let commit = Commit::new(id, now, Step::keep(None)).with_writes(std::slice::from_ref(&write));
    tracing::trace!(?commit, "a commit");
    store.commit(commit).await.unwrap();
    let session: Session<Account> = app.begin(&visitor);
    fails(session.card().await);
    let all = session.get_all().await.unwrap();
    all.damaged().iter().for_each(|error| log(error));
    fails(session.load().await);

    let meta = database
        .keyspace("session.meta", fjall::KeyspaceCreateOptions::default)
        .unwrap();
    meta.insert(id.as_bytes(), [&[0xEE], DIARY.as_bytes()].concat())
        .unwrap();
    let session: Session<Account> = app.begin(&visitor);
    fails(session.card().await);
    post_page(&site(&app), &mut visitor.clone(), "/write", secrets).await;
    app.sleep(5_000);
    store.sweep(app.clock.now(), 100).await.unwrap();
}
