//! The example of the Node original: a server without a framework, and a client that keeps its cookie.

use hyper::{Request, StatusCode, header::ALLOW};
use level_session_tests::{
    http::{Client, send},
    process::{Server, example},
};
use std::{
    path::Path,
    process::{Command, Output},
};

fn server(data: &Path) -> Server {
    Server::example("server", data, &[])
}

fn run_client(port: u16) -> Output {
    Command::new(example("client"))
        .env("PORT", port.to_string())
        .output()
        .expect("the client runs")
}

/// Prevents: an example whose output differs from its documentation and from the original.
#[test]
fn the_client_prints_its_two_lines() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path());
    for run in 1..=2 {
        let output = run_client(server.address().port());
        assert!(output.status.success(), "run {run}: {output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed, "Set foo = bar\nFetched foo = bar\n", "run {run}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "run {run}");
    }
    assert!(
        server.stop().success(),
        "a stop that was asked for is no failure"
    );
}

/// Prevents: a client whose error does not help a new user when the server is not running.
#[test]
fn the_client_says_that_no_server_is_there() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let output = run_client(port);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains(&format!("cannot connect to 127.0.0.1:{port}")),
        "{said}"
    );
    assert!(said.contains("cargo run -p server"), "{said}");
}

/// Prevents: sessions that are lost in a deployment or a crash.
#[tokio::test]
async fn a_session_outlives_the_server_stopped_or_killed() {
    let data = tempfile::tempdir().unwrap();
    let first = server(data.path());
    let mut client = Client::new(first.address());
    assert_eq!(client.get("/set/foo/bar").await.body, "\"bar\"");
    let cookie = client.jar.clone();
    assert!(first.stop().success());

    let second = server(data.path());
    client.address = second.address();
    assert_eq!(client.get("/get/foo").await.body, "\"bar\"");
    assert_eq!(client.get("/set/more/2").await.body, "\"2\"");
    second.kill();

    let third = server(data.path());
    client.address = third.address();
    assert_eq!(client.get("/get/foo").await.body, "\"bar\"");
    assert_eq!(client.get("/get/more").await.body, "\"2\"");
    assert_eq!(client.jar, cookie, "the id is the same all along");
    let mut stranger = Client::new(third.address());
    assert_eq!(stranger.get("/get/foo").await.body, "null");
    assert!(stranger.jar.is_empty(), "who only reads gets no cookie");
}

/// Prevents: keys and values that are changed by URL encoding, and malformed requests that are accepted.
#[tokio::test]
async fn segments_are_decoded_and_anything_else_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path());
    let mut client = Client::new(server.address());
    let answer = client.get("/set/a%2Fb/%22%C3%A9%20%2B+%22").await;
    assert_eq!(answer.body, "\"\\\"é ++\\\"\"");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(client.get("/get/a%2Fb").await.body, "\"\\\"é ++\\\"\"");
    assert_eq!(client.get("/get/a").await.body, "null");

    assert_eq!(client.get("/").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/get/a/b").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/get/%FF").await.status, StatusCode::BAD_REQUEST);
    let post = Request::post("/set/foo/bar").body(String::new()).unwrap();
    let refused = send(server.address(), post).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers[ALLOW], "GET");
}

/// Prevents: a second server on the same data that fails late, or with an unclear error.
#[test]
fn a_second_server_on_the_same_data_is_told_why_not() {
    let data = tempfile::tempdir().unwrap();
    let first = server(data.path());
    let second = Command::new(example("server"))
        .env("PORT", "0")
        .env("DATA", data.path())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("has it open"), "{said}");
    assert!(first.stop().success());
}
