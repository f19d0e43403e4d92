//! Connections over TLS: the server's certificate is verified, and no connection is unencrypted.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod kit;

use kit::{Kit, fresh_schema};
use level_session_postgres::PostgresStore;
use std::{
    env, fs,
    process::{Command, Output},
};

/// A separate process, since the environment names the trusted certificates.
#[test]
#[ignore = "is run by the other test"]
fn child() {
    let (url, schema) = (env::var("URL").unwrap(), env::var("SCHEMA").unwrap());
    let builder = PostgresStore::builder(url).schema(schema).tell_ended(true);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        builder.migrate().await.unwrap();
        let store = builder.open().await.unwrap();
        let asked = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) where ssl \
                     and application_name = 'level-session'";
        let port = env::var("PORT").unwrap();
        let server = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        let encrypted: i64 = client.query_one(asked, &[]).await.unwrap().get(0);
        assert!(
            encrypted >= 2,
            "the pool's connection and the listening one"
        );
        store.close().await.unwrap();
    });
}

fn run(url: &str, schema: &str, trusted: &str) -> Output {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env("URL", url)
        .env("SCHEMA", schema)
        .env("PORT", Kit::get().postgres.port().to_string())
        .env("SSL_CERT_FILE", trusted)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap()
}

#[test]
fn the_certificate_is_checked() {
    let kit = Kit::get();
    let authority = kit.postgres.offer_tls().unwrap();
    let authority = authority.to_str().unwrap();
    let port = kit.postgres.port();
    for host in ["127.0.0.1", "localhost"] {
        for mode in ["require", "verify-full"] {
            let url = format!("postgres://postgres@{host}:{port}/postgres?sslmode={mode}");
            let output = run(&url, &fresh_schema(), authority);
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{host} {mode}: {text}");
        }
    }
    // The certificate has no trusted issuer.
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=require");
    let other = kit.postgres.data().join("server.crt");
    let output = run(&url, &fresh_schema(), other.to_str().unwrap());
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("certificate"),
        "{text}"
    );
    // No root certificates to verify it against.
    let nothing = kit.postgres.data().join("nothing.pem");
    fs::write(&nothing, "").unwrap();
    let output = run(&url, &fresh_schema(), nothing.to_str().unwrap());
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("no root certificates found"),
        "{text}"
    );
}
