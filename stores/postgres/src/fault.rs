//! Errors that say what to do, and show no row, key or password.

use deadpool_postgres::PoolError;
use level_session_store::{Error, ErrorKind};
use std::{error::Error as StdError, fmt, time::Duration};
use tokio_postgres::error::SqlState;

/// The error of the server or the connection, without the data: the client's own errors print rows.
#[derive(Debug)]
pub(crate) struct Fault {
    code: Option<SqlState>,
    text: String,
}

impl Fault {
    pub(crate) fn of(cause: &tokio_postgres::Error) -> Self {
        let Some(database) = cause.as_db_error() else {
            return Self {
                code: None,
                text: chain(cause),
            };
        };
        let code = database.code().clone();
        // The server's message quotes the value or the row.
        let text = match code.code().get(..2) {
            Some("22") => "the server rejected a value".to_owned(),
            Some("23") => "the server rejected a row".to_owned(),
            _ => database.message().to_owned(),
        };
        Self {
            code: Some(code),
            text,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} (SQLSTATE {})", self.text, code.code()),
            None => f.write_str(&self.text),
        }
    }
}

impl StdError for Fault {}

/// The messages of an error that the server did not send (of the connection, the system or TLS), and of its causes.
fn chain(cause: &tokio_postgres::Error) -> String {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The meaning of an error code for the operator, as a sentence.
fn advice(code: &SqlState) -> Option<&'static str> {
    Some(match code.code() {
        "28P01" | "28000" => "the server rejected the user or the password",
        "3D000" => "the database does not exist",
        "3F000" | "42P01" | "42703" => NO_TABLES,
        "42501" => "the role lacks a privilege: `schema.sql` lists those it needs",
        "25006" | "57P03" => {
            "the server accepts no writes now: is it a standby, or still starting?"
        }
        "26000" | "42P05" => {
            "a prepared statement is missing: behind PgBouncer in transaction mode use the setting `pgbouncer`"
        }
        "0A000" => "the tables were changed while the application was running",
        "53100" => "the server's disk is full",
        "53300" => "the server has no connections left: use a smaller pool",
        "57014" => "a statement exceeded its time limit or was cancelled",
        "57P01" | "57P02" => "the server is shutting down",
        _ => return None,
    })
}

pub(crate) const NO_TABLES: &str =
    "the schema has no tables of level-session: run `migrate`, or apply `schema.sql`";

/// An error of a statement. `wrote` is whether the statement may have changed something: then the outcome is unknown if
/// the connection broke.
pub(crate) fn statement(doing: &str, wrote: bool, cause: &tokio_postgres::Error) -> Error {
    let fault = Fault::of(cause);
    let uncertain = wrote && is_lost(cause);
    let message = match fault.code.as_ref().and_then(advice) {
        Some(advice) => format!("cannot {doing}: {advice}"),
        None if uncertain => {
            format!("cannot {doing}: the connection to the server broke before it responded")
        }
        None => format!("cannot {doing}"),
    };
    Error::store(message, fault).uncertain_if(uncertain)
}

/// Whether the connection was lost along with the response.
pub(crate) fn is_lost(cause: &tokio_postgres::Error) -> bool {
    match cause.code() {
        // The backend was terminated, possibly between the commit and its response.
        Some(code) => code.code().starts_with("57P") || code.code().starts_with("08"),
        None => true,
    }
}

/// Whether the same statement may succeed if it is retried: it collided with another one, and changed nothing.
pub(crate) fn is_collision(cause: &tokio_postgres::Error) -> bool {
    let collisions = [
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
    ];
    cause.code().is_some_and(|code| collisions.contains(&code))
}

/// An error of the pool: nothing was sent.
pub(crate) fn pool(doing: &str, cause: PoolError, waited: Duration) -> Error {
    match cause {
        PoolError::Backend(cause) => {
            let fault = Fault::of(&cause);
            let message = match fault.code.as_ref().and_then(advice) {
                Some(advice) => format!("cannot {doing}: {advice}"),
                None => format!("cannot {doing}: the server cannot be reached"),
            };
            Error::store(message, fault)
        }
        PoolError::Timeout(_) => Error::new(
            ErrorKind::Store,
            format!("cannot {doing}: no connection became available within {waited:?}"),
        ),
        PoolError::Closed => Error::new(
            ErrorKind::Store,
            format!("cannot {doing}: the connection pool is closed"),
        ),
        _ => Error::new(
            ErrorKind::Store,
            format!("cannot {doing}: the connection pool cannot be used"),
        ),
    }
}

/// The server did not respond in time.
pub(crate) fn stalled(doing: &str, wrote: bool, waited: Duration) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("cannot {doing}: the server did not respond within {waited:?}"),
    )
    .uncertain_if(wrote)
}

/// The stored data is not in the form that this store writes. It is left unchanged.
pub(crate) fn damaged(what: &'static str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("a stored session is damaged: {what}"),
    )
}
