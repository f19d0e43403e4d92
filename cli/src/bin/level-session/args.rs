//! The command line.

use clap::{Args as _Args, Parser, Subcommand};

/// Lists, shows, finds, ends, verifies, indexes anew, copies and imports the sessions in a store of level-session.
///
/// Exit code 0: done; 1: the answer is no (something is damaged, there is no such session); 2: it could not be done.
#[derive(Parser)]
#[command(name = "level-session", version)]
pub(crate) struct Args {
    /// The store: the folder of an embedded one, whose application is stopped; `redis://..`; `postgres://..`; or
    /// `env:NAME`, to read one of these from the environment.
    #[arg(
        long,
        short,
        global = true,
        value_name = "STORE",
        env = "LEVEL_SESSION_STORE",
        hide_env_values = true
    )]
    pub(crate) store: Option<String>,
    /// One JSON object per line, for machines.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What the store's keys or keyspaces begin with, if the application has set that (fjall, Redis).
    #[arg(long, global = true)]
    pub(crate) prefix: Option<String>,
    /// The schema of the tables, if the application has set that (PostgreSQL).
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
    /// All sessions that live, page by page.
    List {
        #[command(flatten)]
        view: View,
    },
    /// One session with all its fields, as JSON.
    Show {
        /// Its handle: 64 hexadecimal digits.
        handle: String,
        /// Shows the fields' values too.
        #[arg(long)]
        values: bool,
    },
    /// The sessions whose field has a value. The field is an index.
    Find {
        /// The key that the field is stored under.
        field: String,
        /// The value, as JSON: `7`, or `'"anna"'`.
        value: String,
        #[command(flatten)]
        view: View,
    },
    /// Ends one session.
    End {
        /// Its handle: 64 hexadecimal digits.
        handle: String,
    },
    /// Ends all sessions whose field has a value. The field is an index.
    EndAll {
        /// The key that the field is stored under.
        field: String,
        /// The value, as JSON: `7`, or `'"anna"'`.
        value: String,
    },
    /// Removes what has expired.
    Sweep,
    /// How many sessions live.
    Count,
    /// Reads every session, and says where records, values, deadlines and index entries do not agree.
    Verify {
        /// A field that is an index: each session that has it must be found by it. May be given several times.
        #[arg(long, value_name = "FIELD")]
        index: Vec<String>,
    },
    /// Gives all sessions their entries of fields that were declared an index after the sessions were made.
    Reindex {
        /// The keys that the fields are stored under.
        #[arg(required = true)]
        fields: Vec<String>,
    },
    /// Brings the live sessions of a Node site into the store. A session that the store knows is left alone.
    Import {
        /// `redis://..` with the records of connect-redis; a file of JSON lines, each a session as
        /// `{"id": .., "data": {..}, "expires": <milliseconds since 1970>}`; `-` for such lines from standard input; or
        /// `env:NAME`, to read one of these from the environment.
        from: String,
        /// What connect-redis puts in front of a session's id: its setting `prefix`.
        #[arg(long, default_value = "sess:", value_name = "PREFIX")]
        redis_prefix: String,
        /// Removes each record of connect-redis once its session is stored.
        #[arg(long)]
        remove: bool,
        /// A field that is an index. May be given several times.
        #[arg(long, value_name = "FIELD")]
        index: Vec<String>,
    },
    /// Copies all sessions to another store: nobody is signed out. For a store that is not in use.
    Copy {
        /// The store to read.
        from: String,
        /// The store to write to. The tables of a PostgreSQL store must be there.
        to: String,
        /// A field that is an index. May be given several times.
        #[arg(long, value_name = "FIELD")]
        index: Vec<String>,
    },
}

/// How much is shown of each session.
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
