//! What can go wrong on the way to a server, in our words.
//!
//! The one question that matters is whether a command may have run. Before it was sent, and where the server says that it
//! did not run it, it did not; where the answer is lost, nobody knows.

use level_session_store::{Error, ErrorKind};
use redis::{RedisError, RedisFuture, ServerErrorKind, io::AsyncDNSResolver};
use std::{io, net::SocketAddr, sync::Arc};

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no connection: nothing was sent.
    Unreachable(Error),
    /// The server answered with an error.
    Refused(RedisError),
    /// The answer is lost.
    Lost(RedisError),
}

/// What is to be done about an error of the server's that says that the command did not run.
#[derive(Debug, PartialEq)]
pub(crate) enum NotRun {
    /// The server does not know the script yet.
    NoScript,
    /// The slot is at another node from now on.
    Moved(String),
    /// The slot is on its way to another node: this one command goes there.
    Ask(String),
    /// It may run in a moment.
    Later,
    /// It may run in a moment, perhaps at another node.
    Elsewhere,
}

/// Whether the command may be sent again: only where the server says that it did not run it.
pub(crate) fn not_run(error: &RedisError) -> Option<NotRun> {
    let redis::ErrorKind::Server(kind) = error.kind() else {
        return None;
    };
    let node = || {
        let words = error.detail()?.split_whitespace();
        words.last().map(str::to_owned)
    };
    Some(match kind {
        ServerErrorKind::NoScript => NotRun::NoScript,
        ServerErrorKind::Moved => NotRun::Moved(node()?),
        ServerErrorKind::Ask => NotRun::Ask(node()?),
        ServerErrorKind::TryAgain | ServerErrorKind::BusyLoading => NotRun::Later,
        ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown | ServerErrorKind::ReadOnly => {
            NotRun::Elsewhere
        }
        _ => return None,
    })
}

/// An error of the server's that is none of ours, with what to do. Nothing of the command was done.
pub(crate) fn refused(doing: &str, place: &str, error: &RedisError) -> Error {
    let code = error.code().unwrap_or("ERR");
    let detail = error.detail().unwrap_or_default();
    let why = match code {
        "OOM" => {
            "has reached its `maxmemory` and refuses writes, sign-outs excepted: raise `maxmemory`, or remove other data from it"
        }
        "NOAUTH" | "WRONGPASS" => "refused the user name or the password, or asks for one",
        "NOPERM" => {
            "does not let this user do that, by its access list: allow the commands that the documentation names, on keys with the store's prefix"
        }
        "READONLY" => "is a replica, which takes no writes: give the address of the master",
        "LOADING" => "is still loading its data",
        "WRONGTYPE" => {
            "has a key of another type under the store's prefix: another program uses the prefix, so choose one of its own"
        }
        "MISCONF" => "cannot save its data and refuses writes: look at its log",
        "NOREPLICAS" => {
            "has fewer replicas than its `min-replicas-to-write` asks for, and refuses writes"
        }
        "CLUSTERDOWN" => "belongs to a cluster of which a part is down",
        "MASTERDOWN" => "is a replica whose master is down",
        "BUSY" => "is kept busy by another script",
        "CROSSSLOT" => "is a cluster node, but was not opened as one",
        "MOVED" | "ASK" => "does not have the slot: another node has it",
        "TRYAGAIN" => "is moving the slot to another node",
        _ if detail.contains("Script killed") => "ran the script until an operator killed it",
        _ => "refused it",
    };
    // The server's own words may quote what was sent.
    Error::new(
        ErrorKind::Store,
        format!("cannot {doing}: the Redis server at {place} {why} ({code})"),
    )
}

/// The answer is lost: `writes` says whether something may be stored.
pub(crate) fn lost(doing: &str, place: &str, error: &RedisError, writes: bool) -> Error {
    let why = match () {
        () if error.is_timeout() => "did not answer in time",
        () if error.kind() == redis::ErrorKind::Parse => "answered what is not understood",
        () => "broke the connection before it answered",
    };
    Error::store(format!("cannot {doing}: {place} {why}"), Short::of(error)).uncertain_if(writes)
}

/// There was no connection: the error of the attempt.
pub(crate) fn unreachable(place: &str, database: i64, error: &RedisError) -> Error {
    use redis::ErrorKind as Kind;
    let code = error.code().unwrap_or_default();
    let detail = error.detail().unwrap_or_default().to_lowercase();
    let no_database;
    let why = match error.kind() {
        // Whatever the server says of another command, it takes 0.
        _ if database != 0 && detail.contains("db index is out of range") => {
            no_database =
                format!("it has no database {database}: see `databases` in its configuration");
            &no_database
        }
        _ if database != 0 && detail.contains("select is not allowed in cluster mode") => {
            no_database = format!("it has no database {database}: a Redis Cluster has 0 alone");
            &no_database
        }
        Kind::AuthenticationFailed => "it refused the user name or the password",
        _ if matches!(code, "WRONGPASS" | "NOAUTH" | "NOPERM") || detail.contains("password") => {
            "it refused the user name or the password"
        }
        Kind::RESP3NotSupported => "it is too old: Redis 6.2 or newer is needed, or Valkey",
        _ if detail.contains("unknown command") => {
            "it is too old: Redis 6.2 or newer is needed, or Valkey"
        }
        Kind::Server(ServerErrorKind::BusyLoading) => "it is still reading its data",
        Kind::Parse => "what answers there is no Redis server",
        _ if error.is_timeout() => "it does not answer",
        _ if is_unknown_host(error) => "there is no host of that name",
        _ if error.is_connection_refusal() => "nothing listens there",
        Kind::Io => "the connection broke, or could not be made",
        _ => "it refused the connection",
    };
    Error::store(
        format!("cannot connect to the Redis server at {place}: {why}"),
        Short::of(error),
    )
}

/// What an error of the client's may show: its kind, and the system's error. Nothing of what was sent or received.
#[derive(Debug)]
struct Short(String);

impl Short {
    fn of(error: &RedisError) -> Self {
        Self(match (io(error), error.code()) {
            // Ours: see `Resolver`.
            (Some(cause), _) if is_unknown_host(error) => cause.to_string(),
            (Some(cause), _) => cause.kind().to_string(),
            (None, Some(code)) => code.to_owned(),
            (None, None) => error.category().to_owned(),
        })
    }
}

/// The system's error within one of the client's, which keeps it in an `Arc`.
fn io(error: &RedisError) -> Option<&io::Error> {
    let source = std::error::Error::source(error)?;
    let shared = source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    shared.downcast_ref()
}

fn is_unknown_host(error: &RedisError) -> bool {
    let cause = io(error).and_then(io::Error::get_ref);
    cause.is_some_and(<dyn std::error::Error + Send + Sync>::is::<UnknownHost>)
}

/// Finds hosts as the client does, and marks the error where there is none.
pub(crate) struct Resolver;

#[derive(Debug)]
struct UnknownHost(String);

impl std::fmt::Display for UnknownHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnknownHost {}

impl AsyncDNSResolver for Resolver {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let unknown = |why: String| RedisError::from(io::Error::other(UnknownHost(why)));
            let found = tokio::net::lookup_host((host, port)).await;
            let found: Vec<_> = found.map_err(|error| unknown(error.to_string()))?.collect();
            if found.is_empty() {
                return Err(unknown("it has no address".to_owned()));
            }
            let found: Box<dyn Iterator<Item = SocketAddr> + Send> = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Short {}

/// What is stored is not what this library writes.
pub(crate) fn damaged() -> Error {
    Error::new(
        ErrorKind::Store,
        "a session's record in Redis is damaged, or was written by a later version: it is left as it is",
    )
}

/// An answer of a form that no server gives.
pub(crate) fn unexpected(doing: &str, writes: bool) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("cannot {doing}: the server answered what is not understood"),
    )
    .uncertain_if(writes)
}
