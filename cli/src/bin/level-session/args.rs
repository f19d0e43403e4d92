//! The command line.

use clap::{Args as _Args, Parser, Subcommand};

/// Lists, shows, finds, ends, verifies, reindexes, copies and imports the sessions in a store of level-session.
///
/// Exit codes: 0: success; 1: negative result (damage was found, there is no such session); 2: the command failed.
#[derive(Parser)]
#[command(name = "level-session", version)]
pub(crate) struct Args {
    /// The store: the directory of an embedded store (stop the application first), `redis://..`, `postgres://..`, or
    /// `env:NAME` to read one of these from an environment variable.
    #[arg(
        long,
        short,
        global = true,
        value_name = "STORE",
        env = "LEVEL_SESSION_STORE",
        hide_env_values = true
    )]
    pub(crate) store: Option<String>,
    /// Prints one JSON object per line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The prefix of the store's keys or keyspaces, if the application sets one (fjall, Redis).
    #[arg(long, global = true)]
    pub(crate) prefix: Option<String>,
    /// The schema of the tables, if the application sets one (PostgreSQL).
    #[arg(long, global = true)]
    pub(crate) schema: Option<String>,
    /// Allows a connection without TLS to another machine (PostgreSQL).
    #[arg(long, global = true)]
    pub(crate) plain_text: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists all live sessions.
    List {
        #[command(flatten)]
        view: View,
    },
    /// Shows one session with all its fields, as JSON.
    Show {
        /// The handle of the session: 64 hexadecimal digits.
        handle: String,
        /// Also shows the values of the fields.
        #[arg(long)]
        values: bool,
    },
    /// Lists the sessions whose field has a value. The field must be an index.
    Find {
        /// The key under which the field is stored.
        field: String,
        /// The value, as JSON: `7`, or `'"anna"'`.
        value: String,
        #[command(flatten)]
        view: View,
    },
    /// Ends one session.
    End {
        /// The handle of the session: 64 hexadecimal digits.
        handle: String,
    },
    /// Ends all sessions whose field has a value. The field must be an index.
    EndAll {
        /// The key under which the field is stored.
        field: String,
        /// The value, as JSON: `7`, or `'"anna"'`.
        value: String,
    },
    /// Removes expired sessions.
    Sweep,
    /// Counts the live sessions.
    Count,
    /// Reads every session, and reports damaged or inconsistent records, values, deadlines and index entries.
    Verify {
        /// A field that is an index: checks that every session with this field can be found by it. Can be repeated.
        #[arg(long, value_name = "FIELD")]
        index: Vec<String>,
    },
    /// Creates missing index entries, for fields that were declared an index after the sessions were created.
    Reindex {
        /// The keys under which the fields are stored.
        #[arg(required = true)]
        fields: Vec<String>,
    },
    /// Imports the live sessions of a Node site. Sessions that the store already knows are left alone.
    Import {
        /// `redis://..` with the records of connect-redis; a file of JSON lines, one per session:
        /// `{"id": .., "data": {..}, "expires": <milliseconds since 1970>}`; `-` to read such lines from standard input; or
        /// `env:NAME` to read one of these from an environment variable.
        from: String,
        /// The prefix that connect-redis adds to session ids: its setting `prefix`.
        #[arg(long, default_value = "sess:", value_name = "PREFIX")]
        redis_prefix: String,
        /// Removes each connect-redis record once its session is stored.
        #[arg(long)]
        remove: bool,
        /// A field that is an index. Can be repeated.
        #[arg(long, value_name = "FIELD")]
        index: Vec<String>,
    },
    /// Copies all sessions to another store without signing users out. The stores must not be in use.
    Copy {
        /// The store to read.
        from: String,
        /// The store to write to. The tables of a PostgreSQL store must exist.
        to: String,
        /// A field that is an index. Can be repeated.
        #[arg(long, value_name = "FIELD")]
        index: Vec<String>,
    },
}

/// Which parts of each session are shown.
#[derive(_Args)]
pub(crate) struct View {
    /// Shows the names and sizes of the fields.
    #[arg(long)]
    pub(crate) fields: bool,
    /// Shows the fields with their values.
    #[arg(long)]
    pub(crate) values: bool,
}

impl View {
    pub(crate) const fn has_fields(&self) -> bool {
        self.fields || self.values
    }
}
