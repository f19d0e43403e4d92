//! The tables: their definition, version and migration.

use crate::fault;
use level_session_store::{Digest, Error, ErrorKind, Result};
use std::fmt;
use tokio_postgres::{Client, types::Type};

/// The tables as a file, for the schema [`DEFAULT`].
const SQL: &str = include_str!("../schema.sql");

/// The statement of the file that creates the schema itself. The role may lack the right to run it.
const CREATE: &str = "CREATE SCHEMA IF NOT EXISTS level_session;";

/// The default name of the schema.
pub(crate) const DEFAULT: &str = "level_session";

/// The version of the tables that this code supports.
const VERSION: i32 = 1;

/// The name of a schema, which becomes part of statements' text: letters, digits and `_`.
#[derive(Clone)]
pub(crate) struct Schema(String);

impl Schema {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let fits = (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.to_ascii_lowercase().starts_with("pg_");
        match fits {
            true => Ok(Self(name.to_owned())),
            false => Err(Error::new(
                ErrorKind::Config,
                "invalid schema name: use 1 to 63 letters, digits or `_`, with no digit first and not beginning with `pg_`",
            )),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// The file for this schema.
    pub(crate) fn sql(&self) -> String {
        SQL.replace(DEFAULT, &self.to_string())
    }

    /// The key of an advisory lock for this purpose, distinct from those of other purposes.
    pub(crate) fn lock(&self, purpose: &'static str, what: &[u8]) -> i64 {
        let name = [self.0.as_bytes(), &[0], what].concat();
        let [a, b, c, d, e, f, g, h, ..] = *Digest::of(purpose, &name).as_bytes();
        i64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Creates the tables, or brings them up to date. If several processes do so at once, one migrates and the others
    /// wait.
    pub(crate) async fn migrate(&self, client: &Client) -> Result<()> {
        let doing = "make the tables of the session store";
        // A role without the right to create tables can still start if the tables exist.
        if let Found::Version(VERSION) = self.version(client).await? {
            return Ok(());
        }
        let lock = self.lock("level-session postgres migration", &[]);
        let begin =
            format!("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({lock})");
        let done = async {
            let failed = |cause| fault::statement(doing, true, &cause);
            client.batch_execute(&begin).await.map_err(failed)?;
            match self.version(client).await? {
                Found::Version(VERSION) => {}
                Found::Version(other) => return Err(wrong(other)),
                Found::Nothing => {
                    let known = client
                        .query_typed(
                            "SELECT FROM pg_namespace WHERE nspname = $1",
                            &[(&self.0, Type::TEXT)],
                        )
                        .await
                        .map_err(failed)?;
                    // `IF NOT EXISTS` would still need the right to create a schema.
                    let sql = match known.is_empty() {
                        true => SQL.to_owned(),
                        false => SQL.replace(CREATE, ""),
                    };
                    let sql = sql.replace(DEFAULT, &self.to_string());
                    client.batch_execute(&sql).await.map_err(failed)?;
                }
            }
            client.batch_execute("COMMIT").await.map_err(failed)
        };
        let done = done.await;
        if done.is_err() {
            // If this fails, the connection is gone, and the transaction with it.
            drop(client.batch_execute("ROLLBACK").await);
        }
        done
    }

    /// Fails if the tables have another version.
    pub(crate) async fn check(&self, client: &Client) -> Result<()> {
        match self.version(client).await? {
            Found::Version(VERSION) => Ok(()),
            Found::Version(other) => Err(wrong(other)),
            Found::Nothing => Err(Error::new(
                ErrorKind::Store,
                format!("{} (schema `{}`)", fault::NO_TABLES, self.0),
            )),
        }
    }

    async fn version(&self, client: &Client) -> Result<Found> {
        let doing = "read the version of the session store's tables";
        let failed = |cause| fault::statement(doing, false, &cause);
        // Read from the catalogue: a failing statement would abort the transaction.
        let known = client
            .query_typed(
                "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = 'version'",
                &[(&self.0, Type::TEXT)],
            )
            .await
            .map_err(failed)?;
        if known.is_empty() {
            return Ok(Found::Nothing);
        }
        let rows = client
            .query_typed(&format!("SELECT version FROM {self}.version"), &[])
            .await
            .map_err(failed)?;
        match rows.as_slice() {
            [row] => match row.try_get(0) {
                Ok(version) => Ok(Found::Version(version)),
                Err(_) => Err(foreign()),
            },
            _ => Err(foreign()),
        }
    }
}

enum Found {
    Nothing,
    Version(i32),
}

fn foreign() -> Error {
    Error::new(
        ErrorKind::Store,
        "the schema has a table `version` that level-session did not create: use another schema",
    )
}

fn wrong(found: i32) -> Error {
    let advice = match found < VERSION {
        true => "run `migrate`",
        false => "a newer level-session has made them: deploy that one, or one that is newer still",
    };
    Error::new(
        ErrorKind::Store,
        format!(
            "the tables of the session store are of version {found}, and this level-session knows {VERSION}: {advice}"
        ),
    )
}

/// Quoted, for use in statements.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

    use super::*;

    /// A name that closes the quotes could inject a statement.
    #[test]
    fn a_schema_s_name_is_a_plain_one() {
        for name in ["sessions", "Sessions_2", "_x"] {
            assert!(Schema::new(name).is_ok(), "{name}");
        }
        let long = "x".repeat(64);
        for name in [
            "",
            "a\"; drop",
            "a b",
            "ä",
            "1a",
            "pg_x",
            "PG_x",
            "a.b",
            "a\0",
            &long,
        ] {
            assert!(Schema::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_file_speaks_of_the_schema_and_can_do_without_making_it() {
        let sql = Schema::new("Other").unwrap().sql();
        assert!(!sql.contains(DEFAULT) && sql.contains("CREATE TABLE \"Other\".session ("));
        assert_eq!(SQL.matches(CREATE).count(), 1);
        assert!(SQL.ends_with(&format!("version VALUES ({VERSION});\n")));
    }
}
