//! The cost of a session among many: time, disk, memory.
//!
//! `scale [sessions]..`; 1000 and 100000 by default, a million takes some minutes, ten million an hour and 15 GB of disk.
//! Sessions of eight fields of 40 bytes; the cache of recently used ones has its default size of 10,000.
//!
//! A child process inserts the sessions and is killed; then the database is opened, compared with fjall alone and with
//! reading the journal once. All files are in the page cache, as after a crash of a process, not of the machine.

use level_session::{
    Clock, FjallStore, Timestamp,
    store::{Loaded, Select, Store as _},
};
use level_session_benches::{
    compare::Race,
    machine::{self, Disk},
    stored,
    table::{Table, micros, times},
};
use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

/// What child processes do.
const INSERT: &str = "insert";
const OPEN: &str = "open";
const FJALL: &str = "fjall";
/// How often the database is opened.
const OPENED: usize = 3;
const ROUNDS: usize = 15;
const OPERATIONS: usize = 2_000;
/// The number of sessions that are "recently used".
const HOT: u64 = 1_000;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some((work, arguments)) = arguments.split_first()
        && let Some(path) = arguments.first().map(Path::new)
    {
        match work.as_str() {
            INSERT => return insert(path, arguments[1].parse().expect("a number")),
            OPEN => return report(|| FjallStore::open(path).expect("no process has it open")),
            FJALL => {
                let database = fjall::Database::builder(path);
                return report(|| database.open().expect("no process has it open"));
            }
            _ => {}
        }
    }
    let mut sizes: Vec<u64> = arguments.iter().filter_map(|n| n.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 100_000];
    }
    println!(
        "{}; best of {ROUNDS} rounds of {OPERATIONS}, and of {OPENED} openings.\n",
        machine::line()
    );
    let mut table = Table::new([
        "sessions",
        "cold read / raw gets",
        "hot read, us",
        "cold read, us",
        "raw gets of meta and field, us",
        "hot write, us",
        "cold write, us",
        "disk / payload",
        "disk, bytes a session",
        "resident, MiB",
    ]);
    let mut openings = Table::new([
        "sessions",
        "open after kill -9 / reading the journal",
        "open after kill -9 / fjall alone",
        "journal, MiB",
        "reading it, ms",
        "fjall alone, ms",
        "open after kill -9, ms",
        "close, ms",
        "open after close, ms",
        "inserts a second",
        "peak while inserting, MiB",
        "disk then, MiB",
    ]);
    for size in sizes {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("sessions");
        openings.row(open(dir.path(), &path, size));
        print!("{openings}");
        table.row(measure(&path, size));
        println!("\n{table}");
    }
    println!("Payload: {} bytes of names and values.", stored::PAYLOAD);
}

/// Prints how long it takes to open a database, in nanoseconds, and waits to be killed.
fn report<T>(open: impl FnOnce() -> T) {
    let start = Instant::now();
    let _open = open();
    println!("{}", start.elapsed().as_nanos());
    wait();
}

/// Inserts the sessions, prints the rate and the peak of the memory, and waits to be killed.
fn insert(path: &Path, size: u64) {
    let store = FjallStore::open(path).expect("a new directory");
    let (now, start) = (Clock::system().now(), Instant::now());
    runtime().block_on(async {
        for n in 0..size {
            let lease = stored::lease(now, 24 * 3_600_000);
            let writes = stored::own_writes(n);
            stored::put(&store, stored::digest(n), now, Some(lease), &writes).await;
        }
    });
    let rate = size as f64 / start.elapsed().as_secs_f64();
    println!("{rate:.0} {}", machine::most_resident() >> 20);
    wait();
}

fn wait() -> ! {
    loop {
        thread::park();
    }
}

/// Runs this program with these arguments until it has printed a line, and kills it.
fn killed(work: &str, path: &Path, arguments: &[String]) -> String {
    let mut child = Command::new(env::current_exe().expect("this program"))
        .arg(work)
        .arg(path)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let mut line = String::new();
    let output = child.stdout.take().expect("it is piped");
    BufReader::new(output)
        .read_line(&mut line)
        .expect("it prints a line");
    child.kill().expect("it waits");
    child.wait().expect("it was killed");
    line.trim().to_owned()
}

/// Fills a database in a child process, kills it, and opens the database.
fn open(dir: &Path, path: &Path, size: u64) -> Vec<String> {
    let line = killed(INSERT, path, &[size.to_string()]);
    let disk = Disk::of(path);
    let (rate, peak) = line.split_once(' ').expect("two numbers");

    let journals = journals(path);
    let mut best = [f64::INFINITY; 4];
    let mut take = |at: usize, nanos: f64| best[at] = best[at].min(nanos);
    let opened = |work: &str, path: &Path| killed(work, path, &[]).parse().expect("a number");
    for _ in 0..OPENED {
        take(0, nanos_of(|| read(&journals)));
        for (at, work) in [(1, FJALL), (2, OPEN)] {
            let copy = dir.join("copy");
            copy_database(path, &copy);
            take(at, opened(work, &copy));
            fs::remove_dir_all(&copy).expect("the disk works");
        }
    }
    let store = FjallStore::open(path).expect("it was killed");
    let close = nanos_of(|| {
        runtime().block_on(store.close()).expect("the disk works");
    });
    drop(store);
    for _ in 0..OPENED {
        take(3, opened(OPEN, path));
    }
    let [reading, fjall, killed, closed] = best;
    let millis = |nanos: f64| micros(nanos / 1_000.0);
    vec![
        size.to_string(),
        times(killed, reading),
        times(killed, fjall),
        (journals.iter().map(|(_, bytes)| bytes).sum::<u64>() >> 20).to_string(),
        millis(reading),
        millis(fjall),
        millis(killed),
        millis(close),
        millis(closed),
        rate.to_owned(),
        peak.to_owned(),
        (disk.bytes() >> 20).to_string(),
    ]
}

/// The journals of a database, each with the length of its content: the rest of the file is preallocated.
fn journals(path: &Path) -> Vec<(PathBuf, u64)> {
    let entries = fs::read_dir(path).expect("the disk works").flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "jnl"))
        .map(|path| {
            let all = fs::read(&path).expect("the disk works");
            let zeros = all.iter().rev().take_while(|byte| **byte == 0).count();
            (path, (all.len() - zeros) as u64)
        })
        .collect()
}

fn nanos_of(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64
}

fn read(journals: &[(PathBuf, u64)]) {
    let mut buffer = vec![0; 64 * 1024];
    for (path, length) in journals {
        let file = File::open(path).expect("the disk works");
        let mut content = file.take(*length);
        while content.read(&mut buffer).expect("the disk works") > 0 {}
    }
}

/// Copies a database that is not open. Its tables, which never change, are linked.
fn copy_database(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new directory");
    for entry in fs::read_dir(from).expect("the disk works") {
        let entry = entry.expect("the disk works");
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_database(&path, &to);
        } else if from.ends_with("tables") {
            fs::hard_link(&path, &to).expect("the disk works");
        } else {
            fs::copy(&path, &to).expect("the disk works");
        }
    }
}

fn measure(path: &Path, size: u64) -> Vec<String> {
    let runtime = runtime();
    let now = Clock::system().now();
    let db = fjall::Database::builder(path)
        .open()
        .expect("it was closed");
    for name in ["meta", "data", "due", "index"] {
        let keyspace = db
            .keyspace(
                &format!("session.{name}"),
                fjall::KeyspaceCreateOptions::default,
            )
            .expect("the store has made it");
        keyspace.rotate_memtable_and_wait().expect("the disk works");
        keyspace.major_compact().expect("the disk works");
    }
    // Compacted files are deleted once no reader can use them: at the latest now.
    drop(db);
    let db = fjall::Database::builder(path)
        .open()
        .expect("it was closed");
    let store = FjallStore::new(db.clone()).expect("it was closed");
    let disk = Disk::of(path).tables as f64 / size as f64;
    let keyspace = |name: &str| {
        db.keyspace(
            &format!("session.{name}"),
            fjall::KeyspaceCreateOptions::default,
        )
        .expect("the store has made it")
    };
    let (meta, data) = (keyspace("meta"), keyspace("data"));

    let read = |n: u64, now: Timestamp| {
        let loaded = runtime.block_on(store.load(stored::digest(n), Select::Names(&["f3"]), now));
        assert!(matches!(loaded, Ok(Loaded::Live(_))));
    };
    let write = |n: u64| {
        runtime.block_on(stored::put(
            &store,
            stored::digest(n),
            now,
            None,
            &stored::writes(1),
        ));
    };
    // Strides that are coprime to the sizes, so that every session is used once before any is used again.
    let (mut a, mut b, mut c) = (0, 0, 0);
    let mut race = Race::new();
    race.add("hot read", OPERATIONS, |times| {
        for n in 0..times as u64 {
            read(n % HOT.min(size), now);
        }
    });
    race.add("cold read", OPERATIONS, |times| {
        for _ in 0..times {
            a = (a + 7_919) % size;
            read(a, now);
        }
    });
    race.add("raw gets", OPERATIONS, |times| {
        for _ in 0..times {
            b = (b + 7_927) % size;
            let record = meta
                .get(stored::digest(b).as_bytes())
                .expect("the disk works");
            // The number of the session, and the field: the record begins with two bytes and the number.
            let mut key = [0; 10];
            key[..8].copy_from_slice(&record.expect("it was written")[2..10]);
            key[8..].copy_from_slice(b"f3");
            assert!(data.get(key).expect("the disk works").is_some());
        }
    });
    race.add("hot write", OPERATIONS, |times| {
        for n in 0..times as u64 {
            write(n % HOT.min(size));
        }
    });
    race.add("cold write", OPERATIONS, |times| {
        for _ in 0..times {
            c = (c + 7_933) % size;
            write(c);
        }
    });
    let measured: Vec<f64> = race
        .run(ROUNDS)
        .iter()
        .map(|(_, rounds)| rounds.best())
        .collect();
    let [hot, cold, raw, hot_write, cold_write] = measured[..] else {
        unreachable!("five were measured");
    };
    vec![
        size.to_string(),
        times(cold, raw),
        micros(hot),
        micros(cold),
        micros(raw),
        micros(hot_write),
        micros(cold_write),
        times(disk, stored::PAYLOAD as f64),
        format!("{disk:.0}"),
        (machine::resident() >> 20).to_string(),
    ]
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O")
}
