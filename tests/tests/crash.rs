//! Prevents: an acknowledged commit that is lost in a crash, and a commit that a crash leaves partially stored (F04,
//! F07).
//!
//! `CRASH_KILLS` sets how often a process is killed under each durability (default: 15).

use level_session::Durability;
use level_session_tests::{
    crash::{self, Found, Ledger},
    history::{Rng, fresh_seed},
};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

fn kills() -> u64 {
    std::env::var("CRASH_KILLS").map_or(15, |text| text.parse().expect("a number"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

/// Lets a child commit for a while, kills it, and returns its output.
fn kill_one(path: &Path, durability: &str, from: u64, after: Duration) -> Ledger {
    let mut child = Command::new(env!("CARGO_BIN_EXE_crash-child"))
        .arg(path)
        .args([durability, &from.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut told = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut ledger = Ledger::default();
    let mut line = String::new();
    told.read_line(&mut line).expect("the child begins");
    ledger.note(line.trim_end());
    let listener = std::thread::spawn(move || {
        for line in told.lines() {
            ledger.note(&line.expect("text"));
        }
        ledger
    });
    std::thread::sleep(after);
    child.kill().expect("it is ours to kill");
    child.wait().expect("it is dead");
    listener.join().expect("it has listened")
}

fn killed_again_and_again(durability: &str, kind: Durability) {
    let seed = fresh_seed();
    let mut rng = Rng::new(seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut path = folder.path().join("0");
    let (mut total, mut told) = (Found::default(), 0);
    for kill in 0..kills() {
        // Every fifth time on a new database, otherwise on the database that the last crash left.
        if kill % 5 == 0 {
            path = folder.path().join(kill.to_string());
        }
        let after = Duration::from_micros(rng.draw() % 60_000);
        let ledger = kill_one(&path, durability, kill * 1_000, after);
        let (app, store) = crash::open(&path, kind).expect("the store opens after a crash");
        let found = block_on(ledger.check(&app, true))
            .unwrap_or_else(|wrong| panic!("after kill {kill}: {wrong}"));
        total.live += found.live;
        total.commits += found.commits;
        told += ledger.commits();
        drop(app);
        block_on(store.close()).expect("it closes");
    }
    println!(
        "{durability}: {} kills, {told} acknowledged commits, {} of them in {} sessions that lived",
        kills(),
        total.commits,
        total.live
    );
    assert!(told > 0, "nothing was acknowledged at all");
}

#[test]
fn killed_under_buffer() {
    killed_again_and_again("buffer", Durability::Buffer);
}

#[test]
fn killed_under_sync() {
    killed_again_and_again("sync", Durability::Sync);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder that can be read") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

/// The youngest journal, and the position after its last byte that is not zero.
fn journal(path: &Path) -> (PathBuf, u64) {
    let mut journals: Vec<_> = fs::read_dir(path)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .collect();
    journals.sort();
    let journal = journals.pop().expect("a journal");
    let bytes = fs::read(&journal).expect("a journal that can be read");
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at as u64 + 1);
    (journal, end)
}

/// Prevents: a panic on a torn journal, or a database that opens with a partial commit. The database opens with the
/// commits before the tear, or the error names the damage.
#[test]
fn a_torn_journal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = folder.path().join("whole");
    let ledger = kill_one(&whole, "buffer", 0, Duration::from_millis(40));
    // Copying the preallocated part is unnecessary.
    let (prepared, end) = journal(&whole);
    let prepared = fs::OpenOptions::new()
        .write(true)
        .open(prepared)
        .expect("the journal");
    prepared.set_len(end).expect("a cut");
    let mut rng = Rng::new(fresh_seed());
    let (mut opened, mut refused) = (0, 0);
    for tear in 0..kills() {
        let torn = folder.path().join(tear.to_string());
        copy_folder(&whole, &torn);
        let (journal, end) = journal(&torn);
        let file = fs::OpenOptions::new()
            .write(true)
            .open(&journal)
            .expect("the journal");
        let back = 1 + rng.draw() % 400.min(end);
        match tear % 3 {
            0 => file.set_len(end - back).expect("a cut"),
            // Truncated, followed by the preallocated zeros.
            1 => {
                file.set_len(end - back).expect("a cut");
                file.set_len(end + 4_096).expect("zeros");
            }
            _ => {
                use std::os::unix::fs::FileExt as _;
                let noise: Vec<_> = (0..back.min(32))
                    .map(|_| rng.draw().to_le_bytes()[0])
                    .collect();
                file.write_all_at(&noise, end - back).expect("noise");
            }
        }
        drop(file);
        let open = catch_unwind(AssertUnwindSafe(|| crash::open(&torn, Durability::Buffer)));
        match open.unwrap_or_else(|_| panic!("tear {tear} of {back} bytes makes the store panic")) {
            Ok((app, store)) => {
                opened += 1;
                block_on(ledger.check(&app, false))
                    .unwrap_or_else(|wrong| panic!("tear {tear} of {back} bytes: {wrong}"));
                drop(app);
                block_on(store.close()).expect("it closes");
            }
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(
                    text.contains(&*torn.to_string_lossy()),
                    "it does not say where: {text}"
                );
            }
        }
        fs::remove_dir_all(&torn).expect("it can be removed");
    }
    println!("torn: {opened} opened, {refused} said what is damaged");
}
