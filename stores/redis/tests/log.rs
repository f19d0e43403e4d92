//! Prevents an unreachable server from filling the log with a line for each attempt (F09). A separate binary, since it
//! captures the process's log.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{builder, work::*};
use level_session_redis::RedisStore;
use level_session_servers::redis::{Server, program};
use level_session_store::Store;
use std::{sync::Mutex, time::Duration};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;

/// This library's log, from level `info` on.
static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

struct Lines;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let meta = event.metadata();
        if *meta.level() <= Level::INFO && meta.target().starts_with("level_session") {
            let mut text = String::new();
            event.record(
                &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                    text += &format!("{field}={value:?} ");
                },
            );
            LINES.lock().unwrap().push((*meta.level(), text));
        }
    }
}

/// The lines since the last call: checks their levels, and that each has one of these texts, in the same order.
#[track_caller]
fn lines(expected: &[(Level, &str)]) {
    let lines = std::mem::take(&mut *LINES.lock().unwrap());
    let fit = lines.iter().zip(expected);
    assert!(
        lines.len() == expected.len()
            && fit
                .clone()
                .all(|(line, (level, text))| line.0 == *level && line.1.contains(text)),
        "{lines:#?}"
    );
    assert!(
        lines.iter().all(|(_, line)| !line.contains("hunter2")),
        "a password is in the log: {lines:#?}"
    );
}

/// Commits until this many have failed, each of which retries for as long as its patience lasts.
async fn fail(store: &RedisStore, times: usize) {
    for _ in 0..times {
        let add = [add_one("n")];
        let failed = store.commit(keep(id("a")).with_writes(&add)).await;
        failed.unwrap_err();
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_logged_once_and_its_return_once() {
    let Some(path) = program("redis") else {
        eprintln!("skipped: there is no redis-server (apt-get install redis-server)");
        return;
    };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Lines)).unwrap();
    let server = Server::start(&path, &["--appendonly", "yes"]).unwrap();
    let store = builder()
        // Retried for four times as long, at most 50 ms apart: some eight times.
        .response_timeout(Duration::from_millis(100))
        .connect(&server.url())
        .await
        .unwrap();
    done(store.commit(create(id("a"))).await.unwrap());
    lines(&[]);

    server.kill();
    fail(&store, 8).await;
    lines(&[(Level::WARN, "is unreachable")]);
    server.start_again().unwrap();
    done(store.commit(keep(id("a"))).await.unwrap());
    lines(&[(Level::INFO, "reconnected")]);

    // The next loss follows too soon for a line of its own.
    server.kill();
    fail(&store, 4).await;
    server.start_again().unwrap();
    done(store.commit(keep(id("a"))).await.unwrap());
    lines(&[]);

    // Another server, which rejects commands: the store reconnects at each rejection.
    let server = Server::start(&path, &[]).unwrap();
    let settings = builder().response_timeout(Duration::from_millis(100));
    let store = settings.connect(&server.url()).await.unwrap();
    done(store.commit(create(id("a"))).await.unwrap());
    let gone = level_session_servers::free_port().unwrap().to_string();
    server.say(&["REPLICAOF", "127.0.0.1", &gone]).unwrap();
    let before = store.counts().reconnects;
    fail(&store, 8).await;
    let connected = store.counts().reconnects - before;
    assert!(connected >= 16, "it was tried {connected} times");
    lines(&[(Level::WARN, "is a replica, which accepts no writes")]);
    server.say(&["REPLICAOF", "NO", "ONE"]).unwrap();
    done(store.commit(keep(id("a"))).await.unwrap());
    lines(&[(Level::INFO, "accepts commands again")]);
}
