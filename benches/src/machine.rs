//! The circumstances of a measurement, printed above every table.

use rustix::time::{ClockId, clock_gettime};
use std::{fs, process::Command};

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

/// The CPU time of this thread in nanoseconds.
pub fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// How often this thread has yielded its core because it waited (voluntary context switches).
pub fn thread_sleeps() -> u64 {
    number("/proc/thread-self/status", "voluntary_ctxt_switches:")
}
