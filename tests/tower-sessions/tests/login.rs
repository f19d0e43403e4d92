//! axum-login and axum-messages on top of our session: runs the example as a process, over HTTP.

use http::{StatusCode, header::SET_COOKIE};
use level_session_tests::{
    http::Client,
    process::{Server, build},
};
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const EXAMPLE: &str = "with-axum-login";
const SIGN_IN: &str = "name=Ada&password=lovelace";

fn club(data: &Path) -> Server {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        build(&["-p", EXAMPLE], &workspace)[EXAMPLE].clone()
    });
    let mut command = Command::new(built);
    command.env("PORT", "0").env("DATA", data);
    Server::start(&mut command, |line| {
        line.rsplit_once("http://")?.1.trim().parse().ok()
    })
}

/// Prevents: a cookie and a record for every visitor of the front page.
#[tokio::test]
async fn an_idle_visitor_gets_no_cookie() {
    let data = tempfile::tempdir().unwrap();
    let server = club(data.path());
    let mut guest = Client::new(server.address());
    for _ in 0..2 {
        let answer = guest.get("/").await;
        assert_eq!(answer.body, "you are a guest\npages: 0\n");
        assert!(!answer.headers.contains_key(SET_COOKIE));
    }
}

/// Prevents: session fixation through a layer that does not know ours, a deployment that signs a member out, and a sign-out
/// that does not end the session.
#[tokio::test]
async fn a_member_signs_in_stays_through_a_restart_and_signs_out() {
    let data = tempfile::tempdir().unwrap();
    let server = club(data.path());
    let mut member = Client::new(server.address());
    member.get("/read").await;
    let mut before = member.clone();
    assert_eq!(member.jar.len(), 1);

    let answer = member.post("/sign-in", SIGN_IN).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers.get_all(SET_COOKIE).iter().count(), 1);
    assert_ne!(member.jar, before.jar, "a new id");
    // The typed counter survives the renewal; the message is shown once.
    let front = "you are Ada\nSuccess: welcome, Ada\npages: 2\n";
    assert_eq!(member.get("/").await.body, front);
    assert_eq!(member.get("/").await.body, "you are Ada\npages: 2\n");
    assert_eq!(before.get("/").await.body, "you are a guest\npages: 0\n");

    assert!(server.stop().success());
    let server = club(data.path());
    member.address = server.address();
    assert_eq!(member.get("/").await.body, "you are Ada\npages: 2\n");

    let mut stolen = member.clone();
    let answer = member.post("/sign-out", "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_ne!(member.jar, stolen.jar);
    assert_eq!(stolen.get("/").await.body, "you are a guest\npages: 0\n");
    let front = "you are a guest\nInfo: signed out\nsee you\npages: 0\n";
    assert_eq!(member.get("/").await.body, front);
    assert_eq!(member.get("/").await.body, "you are a guest\npages: 0\n");
}

/// Prevents: a partly stored sign-in if the handler fails after axum-login has succeeded.
#[tokio::test]
async fn a_sign_in_that_fails_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = club(data.path());
    let mut guest = Client::new(server.address());
    guest.get("/read").await;
    let before = guest.clone();
    let answer = guest.post("/fail", SIGN_IN).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(guest.jar, before.jar);
    assert_eq!(guest.get("/").await.body, "you are a guest\npages: 1\n");

    let answer = guest.post("/sign-in", "name=Ada&password=x").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let front = "you are a guest\nError: no such member\npages: 1\n";
    assert_eq!(guest.get("/").await.body, front);
}

/// Prevents: typed and untyped changes of concurrent requests that overwrite each other.
#[tokio::test]
async fn nothing_is_lost_between_requests_at_the_same_time() {
    let data = tempfile::tempdir().unwrap();
    let server = club(data.path());
    let mut member = Client::new(server.address());
    member.post("/sign-in", SIGN_IN).await;
    let mut readers = tokio::task::JoinSet::new();
    for turn in 0..40 {
        let mut member = member.clone();
        readers.spawn(async move {
            match turn % 2 {
                0 => member.get("/read").await.status,
                // This request adds a message.
                _ => member.post("/sign-in", "name=Ada&password=x").await.status,
            }
        });
    }
    while let Some(status) = readers.join_next().await {
        let status = status.unwrap();
        assert!(
            [StatusCode::OK, StatusCode::FORBIDDEN].contains(&status),
            "{status}"
        );
    }
    let front = member.get("/").await.body;
    assert!(front.starts_with("you are Ada\n"), "{front}");
    assert!(front.contains("Error: no such member\n"), "{front}");
    assert!(front.ends_with("pages: 21\n"), "{front}");
}
