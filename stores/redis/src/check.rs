//! The checks when a store connects: that the server is reachable, what it is, how safe sessions are in it, and whether
//! the keys under the prefix have this library's layout.

use crate::{
    fault::{self, Fault},
    keys::Keys,
    link::Link,
    servers::Servers,
};
use level_session_store::{ConfigError, Error, ErrorKind, Home, Result};
use redis::{Value, cmd};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const DOING: &str = "inspect the server";

/// The version of the keys' layout.
const FORMAT: &str = "1";

/// The server's description of itself.
pub(crate) struct Server {
    pub(crate) is_cluster: bool,
}

async fn call(link: &Arc<Link>, command: &redis::Cmd) -> Result<Value> {
    link.call(command).await.map_err(|fault| match fault {
        Fault::Unreachable(error) => error,
        Fault::Refused(error) => fault::refused(DOING, link.place(), &error),
        Fault::Lost(error) => fault::lost(DOING, link.place(), &error, false),
    })
}

/// Asks a server for its version and role.
pub(crate) async fn server(link: &Arc<Link>) -> Result<Server> {
    let hello = facts(call(link, &cmd("HELLO")).await?);
    let of = |name: &str| hello.get(name).map_or("", String::as_str);
    if of("mode") == "sentinel" {
        return Err(ConfigError::new(
            "the address of the Redis server",
            "a sentinel answers there: name the sentinels and their master with `sentinel`",
        )
        .into());
    }
    // Valkey reports the version of Redis that it is compatible with: 7.2.
    let mut numbers = of("version")
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < (6, 2) {
        return Err(Error::new(
            ErrorKind::Store,
            format!(
                "the server at {} is too old (version {}): Redis 6.2 or newer, or Valkey, is required",
                link.place(),
                of("version").escape_debug()
            ),
        ));
    }
    if of("role") == "replica" && of("mode") != "cluster" {
        return Err(Error::new(
            ErrorKind::Store,
            format!(
                "the server at {} is a replica, which accepts no writes: give the address of the master",
                link.place()
            ),
        ));
    }
    Ok(Server {
        is_cluster: of("mode") == "cluster",
    })
}

/// Describes the ways in which the server could lose sessions by itself.
pub(crate) async fn dangers(link: &Arc<Link>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut info = BTreeMap::new();
    for section in ["memory", "persistence"] {
        let mut ask = cmd("INFO");
        ask.arg(section);
        match call(link, &ask).await {
            Ok(Value::BulkString(text)) => lines(&String::from_utf8_lossy(&text), &mut info),
            Ok(Value::VerbatimString { text, .. }) => lines(&text, &mut info),
            // The user may not run `INFO`.
            _ => return Ok(vec!["its `maxmemory-policy` and `appendonly` are unknown: its access control list does not permit this user to run `INFO`".to_owned()]),
        }
    }
    let of = |name: &str| info.get(name).map_or("", String::as_str);
    let policy = of("maxmemory_policy");
    if !policy.is_empty() && policy != "noeviction" {
        found.push(format!(
            "it removes keys when its memory is full (maxmemory-policy {}): sessions and the marks of ended ones may \
             vanish; set `maxmemory-policy noeviction`",
            policy.escape_debug()
        ));
    }
    if of("aof_enabled") != "1" {
        found.push(
            "it does not write an append-only file (appendonly no): a restart loses sessions, and may bring back ended \
             ones; set `appendonly yes`"
                .to_owned(),
        );
    }
    Ok(found)
}

/// How many redirects are followed, and the pause after each but the first: while the slot migrates, every node may
/// report that another one has it.
const REDIRECTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Records the layout under the prefix, or returns an error if there is another one.
pub(crate) async fn layout(servers: &Servers, keys: &Keys) -> Result<()> {
    const DOING: &str = "record the layout of the store's keys";
    let key = keys.format();
    let homes = keys.homes().to_string();
    // This key has no tag, so its slot may be at a node that has no home.
    let mut link = servers.link(Home::ONLY).await?;
    let mut redirects = 0;
    'nodes: loop {
        for (field, value) in [("format", FORMAT), ("homes", &homes)] {
            let mut note = cmd("HSETNX");
            note.arg(&key).arg(field).arg(value);
            match link.call(&note).await {
                Ok(_) => {}
                Err(Fault::Refused(error)) => match fault::not_run(&error) {
                    Some(fault::NotRun::Moved(node)) if redirects < REDIRECTS => {
                        if redirects > 0 {
                            tokio::time::sleep(PAUSE).await;
                        }
                        redirects += 1;
                        link = servers.node(&node)?;
                        continue 'nodes;
                    }
                    // The store also opens on a full server.
                    _ if error.code() == Some("OOM") => {}
                    _ => return Err(fault::refused(DOING, link.place(), &error)),
                },
                Err(Fault::Unreachable(error)) => return Err(error),
                Err(Fault::Lost(error)) => {
                    return Err(fault::lost(DOING, link.place(), &error, false));
                }
            }
        }
        let mut read = cmd("HGETALL");
        read.arg(&key);
        let stored = facts(call(&link, &read).await?);
        let of = |name: &str| stored.get(name).map_or("", String::as_str);
        if !stored.is_empty() && of("format") != FORMAT {
            return Err(ConfigError::new(
                "the prefix",
                "sessions under it were stored by another version of level-session-redis, in a layout that this version does not support",
            )
            .into());
        }
        if !stored.is_empty() && of("homes") != homes {
            return Err(ConfigError::new(
                "the number of homes",
                format!(
                    "sessions under this prefix are at {0} homes, and not at {homes}: set `homes` to {0}, or choose \
                     another prefix and copy the sessions",
                    of("homes").escape_debug()
                ),
            )
            .into());
        }
        return Ok(());
    }
}

/// Checks that a node serves every home.
pub(crate) async fn whole(servers: &Servers, keys: &Keys) -> Result<()> {
    servers.masters().await?;
    for home in 0..keys.homes() {
        servers.link(Home::new(home)).await?;
    }
    Ok(())
}

fn facts(answer: Value) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Int(n) => n.to_string(),
        _ => String::new(),
    };
    match answer {
        Value::Map(pairs) => pairs
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect(),
        Value::Array(parts) => parts
            .chunks_exact(2)
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .collect(),
        _ => BTreeMap::new(),
    }
}

fn lines(text: &str, into: &mut BTreeMap<String, String>) {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    into.extend(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
}
