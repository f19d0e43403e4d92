//! Full and read-only disks, hanging stores, and a second process: each causes a clear error, no acknowledged commit is
//! lost, and no restart is needed once the cause is gone (F09).

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
    routing::{get, post},
};
use level_session::{Durability, FjallStore, MemoryStore, Session, SessionLayer};
use level_session_tests::{
    crash,
    disk::Disk,
    history::Data,
    over_every_store,
    visitor::{App, Visitor},
};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use tower::ServiceExt as _;

fn site(app: &App) -> Router {
    let add = async |session: Session<Data>| {
        session.left().set(1)?;
        session.visits().add(1)
    };
    // The operating system does not notice less than this for a while.
    let fill = async |session: Session<Data>| {
        session.visits().add(1)?;
        session.set("ballast", "x".repeat(50_000))
    };
    let read =
        async |session: Session<Data>| session.visits().await.map(|visits| visits.to_string());
    Router::new()
        .route("/add", post(add))
        .route("/fill", post(fill))
        .route("/visits", get(read))
        .layer(SessionLayer::from(app.sessions.clone()))
}

async fn visit(site: &Router, visitor: &mut Visitor, path: &str) -> (StatusCode, String) {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.parse().expect("a path");
    if path != "/visits" {
        *request.method_mut() = http::Method::POST;
    }
    *request.headers_mut() = visitor.request();
    let response = site.clone().oneshot(request).await.expect("an answer");
    visitor.receive(response.headers());
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20)
        .await
        .expect("a body");
    (status, String::from_utf8(body.into()).expect("text"))
}

fn open(path: &Path, durability: Durability) -> FjallStore {
    FjallStore::builder()
        .durability(durability)
        .sweep_every(None)
        .open(path)
        .expect("the store opens")
}

/// Prevents: an outage that lasts longer than its cause, and a success for a commit that a full disk did not store.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk() {
    for durability in [Durability::Buffer, Durability::Sync] {
        let Some(disk) = Disk::mount("8m") else {
            return;
        };
        let path = disk.path().join("sessions");
        let store = open(&path, durability);
        let app = App::over(std::sync::Arc::new(store.clone()));
        let site = site(&app);
        let mut visitor = Visitor::new();
        assert_eq!(visit(&site, &mut visitor, "/add").await.0, StatusCode::OK);
        let mut acknowledged = 1;

        for outage in 0..3 {
            let ballast = disk.fill();
            let mut refused = 0;
            for _ in 0..30 {
                let before = visitor.clone();
                let (status, body) = visit(&site, &mut visitor, "/fill").await;
                match status {
                    StatusCode::OK => acknowledged += 1,
                    _ => {
                        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
                        assert_eq!(body, "", "the client is not told why");
                        assert_eq!(visitor, before);
                        // No client gets the cookie of a session that was not stored.
                        let mut stranger = Visitor::new();
                        let (status, _) = visit(&site, &mut stranger, "/add").await;
                        assert!(status.is_server_error() == stranger.cookie().is_none());
                        refused += 1;
                    }
                }
            }
            assert!(refused > 0, "the disk was not full at all");

            fs::remove_file(&ballast).expect("it can be removed");
            let works = async {
                // The store retries at intervals, less often after each failure.
                while visit(&site, &mut visitor, "/add").await.0 != StatusCode::OK {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), works)
                .await
                .unwrap_or_else(|_| panic!("outage {outage}: it works no more ({durability:?})"));
            acknowledged += 1;
            let (status, visits) = visit(&site, &mut visitor, "/visits").await;
            assert_eq!(status, StatusCode::OK);
            let visits: i32 = visits.parse().expect("a number");
            // The one commit during which the disk became full may be stored, but only completely.
            assert!(
                (acknowledged..=acknowledged + 1).contains(&visits),
                "{visits} are stored, and {acknowledged} were acknowledged"
            );
            acknowledged = visits;
        }
        store.close().await.expect("it closes");
        drop(store);

        let store = open(&path, durability);
        let after = App::over(std::sync::Arc::new(store.clone()));
        let (_, visits) = visit(&self::site(&after), &mut visitor, "/visits").await;
        assert_eq!(
            visits,
            acknowledged.to_string(),
            "and it is all there after a restart"
        );
        store.close().await.expect("it closes");
    }
}

/// Prevents: an unclear log message after the wrong disk was mounted.
#[tokio::test]
async fn a_read_only_disk() {
    let Some(disk) = Disk::mount("80m") else {
        return;
    };
    let path = disk.path().join("sessions");
    let store = open(&path, Durability::Buffer);
    let app = App::over(std::sync::Arc::new(store.clone()));
    let mut visitor = Visitor::new();
    assert_eq!(
        visit(&site(&app), &mut visitor, "/add").await.0,
        StatusCode::OK
    );
    store.close().await.expect("it closes");
    drop((app, store));

    disk.remount("ro");
    let text = FjallStore::open(&path)
        .expect_err("it cannot be written")
        .to_string();
    assert!(
        text.contains(&*path.to_string_lossy()) && text.contains("read-only"),
        "{text}"
    );
    let text = FjallStore::open(disk.path().join("new"))
        .expect_err("it cannot be made")
        .to_string();
    assert!(text.contains("new") && text.contains("read-only"), "{text}");

    disk.remount("rw");
    let store = open(&path, Durability::Buffer);
    let app = App::over(std::sync::Arc::new(store.clone()));
    assert_eq!(
        visit(&site(&app), &mut visitor, "/visits").await.1,
        "1",
        "nothing was lost"
    );
    store.close().await.expect("it closes");
}

/// Prevents: two processes that overwrite each other's data, and an error without the path.
#[test]
fn a_second_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sessions");
    let mut child = Command::new(env!("CARGO_BIN_EXE_crash-child"))
        .arg(&path)
        .args(["buffer", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut told = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut told, &mut line).expect("the child begins");
    let error = FjallStore::open(&path).expect_err("it is taken");
    let (opened, opens) = std::sync::mpsc::channel();
    let patient = path.clone();
    std::thread::spawn(move || {
        opened.send(FjallStore::open_within(patient, Duration::from_secs(60)))
    });
    let early = opens.recv_timeout(Duration::from_millis(200));
    assert!(early.is_err(), "a patient one waits: {early:?}");
    child.kill().expect("it is ours to kill");
    child.wait().expect("it is dead");
    let opened = opens.recv_timeout(Duration::from_secs(30));
    drop(
        opened
            .expect("it does not wait for ever")
            .expect("it is free"),
    );
    let text = error.to_string();
    assert!(
        text.contains(&*path.to_string_lossy()) && text.contains("another process"),
        "{text}"
    );
    drop(crash::open(&path, Durability::Buffer).expect("it is free again"));
}

/// Prevents: a request that waits for a dead store forever and holds resources that others need.
#[tokio::test]
async fn a_store_that_hangs() {
    over_every_store(async |store| {
        let app = App::over(store);
        let site = site(&app);
        let mut visitor = Visitor::new();
        assert_eq!(visit(&site, &mut visitor, "/add").await.0, StatusCode::OK);
        app.faults.hang(true);
        for path in ["/add", "/visits", "/fill"] {
            // The client disconnects.
            let given_up =
                tokio::time::timeout(Duration::from_millis(5), visit(&site, &mut visitor, path))
                    .await;
            assert!(given_up.is_err());
        }
        app.faults.hang(false);
        assert_eq!(
            visit(&site, &mut visitor, "/visits").await.1,
            "1",
            "what was given up is not stored"
        );
        assert_eq!(visit(&site, &mut visitor, "/add").await.0, StatusCode::OK);
        assert_eq!(visit(&site, &mut visitor, "/visits").await.1, "2");
    })
    .await;
}

/// Prevents: a partial commit, or an unjustified success, when a connection is lost before the response.
#[tokio::test]
async fn a_store_that_fails_after_it_has_stored() {
    let app = App::over(std::sync::Arc::new(MemoryStore::new()));
    let site = site(&app);
    let mut visitor = Visitor::new();
    assert_eq!(visit(&site, &mut visitor, "/add").await.0, StatusCode::OK);
    app.faults.fail_commits_afterwards(true);
    let before = visitor.clone();
    let (status, body) = visit(&site, &mut visitor, "/add").await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, "")
    );
    assert_eq!(visitor, before);
    let mut stranger = Visitor::new();
    assert!(
        visit(&site, &mut stranger, "/add")
            .await
            .0
            .is_server_error()
    );
    assert_eq!(
        stranger,
        Visitor::new(),
        "no cookie of a session that may not be there"
    );
    app.faults.fail_commits_afterwards(false);
    assert_eq!(
        visit(&site, &mut visitor, "/visits").await.1,
        "2",
        "stored whole, and once"
    );
}
