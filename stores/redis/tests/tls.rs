//! TLS: a server whose certificate was issued by a trusted authority is accepted, others are rejected.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{builder, work::*};
use level_session_servers::{
    free_port,
    redis::{Server, program},
};
use level_session_store::{ErrorKind, Store};
use std::{path::Path, process::Command};

fn openssl(folder: &Path, arguments: &str) -> bool {
    let arguments = arguments.split(' ');
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output();
    output.is_ok_and(|output| output.status.success())
}

/// An authority, and a certificate for 127.0.0.1 that it issued.
fn certificates(folder: &Path) -> bool {
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    [
        "req -x509 -newkey rsa:2048 -nodes -days 30 -keyout ca.key -out ca.pem -subj /CN=authority",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.pem",
        "req -x509 -newkey rsa:2048 -nodes -days 30 -keyout other.key -out other.pem -subj /CN=other",
    ]
    .iter()
    .all(|arguments| openssl(folder, arguments))
}

#[tokio::test]
async fn a_certificate_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = program("redis").filter(|_| certificates(folder.path())) else {
        eprintln!("skipped: redis-server or openssl is missing");
        return;
    };
    let port = free_port().unwrap().to_string();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let _server = Server::start(
        &path,
        &[
            "--tls-port",
            &port,
            "--tls-cert-file",
            &file("server.pem"),
            "--tls-key-file",
            &file("server.key"),
            "--tls-ca-cert-file",
            &file("ca.pem"),
            "--tls-auth-clients",
            "no",
        ],
    )
    .unwrap();
    let url = format!("rediss://127.0.0.1:{port}");
    let known = std::fs::read(file("ca.pem")).unwrap();
    let settings = builder().root_certificates(known).tell_ended(true);
    let store = settings.connect(&url).await.unwrap();
    done(store.commit(create(id("a"))).await.unwrap());
    let foreign = std::fs::read(file("other.pem")).unwrap();
    let error = builder()
        .root_certificates(foreign)
        .connect(&url)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store, "{error}");
    let error = builder()
        .root_certificates(*b"no certificate")
        .connect(&url)
        .await;
    drop(error.unwrap_err());
    builder().connect(&url).await.unwrap_err();
}
