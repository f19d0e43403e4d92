//! What can go wrong on the way to a server, in our words.
//!
//! The one question that matters is whether a command may have run. Before it was sent, and where the server says that it
//! did not run it, it did not; where the answer is lost, nobody knows.

use level_session_store::{Error, ErrorKind};
use redis::{RedisError, ServerErrorKind};

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

/// Answers of the server's that are no errors of ours, with what to do. Nothing of the command was done.
pub(crate) fn refused(doing: &str, error: &RedisError) -> Error {
    let code = error.code().unwrap_or("ERR");
    let detail = error.detail().unwrap_or_default();
    let hint = match code {
        "OOM" => {
            "its memory is full, so it takes no writes; sign-outs still work. Raise `maxmemory` or remove what is not needed"
        }
        "NOAUTH" | "WRONGPASS" => "the user name or the password is wrong, or one is needed",
        "NOPERM" => {
            "its access list does not let this user do that: allow the commands that the documentation names, on keys with the store's prefix"
        }
        "READONLY" => "it is a replica, which takes no writes: give the address of the master",
        "LOADING" => "it is still reading its data",
        "WRONGTYPE" => {
            "a key under the store's prefix is of another type: another program uses the prefix, so choose one of its own"
        }
        "MISCONF" => "it cannot save its data and takes no writes: look at its log",
        "NOREPLICAS" => "too few replicas are connected to it",
        "CLUSTERDOWN" => "a part of the cluster is down",
        "MASTERDOWN" => "its master is down",
        "BUSY" => "another script keeps it busy",
        "CROSSSLOT" => "it is a cluster node, but was not opened as one",
        "MOVED" | "ASK" => "the slot is at another node",
        "TRYAGAIN" => "the slot is on its way to another node",
        _ if detail.contains("Script killed") => "the script was killed by an operator",
        _ => "",
    };
    let message = match hint {
        "" => format!("cannot {doing}: the server refused it ({code})"),
        hint => format!("cannot {doing}: {hint} ({code})"),
    };
    // The server's own words may quote what was sent.
    Error::new(ErrorKind::Store, message)
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
pub(crate) fn unreachable(place: &str, error: &RedisError) -> Error {
    use redis::ErrorKind as Kind;
    let code = error.code().unwrap_or_default();
    let detail = error.detail().unwrap_or_default().to_lowercase();
    let why = match error.kind() {
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
        let source = std::error::Error::source(error)
            .and_then(|source| source.downcast_ref::<std::io::Error>())
            .map(|cause| cause.kind().to_string());
        Self(source.unwrap_or_else(|| match error.code() {
            Some(code) => code.to_owned(),
            None => error.category().to_owned(),
        }))
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
