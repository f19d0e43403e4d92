//! Servers that are unreachable, misconfigured, full, busy or damaged: a clear error each, at the earliest moment,
//! nothing lost, and no restart of the application afterwards (requirements F09, F15, F16).
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{builder, work::*};
use level_session_redis::{RedisStore, Safety};
use level_session_servers::redis::{Cluster, Server, program};
use level_session_store::{
    Commit, Digest, Error, ErrorKind, Limit, Loaded, Outcome, Select, Store, WhenFull,
};
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::Duration,
};

fn redis() -> Option<std::path::PathBuf> {
    let path = program("redis");
    if path.is_none() {
        eprintln!("skipped: there is no redis-server (apt-get install redis-server)");
    }
    path
}

/// An error with this text, including its causes, and none of the secrets of these tests.
#[track_caller]
fn says(error: &Error, what: &str) {
    let mut shown = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        shown += &format!(" {error} {error:?}");
        cause = error.source();
    }
    assert!(error.to_string().contains(what), "it says: {shown}");
    assert!(!shown.contains("hunter2"), "it shows a password: {shown}");
    assert!(!shown.contains("aaaaaaaa"), "it shows a key: {shown}");
}

/// A session whose key can be typed.
fn typed(letter: u8) -> Digest {
    Digest::from_bytes([letter; 32])
}

/// A listener that responds to every request with this.
fn impostor(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("redis://:hunter2@{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().take(20) {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(1..) = stream.read(&mut bytes) {
                    // Each of a client's pipelined requests gets a response.
                    for _ in 0..8 {
                        if stream.write_all(answer).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    url
}

async fn refused(url: &str) -> Error {
    let settings = builder()
        .response_timeout(Duration::from_millis(300))
        .connect_timeout(Duration::from_millis(500));
    settings
        .connect(url)
        .await
        .expect_err("it does not connect")
}

#[tokio::test]
async fn no_server_is_an_error_that_says_so() {
    let port = level_session_servers::free_port().unwrap();
    let error = refused(&format!("redis://:hunter2@127.0.0.1:{port}")).await;
    says(&error, "no process listens there");
    assert_eq!(error.kind(), ErrorKind::Store);
    // It listens, and never responds.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    says(
        &refused(&format!("redis://:hunter2@127.0.0.1:{port}")).await,
        "does not respond",
    );
    says(
        &refused(&impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await,
        "is not a Redis server",
    );
    let old = b"-ERR unknown command 'HELLO', with args beginning with: '3'\r\n";
    says(
        &refused(&impostor(old)).await,
        "Redis 6.2 or newer, or Valkey, is required",
    );
    // `.invalid` is reserved for names that do not exist (RFC 2606).
    let error = refused("redis://:hunter2@redis.invalid:6379").await;
    says(
        &error,
        "at redis.invalid:6379: the host name cannot be resolved",
    );
    assert_eq!(error.kind(), ErrorKind::Store);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &[]).unwrap();
    says(
        &refused(&format!("{}/99", server.url())).await,
        "it has no database 99: see `databases`",
    );
    builder()
        .connect(&format!("{}/15", server.url()))
        .await
        .unwrap();
    let cluster = Cluster::start(&path, &[]).unwrap();
    says(
        &refused(&format!("{}/1", cluster.url())).await,
        "it has no database 1: a Redis Cluster has only database 0",
    );
}

/// The key of the layout has a slot of its own, which may be at a node that has no home.
#[tokio::test]
async fn a_store_opens_wherever_the_slot_of_its_layout_is() {
    let Some(path) = redis() else { return };
    let cluster = Cluster::start(&path, &[]).unwrap();
    for n in 0..20 {
        let settings = builder().homes(2).prefix(format!("p{n}"));
        settings.connect(&cluster.url()).await.unwrap();
    }
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_refused_without_a_server() {
    for url in [
        "http://:hunter2@127.0.0.1",
        "redis://:hunter2@host:port",
        "redis://:hunter2@",
        "redis://u:hunter2@127.0.0.1/x",
        "hunter2",
    ] {
        let error = refused(url).await;
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        says(&error, "the URL of the Redis server");
    }
    let url = "redis://127.0.0.1:1";
    for (settings, what) in [
        (builder().prefix(""), "the prefix"),
        (builder().prefix("a{b}"), "the prefix"),
        (builder().homes(0), "homes"),
        (builder().homes(65), "homes"),
        (builder().client_name("a b"), "name"),
        (builder().response_timeout(Duration::ZERO), "timeout"),
        (
            builder().replicated(0, Duration::from_secs(1)),
            "replication",
        ),
    ] {
        let error = settings.connect(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        says(&error, what);
    }
    let shown = format!("{:?}", builder().credentials(Some("user"), "hunter2"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[cfg(not(feature = "tls"))]
#[tokio::test]
async fn tls_without_its_feature_is_refused() {
    says(
        &refused("rediss://127.0.0.1").await,
        "feature `redis-tls` of level-session (`tls` of level-session-redis)",
    );
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &["--requirepass", "right"]).unwrap();
    let port = server.port();
    for url in [
        format!("redis://:hunter2@127.0.0.1:{port}"),
        format!("redis://user:hunter2@127.0.0.1:{port}"),
        server.url(),
    ] {
        says(
            &refused(&url).await,
            "it rejected the user name or the password",
        );
    }
    let store = builder()
        .credentials(None, "right")
        .connect(&server.url())
        .await
        .unwrap();
    done(store.commit(create(typed(b'a'))).await.unwrap());
    builder()
        .connect(&format!("redis://:right@127.0.0.1:{port}"))
        .await
        .unwrap();
    let shown = format!("{store:?}");
    assert!(!shown.contains("right"), "{shown}");
}

/// The access list in the documentation is enough; with one command less there is an error that names the problem.
#[tokio::test]
async fn a_user_with_few_rights_is_enough() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &[]).unwrap();
    let mut rule = vec![
        "ACL",
        "SETUSER",
        "shop",
        "on",
        ">hunter2",
        "resetchannels",
        "&acl@*",
        "~acl:*",
        "~acl!*",
        "~acl@*",
    ];
    rule.extend(RIGHTS);
    assert_eq!(server.say(&rule).unwrap(), "+OK\n");
    let url = format!("redis://shop:hunter2@127.0.0.1:{}", server.port());
    let settings = builder()
        .prefix("acl")
        .tell_ended(true)
        .safety(Safety::Warn);
    let store = settings.connect(&url).await.unwrap();
    let writes = [set("a", b"1").with_index(Some(b"7".into())), add_one("n")];
    done(
        store
            .commit(create(id("a")).with_writes(&writes))
            .await
            .unwrap(),
    );
    done(store.commit(renew(id("a"), id("b"))).await.unwrap());
    let found = store.find("a", b"7", None, 10, now()).await.unwrap();
    assert_eq!(found.items.len(), 1);
    assert_eq!(store.page(None, 10, now()).await.unwrap().items, [id("b")]);
    done(store.commit(destroy(id("b"))).await.unwrap());
    server.say(&["ACL", "SETUSER", "shop", "-hmget"]).unwrap();
    let error = store
        .load(id("b"), Select::Nothing, now())
        .await
        .unwrap_err();
    says(&error, "its access control list");
}

/// The access list in the documentation.
const RIGHTS: &[&str] = &[
    "-@all",
    "+hello",
    "+auth",
    "+select",
    "+client|setname",
    "+info",
    "+ping",
    "+hget",
    "+hmget",
    "+hgetall",
    "+hset",
    "+hsetnx",
    "+hdel",
    "+hlen",
    "+hkeys",
    "+hexists",
    "+exists",
    "+del",
    "+rename",
    "+pexpire",
    "+pttl",
    "+persist",
    "+zadd",
    "+zrem",
    "+zcard",
    "+zrangebyscore",
    "+zremrangebyscore",
    "+scan",
    "+eval",
    "+evalsha",
    "+set",
    "+get",
    "+publish",
    "+subscribe",
    "+wait",
    "+cluster|slots",
    "+asking",
];

#[tokio::test]
async fn a_replica_is_refused_and_names_the_remedy() {
    let Some(path) = redis() else { return };
    let master = Server::start(&path, &[]).unwrap();
    let port = master.port().to_string();
    let replica = Server::start(&path, &["--replicaof", "127.0.0.1", &port]).unwrap();
    says(
        &refused(&replica.url()).await,
        "give the address of the master",
    );
    // A server that becomes a replica accepts no writes, and loses none; and accepts them again.
    let store = builder().response_timeout(Duration::from_millis(100));
    let store = store.connect(&master.url()).await.unwrap();
    done(store.commit(create(id("a"))).await.unwrap());
    master
        .say(&["REPLICAOF", "127.0.0.1", &replica.port().to_string()])
        .unwrap();
    let error = store
        .commit(keep(id("a")).with_writes(&[set("a", b"1")]))
        .await
        .unwrap_err();
    assert!(!error.may_be_stored());
    says(&error, "give the address of the master");
    master.say(&["REPLICAOF", "NO", "ONE"]).unwrap();
    done(
        store
            .commit(keep(id("a")).with_writes(&[set("a", b"1")]))
            .await
            .unwrap(),
    );
}

#[tokio::test]
async fn a_full_server_refuses_commits_whole_and_still_signs_out() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &[]).unwrap();
    let store = builder().connect(&server.url()).await.unwrap();
    let writes = [set("a", b"1"), add_one("n")];
    for name in ["a", "b", "c"] {
        done(
            store
                .commit(create(id(name)).with_writes(&writes))
                .await
                .unwrap(),
        );
    }
    server.say(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let before = fields(&store, id("a")).await;
    let more = [set("a", b"2"), add_one("n"), remove("x")];
    // The short path through the script.
    let plain = [set("a", b"2"), remove("x")];
    for commit in [
        create(id("new")),
        keep(id("a")).with_writes(&more),
        keep(id("a")).with_writes(&plain),
    ] {
        let error = store.commit(commit).await.unwrap_err();
        assert!(!error.may_be_stored(), "nothing of it is stored");
        let place = format!(
            "the Redis server at 127.0.0.1:{} has reached",
            server.port()
        );
        says(
            &error,
            &format!("{place} its `maxmemory` and rejects writes"),
        );
    }
    assert_eq!(
        fields(&store, id("a")).await,
        before,
        "a commit is refused whole"
    );
    done(store.commit(renew(id("b"), id("b2"))).await.unwrap());
    assert_eq!(fields(&store, id("b2")).await.len(), 2, "a renewal works");
    let renewal = renew(id("b2"), id("b3"));
    done(store.commit(renewal.with_writes(&more)).await.unwrap());
    assert_eq!(count(&store, id("b3"), "n").await, 2, "with what it stores");
    done(store.commit(destroy(id("c"))).await.unwrap());
    let loaded = store.load(id("c"), Select::All, now()).await.unwrap();
    assert_eq!(loaded, Loaded::Ended(now()), "so does a sign-out");
    // A new process can connect, to sign out.
    builder().connect(&server.url()).await.unwrap();
    server.say(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    done(
        store
            .commit(keep(id("a")).with_writes(&more))
            .await
            .unwrap(),
    );
}

/// Ending all others is a sign-out too: by a session that stays, and by one that is created for it and ended next.
#[tokio::test]
async fn a_full_server_still_ends_the_others() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &[]).unwrap();
    ends_the_others(&builder().connect(&server.url()).await.unwrap(), &[&server]).await;
    let cluster = Cluster::start(&path, &[]).unwrap();
    let nodes: Vec<_> = cluster.nodes().iter().collect();
    ends_the_others(&builder().connect(&cluster.url()).await.unwrap(), &nodes).await;
}

async fn ends_the_others(store: &RedisStore, servers: &[&Server]) {
    let user = [set("user", b"7").with_index(Some(b"7".into()))];
    for name in ["a", "b", "c"] {
        done(
            store
                .commit(create(id(name)).with_writes(&user))
                .await
                .unwrap(),
        );
    }
    let full = |most: &str| {
        for server in servers {
            server.say(&["CONFIG", "SET", "maxmemory", most]).unwrap();
        }
    };
    full("1");
    let limits = [Limit::new(
        "user".to_owned().into(),
        b"7".into(),
        1,
        WhenFull::EndOldest,
    )];
    // The same as a sign-in within a limit is refused, and ends no session.
    for commit in [keep(id("b")), create(id("new"))] {
        let error = store
            .commit(commit.with_writes(&user).with_limits(&limits))
            .await
            .unwrap_err();
        says(&error, "has reached its `maxmemory`");
        assert!(!error.may_be_stored(), "{error:?}");
    }
    let listed = async || {
        let found = store.find("user", b"7", None, 10, now()).await.unwrap();
        let mut ids: Vec<_> = found.items.iter().map(|found| found.id).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(listed().await.len(), 3);
    let ends = |commit: Commit<'static>| commit.with_ends_others(true);
    for (commit, are_left) in [
        (ends(keep(id("b"))), vec![id("b")]),
        // None is left to end: that is no reason to refuse.
        (ends(keep(id("b"))), vec![id("b")]),
        (ends(create(id("nobody"))), vec![id("nobody")]),
    ] {
        let commit = commit.with_writes(&user).with_limits(&limits);
        done(store.commit(commit).await.unwrap());
        assert_eq!(listed().await, are_left);
    }
    done(store.commit(destroy(id("nobody"))).await.unwrap());
    for name in ["a", "b", "c", "nobody"] {
        let loaded = store.load(id(name), Select::Nothing, now()).await.unwrap();
        assert_eq!(loaded, Loaded::Ended(now()), "{name}");
    }
    full("0");
}

/// Another program's script keeps the server busy: an error each, until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_refuses_and_works_again_once_its_script_is_killed() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &["--lua-time-limit", "20"]).unwrap();
    let store = builder().connect(&server.url()).await.unwrap();
    done(store.commit(create(id("a"))).await.unwrap());
    let port = server.port();
    let busy = std::thread::spawn(move || {
        level_session_servers::redis::say(port, &["EVAL", "while true do end", "0"])
    });
    let error = loop {
        match store
            .commit(keep(id("a")).with_writes(&[add_one("n")]))
            .await
        {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(!error.may_be_stored());
    says(&error, "is busy with another script");
    server.say(&["SCRIPT", "KILL"]).unwrap();
    let killed = busy.join().unwrap().unwrap();
    assert!(killed.starts_with('-'), "{killed}");
    server.say(&["SCRIPT", "FLUSH"]).unwrap();
    done(
        store
            .commit(keep(id("a")).with_writes(&[add_one("n")]))
            .await
            .unwrap(),
    );
}

#[tokio::test]
async fn keys_of_another_type_are_an_error_and_stay_as_they_are() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &[]).unwrap();
    let store = builder().prefix("p").connect(&server.url()).await.unwrap();
    let key = format!("p:{}", "a".repeat(32));
    server.say(&["SET", &key, "text"]).unwrap();
    says(
        &store
            .load(typed(b'a'), Select::All, now())
            .await
            .unwrap_err(),
        "another program uses the prefix",
    );
    let error = store.commit(keep(typed(b'a'))).await.unwrap_err();
    says(&error, "another program uses the prefix");
    assert!(!error.may_be_stored());
    assert_eq!(
        store.commit(create(typed(b'a'))).await.unwrap(),
        Outcome::Exists
    );
    assert_eq!(server.say(&["GET", &key]).unwrap(), "text\n");

    // An index entry's key: nothing of the commit is stored.
    done(store.commit(create(typed(b'b'))).await.unwrap());
    let entry = [set("user", b"7").with_index(Some(b"7".into()))];
    done(
        store
            .commit(create(typed(b'c')).with_writes(&entry))
            .await
            .unwrap(),
    );
    let keys =
        "for _, k in ipairs(redis.call('KEYS', 'p!*')) do redis.call('SET', k, 'x') end return 1";
    server.say(&["EVAL", keys, "0"]).unwrap();
    let error = store
        .commit(keep(typed(b'b')).with_writes(&entry))
        .await
        .unwrap_err();
    says(&error, "another program uses the prefix");
    assert_eq!(
        fields(&store, typed(b'b')).await,
        [],
        "a commit that fails stores nothing"
    );
}

#[tokio::test]
async fn a_damaged_record_is_an_error_and_stays_as_it_is() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &[]).unwrap();
    let store = builder().prefix("p").connect(&server.url()).await.unwrap();
    let key = format!("p:{}", "a".repeat(32));
    for record in [
        "",
        "?",
        "L",
        "L1 2 3",
        "L1 2 3 x 5 -",
        "L1 2 3 4 5 - |short",
        "M1",
        "Mx y|z",
        "E",
        "Ex",
    ] {
        server.say(&["DEL", &key]).unwrap();
        server.say(&["HSET", &key, "h", record, ".a", "1"]).unwrap();
        for select in [Select::All, Select::Nothing, Select::Names(&["a"])] {
            let error = store.load(typed(b'a'), select, now()).await.unwrap_err();
            says(&error, "damaged");
        }
        for commit in [
            keep(typed(b'a')),
            destroy(typed(b'a')),
            keep(typed(b'a')).with_writes(&[set("a", b"2")]),
        ] {
            match store.commit(commit).await {
                Err(error) => says(&error, "damaged"),
                // What begins like the mark of an end is one.
                Ok(Outcome::Gone) => assert!(record.starts_with('E'), "{record}"),
                Ok(other) => panic!("{record}: a commit is {other:?}"),
            }
        }
        assert_eq!(
            store.commit(create(typed(b'a'))).await.unwrap(),
            Outcome::Exists
        );
        assert_eq!(
            server.say(&["HGET", &key, ".a"]).unwrap(),
            "1\n",
            "{record}"
        );
    }
    // Fields, and no record.
    server.say(&["HDEL", &key, "h"]).unwrap();
    says(
        &store
            .load(typed(b'a'), Select::All, now())
            .await
            .unwrap_err(),
        "damaged",
    );
}

#[tokio::test]
async fn another_layout_under_the_prefix_is_refused() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &[]).unwrap();
    let open = async |homes| {
        builder()
            .prefix("p")
            .homes(homes)
            .connect(&server.url())
            .await
    };
    open(4).await.unwrap();
    open(4).await.unwrap();
    let error = open(8).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    says(
        &error,
        "sessions under this prefix are at 4 homes, and not at 8",
    );
    server.say(&["HSET", "p@format", "format", "2"]).unwrap();
    says(&open(4).await.unwrap_err(), "another version");
    builder()
        .prefix("q")
        .homes(8)
        .connect(&server.url())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_may_lose_sessions_is_refused_where_that_is_asked_for() {
    let Some(path) = redis() else { return };
    let unsafe_ones: [(&[&str], &str); 2] = [
        (
            &["--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"],
            "set `maxmemory-policy noeviction`",
        ),
        (&["--appendonly", "no"], "set `appendonly yes`"),
    ];
    for (arguments, remedy) in unsafe_ones {
        let server = Server::start(&path, arguments).unwrap();
        let error = builder()
            .safety(Safety::Refuse)
            .connect(&server.url())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        says(&error, remedy);
        builder()
            .safety(Safety::Warn)
            .connect(&server.url())
            .await
            .unwrap();
    }
    let server = Server::start(&path, &["--appendonly", "yes"]).unwrap();
    builder()
        .safety(Safety::Refuse)
        .connect(&server.url())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_cluster_with_a_slot_missing_is_an_error_and_works_again_once_it_is_whole() {
    let Some(path) = redis() else { return };
    let cluster = Cluster::start(&path, &[]).unwrap();
    let settings = builder().response_timeout(Duration::from_millis(200));
    let store = settings.clone().connect(&cluster.url()).await.unwrap();
    let slot = store.slots()[0];
    let owner = cluster.owner(slot).unwrap().unwrap();
    let node = &cluster.nodes()[owner];
    let at_home_0 = Digest::from_bytes([0; 32]);
    done(store.commit(create(at_home_0)).await.unwrap());
    let delete = ["CLUSTER", "DELSLOTS", &slot.to_string()];
    for node in cluster.nodes() {
        node.say(&delete).unwrap();
    }
    let error = store
        .commit(keep(at_home_0).with_writes(&[add_one("n")]))
        .await
        .unwrap_err();
    assert!(!error.may_be_stored());
    says(&error, "luster");
    says(
        &settings.connect(&cluster.url()).await.unwrap_err(),
        "no node has the slot",
    );
    let error = builder()
        .homes(1)
        .connect(&cluster.url())
        .await
        .unwrap_err();
    says(&error, "a Redis Cluster needs at least 2");
    node.say(&["CLUSTER", "ADDSLOTS", &slot.to_string()])
        .unwrap();
    cluster.wait_until_whole().unwrap();
    done(
        store
            .commit(keep(at_home_0).with_writes(&[add_one("n")]))
            .await
            .unwrap(),
    );
    assert_eq!(count(&store, at_home_0, "n").await, 1);
}

/// A server that goes away and comes back: errors meanwhile, none of which stored anything, and no restart of the
/// application.
#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &["--appendonly", "yes"]).unwrap();
    let store = builder().response_timeout(Duration::from_millis(100));
    let store = store.connect(&server.url()).await.unwrap();
    done(store.commit(create(id("a"))).await.unwrap());
    server.kill();
    // A command that was sent before the loss was noticed is uncertain.
    let first = store
        .commit(keep(id("a")).with_writes(&[add_one("n")]))
        .await;
    first.unwrap_err();
    for _ in 0..3 {
        let error = store
            .commit(keep(id("a")).with_writes(&[add_one("n")]))
            .await
            .unwrap_err();
        assert!(!error.may_be_stored(), "{error:?}");
        says(
            &store.load(id("a"), Select::All, now()).await.unwrap_err(),
            "no process listens there",
        );
    }
    server.start_again().unwrap();
    done(
        store
            .commit(keep(id("a")).with_writes(&[add_one("n")]))
            .await
            .unwrap(),
    );
    assert_eq!(count(&store, id("a"), "n").await, 1);
}

/// Sentinels are asked for the master, at first and after a failover.
#[tokio::test]
async fn the_master_is_where_the_sentinel_says() {
    let Some(path) = redis() else { return };
    let one = Server::start(&path, &[]).unwrap();
    let two = Server::start(&path, &[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sentinel.conf");
    std::fs::write(
        &config,
        format!("sentinel monitor main 127.0.0.1 {} 1\n", one.port()),
    )
    .unwrap();
    let sentinel = Server::sentinel(&path, &config).unwrap();
    let settings = builder().response_timeout(Duration::from_millis(200));
    says(
        &settings.clone().connect(&sentinel.url()).await.unwrap_err(),
        "a sentinel answers there",
    );
    says(
        &settings
            .clone()
            .sentinel(&[&sentinel.url()], "other")
            .await
            .unwrap_err(),
        "knows no master of this name",
    );
    let store = settings.sentinel(&[&sentinel.url()], "main").await.unwrap();
    done(store.commit(create(id("a"))).await.unwrap());
    assert!(one.say(&["DBSIZE"]).unwrap().starts_with(":2"));
    // The other server takes over.
    sentinel.say(&["SENTINEL", "REMOVE", "main"]).unwrap();
    sentinel
        .say(&[
            "SENTINEL",
            "MONITOR",
            "main",
            "127.0.0.1",
            &two.port().to_string(),
            "1",
        ])
        .unwrap();
    one.kill();
    let created = loop {
        match store.commit(create(id("b"))).await {
            Ok(outcome) => break outcome,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Store),
        }
    };
    done(created);
    assert!(two.say(&["DBSIZE"]).unwrap().starts_with(":1"));
}

/// Waiting for replicas: without one, the error says that the changes are stored.
#[tokio::test]
async fn an_end_waits_for_replicas_and_says_if_they_have_it_not() {
    let Some(path) = redis() else { return };
    let master = Server::start(&path, &[]).unwrap();
    let settings = builder().replicated(1, Duration::from_secs(2));
    let store: RedisStore = settings.connect(&master.url()).await.unwrap();
    done(store.commit(create(id("a"))).await.unwrap());
    let error = store.commit(destroy(id("a"))).await.unwrap_err();
    assert!(error.may_be_stored());
    says(&error, "fewer than 1 replicas have them");
    assert_eq!(
        store.load(id("a"), Select::All, now()).await.unwrap(),
        Loaded::Ended(now())
    );
    let port = master.port().to_string();
    let _replica = Server::start(
        &path,
        &[
            "--replicaof",
            "127.0.0.1",
            &port,
            "--repl-diskless-sync-delay",
            "0",
        ],
    )
    .unwrap();
    done(store.commit(create(id("b"))).await.unwrap());
    while !master
        .say(&["INFO", "replication"])
        .unwrap()
        .contains("state=online")
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    done(store.commit(destroy(id("b"))).await.unwrap());
}
