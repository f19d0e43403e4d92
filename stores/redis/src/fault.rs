//! Errors of the exchange with a server, in this library's words.
//!
//! They distinguish whether a command may have run. It did not run if it was not sent, or if the server reports that it
//! did not run it. If the reply was lost, it is unknown whether the command ran.

use level_session_store::{Error, ErrorKind};
use redis::{RedisError, RedisFuture, ServerErrorKind, io::AsyncDNSResolver};
use std::{io, net::SocketAddr, sync::Arc};

/// Why a command has no reply.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no connection: nothing was sent.
    Unreachable(Error),
    /// The server replied with an error.
    Refused(RedisError),
    /// The reply was lost.
    Lost(RedisError),
}

/// The reaction to an error by which the server reports that it did not run the command.
#[derive(Debug, PartialEq)]
pub(crate) enum NotRun {
    /// The server does not know the script yet.
    NoScript,
    /// The slot has moved to this node.
    Moved(String),
    /// The slot is migrating to this node: only this command is sent there.
    Ask(String),
    /// Retry after a pause.
    Later,
    /// Retry after a pause, possibly at another node.
    Elsewhere,
}

/// Whether the command may be sent again: only if the server reports that it did not run it.
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

/// The public error for an error that the server replied with: it says what to do. The command had no effect.
pub(crate) fn refused(doing: &str, place: &str, error: &RedisError) -> Error {
    let code = error.code().unwrap_or("ERR");
    let detail = error.detail().unwrap_or_default();
    let why = match code {
        "OOM" => {
            "has reached its `maxmemory` and rejects writes except sign-outs: raise `maxmemory`, or remove other data from it"
        }
        "NOAUTH" | "WRONGPASS" => "requires a password, or rejected the user name or the password",
        "NOPERM" => {
            "does not permit this user to do that, by its access control list: allow the commands listed in the documentation of `level-session-redis`, on keys with the store's prefix"
        }
        "READONLY" => "is a replica, which accepts no writes: give the address of the master",
        "LOADING" => "is still loading its data",
        "WRONGTYPE" => {
            "has a key of another type under the store's prefix: another program uses the prefix, so choose a different one"
        }
        "MISCONF" => "cannot save its data and rejects writes: check its log",
        "NOREPLICAS" => {
            "has fewer replicas than its `min-replicas-to-write` requires, and rejects writes"
        }
        "CLUSTERDOWN" => "belongs to a cluster that is partly down",
        "MASTERDOWN" => "is a replica whose master is down",
        "BUSY" => "is busy with another script",
        "CROSSSLOT" => "is a cluster node, but was not opened as one",
        "MOVED" | "ASK" => "does not serve the slot: another node does",
        "TRYAGAIN" => "is migrating the slot to another node",
        _ if detail.contains("Script killed") => "ran the script until an operator killed it",
        _ => "rejected the command",
    };
    // The server's own message is left out: it may quote the command.
    Error::new(
        ErrorKind::Store,
        format!("cannot {doing}: the Redis server at {place} {why} ({code})"),
    )
}

/// The reply was lost: `writes` says whether something may be stored.
pub(crate) fn lost(doing: &str, place: &str, error: &RedisError, writes: bool) -> Error {
    let why = match () {
        () if error.is_timeout() => "did not respond in time",
        () if error.kind() == redis::ErrorKind::Parse => "sent an invalid response",
        () => "closed the connection before it responded",
    };
    Error::store(format!("cannot {doing}: {place} {why}"), Short::of(error)).uncertain_if(writes)
}

/// The error of a failed attempt to connect.
pub(crate) fn unreachable(place: &str, database: i64, error: &RedisError) -> Error {
    use redis::ErrorKind as Kind;
    let code = error.code().unwrap_or_default();
    let detail = error.detail().unwrap_or_default().to_lowercase();
    let no_database;
    let why = match error.kind() {
        // Every server has database 0, so an error about another command must not blame it.
        _ if database != 0 && detail.contains("db index is out of range") => {
            no_database =
                format!("it has no database {database}: see `databases` in its configuration");
            &no_database
        }
        _ if database != 0 && detail.contains("select is not allowed in cluster mode") => {
            no_database =
                format!("it has no database {database}: a Redis Cluster has only database 0");
            &no_database
        }
        Kind::AuthenticationFailed => "it rejected the user name or the password",
        _ if matches!(code, "WRONGPASS" | "NOAUTH" | "NOPERM") || detail.contains("password") => {
            "it rejected the user name or the password"
        }
        Kind::RESP3NotSupported => "it is too old: Redis 6.2 or newer, or Valkey, is required",
        _ if detail.contains("unknown command") => {
            "it is too old: Redis 6.2 or newer, or Valkey, is required"
        }
        Kind::Server(ServerErrorKind::BusyLoading) => "it is still loading its data",
        Kind::Parse => "the process that listens there is not a Redis server",
        _ if error.is_timeout() => "it does not respond",
        _ if is_unknown_host(error) => "the host name cannot be resolved",
        _ if error.is_connection_refusal() => {
            "the connection was refused: no process listens there"
        }
        Kind::Io => "the connection broke, or could not be made",
        _ => "it rejected the connection",
    };
    Error::store(
        format!("cannot connect to the Redis server at {place}: {why}"),
        Short::of(error),
    )
}

/// The part of the client's error that may be shown: its kind, and the system's error. It quotes nothing that was sent
/// or received.
#[derive(Debug)]
struct Short(String);

impl Short {
    fn of(error: &RedisError) -> Self {
        Self(match (io(error), error.code()) {
            // This library's own error: see `Resolver`.
            (Some(cause), _) if is_unknown_host(error) => cause.to_string(),
            (Some(cause), _) => cause.kind().to_string(),
            (None, Some(code)) => code.to_owned(),
            (None, None) => error.category().to_owned(),
        })
    }
}

/// The system's error inside the client's error, which keeps it in an `Arc`.
fn io(error: &RedisError) -> Option<&io::Error> {
    let source = std::error::Error::source(error)?;
    let shared = source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    shared.downcast_ref()
}

fn is_unknown_host(error: &RedisError) -> bool {
    let cause = io(error).and_then(io::Error::get_ref);
    cause.is_some_and(<dyn std::error::Error + Send + Sync>::is::<UnknownHost>)
}

/// Resolves host names like the client, and marks the error if a name cannot be resolved.
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
                return Err(unknown("the host has no address".to_owned()));
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

/// The stored record is not one that this version writes.
pub(crate) fn damaged() -> Error {
    Error::new(
        ErrorKind::Store,
        "a session's record in Redis is damaged, or was written by a later version: it was left unchanged",
    )
}

/// A response of a form that no server sends.
pub(crate) fn unexpected(doing: &str, writes: bool) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("cannot {doing}: the server sent an unexpected response"),
    )
    .uncertain_if(writes)
}
