//! Servers that the tests of one program share, and stores in separate key spaces.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod work;

use level_session_redis::{RedisStore, RedisStoreBuilder, Safety};
use level_session_servers::redis::{Cluster, Server, program};
use std::sync::{
    LazyLock, Mutex,
    atomic::{AtomicU64, Ordering},
};

/// By the name of the program.
type All<T> = Mutex<Vec<(&'static str, Option<&'static T>)>>;

static PREFIXES: AtomicU64 = AtomicU64::new(0);

/// Settings for a key space that no other test uses.
pub(crate) fn builder() -> RedisStoreBuilder {
    let n = PREFIXES.fetch_add(1, Ordering::Relaxed);
    RedisStore::builder()
        .prefix(format!("t{n}"))
        .safety(Safety::Ignore)
        // The machine may be busy.
        .response_timeout(std::time::Duration::from_secs(10))
}

/// A server of this program that all tests of the process share; `None` if the program is missing.
pub(crate) fn server(name: &'static str) -> Option<&'static Server> {
    static ALL: LazyLock<All<Server>> = LazyLock::new(Mutex::default);
    let mut all = ALL.lock().unwrap();
    if let Some((_, server)) = all.iter().find(|(other, _)| *other == name) {
        return *server;
    }
    let server = program(name).map(|path| {
        let server = Server::start(&path, &[]).unwrap();
        stop_with_us(&server);
        &*Box::leak(Box::new(server))
    });
    all.push((name, server));
    server
}

/// A Cluster of this program that all tests of the process share.
pub(crate) fn cluster(name: &'static str) -> Option<&'static Cluster> {
    static ALL: LazyLock<All<Cluster>> = LazyLock::new(Mutex::default);
    let mut all = ALL.lock().unwrap();
    if let Some((_, cluster)) = all.iter().find(|(other, _)| *other == name) {
        return *cluster;
    }
    let cluster = program(name).map(|path| {
        let cluster = Cluster::start(&path, &[]).unwrap();
        cluster.nodes().iter().for_each(stop_with_us);
        &*Box::leak(Box::new(cluster))
    });
    all.push((name, cluster));
    cluster
}

/// A server that all tests share is never dropped: a separate process kills it when this one has exited.
fn stop_with_us(server: &Server) {
    let (us, it) = (std::process::id(), server.pid().unwrap());
    let script = format!("while kill -0 {us} 2>/dev/null; do sleep 0.2; done; kill -9 {it}");
    #[expect(clippy::zombie_processes, reason = "it outlives this process")]
    std::process::Command::new("sh")
        .args(["-c", &script])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
}
