//! The parts of the resident memory, and the settings that bound them.
//!
//! `memory [sessions]..`; 1000 and 100000 by default, a million takes some minutes. Each figure comes from a separate
//! process (`memory run ..`), since the allocator does not return freed memory.

use level_session::{
    Clock, FjallStore, FjallStoreBuilder,
    store::{Loaded, Select, Store as _},
};
use level_session_benches::{machine, stored, table::Table};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::{
    alloc::System,
    env,
    error::Error,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const KEYSPACES: [&str; 4] = ["meta", "data", "due", "index"];
const MIB: u64 = 1 << 20;

/// The settings that bound the memory.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Settings {
    sessions: usize,
    block_cache_mib: u64,
    /// Of `meta` and `data`, each.
    write_buffer_mib: u64,
}

/// As they come.
const DEFAULT: Settings = Settings {
    sessions: 10_000,
    block_cache_mib: 32,
    write_buffer_mib: 16,
};

/// The settings that are measured in addition to the default.
const OTHERS: [(&str, Settings); 4] = [
    (
        "no sessions cached",
        Settings {
            sessions: 0,
            ..DEFAULT
        },
    ),
    (
        "block cache of 8 MiB",
        Settings {
            block_cache_mib: 8,
            ..DEFAULT
        },
    ),
    (
        "write buffers of 4 MiB",
        Settings {
            write_buffer_mib: 4,
            ..DEFAULT
        },
    ),
    (
        "all three",
        Settings {
            sessions: 0,
            block_cache_mib: 8,
            write_buffer_mib: 4,
        },
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [verb, rest @ ..] = &args[..]
        && verb == "run"
    {
        return run(rest);
    }
    let mut sizes: Vec<u64> = args.iter().filter_map(|n| n.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 100_000];
    }
    println!("{}; MiB.\n", machine::line());
    println!("With the default settings:\n");
    let mut table = Table::new(["sessions, state"].into_iter().chain(COLUMNS));
    let mut last = Vec::new();
    for &size in &sizes {
        last = states(size, DEFAULT)?;
        for State { name, cells } in &last {
            let row = std::iter::once(format!("{size}, {name}"));
            table.row(row.chain(cells.iter().cloned()));
        }
    }
    println!("{table}");
    let size = sizes.last().copied().unwrap_or_default();
    println!("Resident at {size} sessions, by setting:\n");
    let names = last.iter().map(|state| state.name.clone());
    let mut table = Table::new(std::iter::once(String::new()).chain(names));
    let mut row = |name: &str, states: &[State]| {
        let resident = states.iter().map(|state| state.cells[0].clone());
        table.row(std::iter::once(name.to_owned()).chain(resident));
    };
    row("default", &last);
    for (name, settings) in OTHERS {
        row(name, &states(size, settings)?);
    }
    println!("{table}");
    Ok(())
}

const COLUMNS: [&str; 8] = [
    "resident",
    "largest until then",
    "allocated",
    "kept by the allocator, code, stacks",
    "write buffers, by fjall's count",
    "the same, with those of old versions",
    "block cache",
    "pinned indexes and filters",
];

struct State {
    name: String,
    cells: Vec<String>,
}

/// The figures of two processes: one that writes, and one that opens the written database.
fn states(size: u64, settings: Settings) -> Result<Vec<State>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let mut states = Vec::new();
    for part in ["write", "read"] {
        let output = Command::new(env::current_exe()?)
            .args(["run", part])
            .arg(dir.path())
            .args([size, settings.sessions as u64].map(|n| n.to_string()))
            .args([settings.block_cache_mib, settings.write_buffer_mib].map(|n| n.to_string()))
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("the process that should {part} has failed").into());
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            let (name, cells) = line.split_once(':').ok_or("no state")?;
            states.push(State {
                name: name.to_owned(),
                cells: cells.split_whitespace().map(str::to_owned).collect(),
            });
        }
    }
    Ok(states)
}

fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [part, path, numbers @ ..] = args else {
        return Err(
            "use `run <write|read> <directory> <sessions> <cached> <blocks> <buffers>`".into(),
        );
    };
    let numbers: Vec<u64> = numbers
        .iter()
        .map(|n| n.parse())
        .collect::<Result<_, _>>()?;
    let [size, sessions, block_cache_mib, write_buffer_mib] = numbers[..] else {
        return Err("four numbers are needed".into());
    };
    let settings = Settings {
        sessions: usize::try_from(sessions)?,
        block_cache_mib,
        write_buffer_mib,
    };
    let opened = Opened::new(Path::new(path), settings)?;
    match part.as_str() {
        "write" => opened.write(size),
        _ => opened.read(size),
    }
}

struct Opened {
    store: FjallStore,
    db: fjall::Database,
    keyspaces: Vec<fjall::Keyspace>,
    runtime: tokio::runtime::Runtime,
}

impl Opened {
    fn new(path: &Path, settings: Settings) -> Result<Self, Box<dyn Error>> {
        let db = fjall::Database::builder(path)
            .cache_size(settings.block_cache_mib * MIB)
            .open()?;
        let store = FjallStoreBuilder::default()
            .cache_sessions(settings.sessions)
            .write_buffer_size(settings.write_buffer_mib * MIB)
            .build(db.clone())?;
        let keyspaces =
            KEYSPACES.map(|name| db.keyspace(&format!("session.{name}"), Default::default));
        Ok(Self {
            keyspaces: keyspaces.into_iter().collect::<Result<_, _>>()?,
            store,
            db,
            runtime: tokio::runtime::Builder::new_current_thread().build()?,
        })
    }

    fn write(self, size: u64) -> Result<(), Box<dyn Error>> {
        self.say("empty");
        let now = Clock::system().now();
        self.runtime.block_on(async {
            for n in 0..size {
                let lease = Some(stored::lease(now, 3_600_000));
                let writes = stored::own_writes(n);
                stored::put(&self.store, stored::digest(n), now, lease, &writes).await;
            }
        });
        self.say("written");
        for keyspace in &self.keyspaces {
            keyspace.rotate_memtable_and_wait()?;
        }
        self.say("flushed");
        for keyspace in &self.keyspaces {
            keyspace.major_compact()?;
        }
        self.say("compacted");
        Ok(())
    }

    fn read(self, size: u64) -> Result<(), Box<dyn Error>> {
        self.say("opened again");
        let now = Clock::system().now();
        for n in 0..size {
            let load = self
                .store
                .load(stored::digest(n), Select::Names(&["f3"]), now);
            let loaded = self.runtime.block_on(load)?;
            assert!(matches!(loaded, Loaded::Live(_)));
        }
        self.say("all read once");
        Ok(())
    }

    /// One row: a name, and its columns.
    fn say(&self, name: &str) {
        use fjall::AbstractTree as _;
        let stats = ALLOCATOR.stats();
        let allocated = (stats.bytes_allocated - stats.bytes_deallocated) as u64;
        let resident = machine::resident();
        let (mut with_old, mut pinned) = (0, 0);
        for keyspace in &self.keyspaces {
            with_old += keyspace.tree.version_memtable_size_sum();
            pinned += keyspace.tree.pinned_filter_size() + keyspace.tree.pinned_block_index_size();
        }
        let cells = [
            resident,
            machine::most_resident(),
            allocated,
            resident.saturating_sub(allocated),
            self.db.write_buffer_size(),
            with_old,
            self.db.cache_size(),
            pinned as u64,
        ];
        let cells = cells.map(|bytes| format!("{:.1}", bytes as f64 / MIB as f64));
        println!("{name}: {}", cells.join(" "));
        let _ = std::io::stdout().flush();
    }
}
