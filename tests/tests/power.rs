//! Prevents: an acknowledged commit that is lost in a power failure, and a commit that is partially stored after it
//! (F04, F07).
//!
//! A child commits and reports each acknowledgement; a shim reports, in the same output, how much of the journal was
//! synced. After a power failure at any moment, at least that much is on disk. The rest is reverted in several ways,
//! and the acknowledged commits are compared with the stored ones.

use level_session::Durability;
use level_session_tests::{
    crash::{self, Ledger},
    history::{Rng, fresh_seed},
    shim::{Shim, folder_in_memory},
};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
    time::{Duration, SystemTime},
};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

/// A line of a child's output, and the time at which it arrived.
struct Line(Duration, String);

fn clock() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().expect("a clock")
}

/// Lets a child commit until it has printed this number of lines, and kills it.
fn lines_of_a_child(shim: &Shim, path: &Path, durability: &str, lines: usize) -> Vec<Line> {
    let mut child = shim
        .tells_syncs(env!("CARGO_BIN_EXE_crash-child"))
        .arg(path)
        .args([durability, "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let told = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut told = told.lines().map(|line| Line(clock(), line.expect("text")));
    let mut all: Vec<_> = told.by_ref().take(lines).collect();
    child.kill().expect("it is ours to kill");
    all.extend(told);
    child.wait().expect("it is dead");
    all
}

/// How much of the journal was synced, and which commits were acknowledged, by the end of these lines.
fn known_by(lines: &[Line]) -> (u64, Ledger) {
    let (mut synced, mut ledger) = (0, Ledger::default());
    for Line(_, line) in lines {
        match line.strip_prefix("synced 0.jnl ") {
            Some(bytes) => synced = synced.max(bytes.parse().expect("a number")),
            None => ledger.note(line),
        }
    }
    (synced, ledger)
}

/// Records the commits that were started in these lines and may be stored, without their acknowledgements.
fn may_also_be_there(ledger: &mut Ledger, lines: &[Line]) {
    for Line(_, line) in lines {
        if ["try ", "renew ", "destroy "]
            .iter()
            .any(|begins| line.starts_with(begins))
        {
            ledger.note(line);
        }
    }
}

/// The fate of the bytes of a journal that no sync has covered.
#[derive(Clone, Copy, Debug)]
enum Rest {
    CutOff,
    Zeros,
    /// Some pages were written, others were not.
    HalfZeros,
    HalfNoise,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder that can be read") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &target),
            false if entry.file_name() == "0.jnl" => {}
            false => drop(fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

/// The journal of a database, including some of the preallocated zeros.
fn journal(whole: &Path) -> (Vec<u8>, usize) {
    let mut journal = fs::read(whole.join("0.jnl")).expect("one journal");
    let end = journal.iter().rposition(|byte| *byte != 0);
    let end = end.map_or(0, |at| at + 1);
    journal.truncate(end + 4_096);
    (journal, end)
}

/// The database as a power failure may leave it, if `synced` bytes of its journal were on disk.
fn after_a_power_cut(
    (whole, journal): (&Path, &(Vec<u8>, usize)),
    to: &Path,
    synced: u64,
    rest: Rest,
    rng: &mut Rng,
) {
    copy(whole, to);
    let (mut journal, end) = journal.clone();
    let at = usize::try_from(synced).expect("a length");
    assert!(at <= end, "{at} bytes were synced of {end}");
    match rest {
        Rest::CutOff => journal.truncate(at),
        Rest::Zeros => journal[at..].fill(0),
        Rest::HalfZeros => journal[at..at + (end - at) / 2].fill(0),
        Rest::HalfNoise => {
            for byte in &mut journal[at + (end - at) / 2..] {
                *byte = rng.draw().to_le_bytes()[0];
            }
        }
    }
    fs::write(to.join("0.jnl"), journal).expect("it can be written");
}

/// Opens and checks the database. Returns a violation, or the number of acknowledged commits in it.
fn found_in(path: &Path, ledger: &Ledger) -> Result<usize, String> {
    let (app, store) = crash::open(path, Durability::Buffer).map_err(|e| format!("{e:?}"))?;
    let found = block_on(ledger.check(&app, true));
    drop(app);
    block_on(store.close()).map_err(|error| format!("{error:?}"))?;
    found.map(|found| found.commits)
}

/// Whether the store reports a damaged journal.
fn is_refusal(error: &str) -> bool {
    error.contains("JournalRecovery") || error.contains("its files are damaged")
}

/// The moments of the power failure: after some of the lines, and after the last one.
fn moments(lines: &[Line], rng: &mut Rng) -> Vec<usize> {
    let mut moments: Vec<_> = (0..12).map(|_| 1 + rng.below(lines.len())).collect();
    moments.push(lines.len());
    moments
}

#[test]
fn under_sync_no_power_cut_takes_back_what_was_acknowledged() {
    let (folder, mut rng) = (folder_in_memory(), Rng::new(fresh_seed()));
    let Some(shim) = Shim::build(folder.path()) else {
        return;
    };
    let whole = folder.path().join("whole");
    let lines = lines_of_a_child(&shim, &whole, "sync", 600);
    let journal = journal(&whole);
    let (mut commits, mut refused, mut cuts) = (0, 0, 0);
    for moment in moments(&lines, &mut rng) {
        for rest in [Rest::CutOff, Rest::Zeros, Rest::HalfZeros, Rest::HalfNoise] {
            let (synced, mut ledger) = known_by(&lines[..moment]);
            if matches!(rest, Rest::HalfNoise) {
                may_also_be_there(&mut ledger, &lines[moment..]);
            }
            let path = folder.path().join(format!("{moment} {rest:?}"));
            after_a_power_cut((&whole, &journal), &path, synced, rest, &mut rng);
            cuts += 1;
            match found_in(&path, &ledger) {
                Ok(found) => commits += found,
                // A batch with noise in its middle looks like a batch that was damaged later: fjall rejects it.
                Err(error) if matches!(rest, Rest::HalfNoise) && is_refusal(&error) => {
                    refused += 1;
                    assert!(
                        error.contains(&*path.to_string_lossy()),
                        "it does not say where: {error}"
                    );
                }
                Err(wrong) => panic!("cut after line {moment}, the rest {rest:?}: {wrong}"),
            }
            let _ = fs::remove_dir_all(&path);
        }
    }
    println!("{cuts} power cuts, {commits} acknowledged commits found, {refused} refused");
    assert!(commits > 0, "nothing was acknowledged at all");
}

/// The same test with a durability that promises nothing. It must find losses; otherwise the test above could not find
/// them either.
#[test]
fn under_buffer_a_power_cut_takes_something_back() {
    let (folder, mut rng) = (folder_in_memory(), Rng::new(fresh_seed()));
    let Some(shim) = Shim::build(folder.path()) else {
        return;
    };
    let whole = folder.path().join("whole");
    let lines = lines_of_a_child(&shim, &whole, "buffer", 300);
    let journal = journal(&whole);
    let (synced, ledger) = known_by(&lines);
    assert!(ledger.commits() > 0, "nothing was acknowledged at all");
    let path = folder.path().join("cut");
    after_a_power_cut((&whole, &journal), &path, synced, Rest::CutOff, &mut rng);
    let lost = found_in(&path, &ledger).expect_err("nothing is lost");
    assert!(lost.contains("lost"), "{lost}");
}

/// The maximum delay of a sync beyond the interval, on a machine that is busy with other tests.
const LATE: Duration = Duration::from_secs(10);

#[test]
fn under_an_interval_a_power_cut_takes_back_the_last_of_it_alone() {
    let (folder, mut rng) = (folder_in_memory(), Rng::new(fresh_seed()));
    let Some(shim) = Shim::build(folder.path()) else {
        return;
    };
    let interval = Duration::from_millis(20);
    let whole = folder.path().join("whole");
    let lines = lines_of_a_child(&shim, &whole, "20", 600);
    let journal = journal(&whole);
    let mut syncs = 0;
    for moment in moments(&lines, &mut rng) {
        let (synced, _) = known_by(&lines[..moment]);
        // All commits that were acknowledged before the second-last sync ended are stored, because the last sync began
        // after that.
        let ends: Vec<_> = (0..moment)
            .filter(|at| lines[*at].1.starts_with("synced"))
            .collect();
        syncs = syncs.max(ends.len());
        let Some(before_last) = ends.len().checked_sub(2).map(|at| ends[at]) else {
            continue;
        };
        let age = lines[moment - 1].0 - lines[before_last].0;
        assert!(
            age < interval * 2 + LATE,
            "the last sync but one was {age:?} ago"
        );
        let (_, mut ledger) = known_by(&lines[..before_last]);
        may_also_be_there(&mut ledger, &lines[before_last..moment]);
        let path = folder.path().join(moment.to_string());
        after_a_power_cut((&whole, &journal), &path, synced, Rest::CutOff, &mut rng);
        found_in(&path, &ledger).unwrap_or_else(|wrong| panic!("cut after line {moment}: {wrong}"));
        let _ = fs::remove_dir_all(&path);
    }
    assert!(syncs > 3, "there were only {syncs} syncs");
}
