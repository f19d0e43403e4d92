//! The circumstances of a measurement, printed above every table.

use rustix::time::{ClockId, clock_gettime};
use std::{fs, os::unix::fs::MetadataExt as _, path::Path, process::Command};

/// One line: the processor, the number of cores, the load, the compiler.
pub fn line() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = load();
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1))
        .unwrap_or("unknown processor")
        .trim()
        .to_owned();
    format!("{cores} cores of {model}, load {load:.2}, {}", rustc())
}

/// The load average of the last minute.
pub fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().and_then(|load| load.parse().ok());
    load.unwrap_or(f64::NAN)
}

/// The compiler's version, as `rustc 1.95.0 (59807616e 2026-04-14)`.
pub fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or_else(
        |_| "rustc unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// The resident memory of this process in bytes.
pub fn resident() -> u64 {
    number("/proc/self/status", "VmRSS:") * 1024
}

/// The peak of the resident memory in bytes.
pub fn most_resident() -> u64 {
    number("/proc/self/status", "VmHWM:") * 1024
}

/// The number after a name at the beginning of a line.
fn number(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.split_whitespace().next()?.parse().ok()
    });
    found.unwrap_or(0)
}

/// The CPU time of all threads of a process in nanoseconds, without its children.
pub fn cpu_nanos(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    tasks
        .flatten()
        .filter_map(|task| {
            let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            stat.split(' ').next()?.parse::<u64>().ok()
        })
        .sum()
}

/// The name and the CPU time in nanoseconds of each thread of this process.
pub fn threads_nanos() -> Vec<(String, u64)> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    tasks
        .flatten()
        .filter_map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            let nanos = stat.split(' ').next()?.parse().ok()?;
            Some((name.trim().to_owned(), nanos))
        })
        .collect()
}

/// The CPU time of this thread in nanoseconds.
pub fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// How often this thread has yielded its core because it waited (voluntary context switches).
pub fn thread_sleeps() -> u64 {
    number("/proc/thread-self/status", "voluntary_ctxt_switches:")
}

/// The files below a directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk {
    /// The bytes that the tables of a database occupy, and everything else but its journals.
    pub tables: u64,
    /// The bytes that its journals occupy.
    pub journals: u64,
    /// The number of files.
    pub files: u64,
}

impl Disk {
    /// Files that disappear meanwhile are left out.
    pub fn of(path: &Path) -> Self {
        let mut disk = Self::default();
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => {
                    let inner = Self::of(&entry.path());
                    disk.tables += inner.tables;
                    disk.journals += inner.journals;
                    disk.files += inner.files;
                }
                Ok(found) => {
                    let is_journal = entry.path().extension().is_some_and(|ext| ext == "jnl");
                    let bytes = found.blocks() * 512;
                    *(if is_journal {
                        &mut disk.journals
                    } else {
                        &mut disk.tables
                    }) += bytes;
                    disk.files += 1;
                }
                Err(_) => {}
            }
        }
        disk
    }

    /// The bytes that all of them occupy.
    pub const fn bytes(&self) -> u64 {
        self.tables + self.journals
    }
}
