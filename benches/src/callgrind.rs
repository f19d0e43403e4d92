//! Instructions per request, which do not depend on the load of the machine.
//!
//! A run under `valgrind --tool=callgrind` counts every instruction of the process. The instructions of a request are
//! the difference of two runs with different numbers of requests, so that start and end do not count.
//!
//! valgrind does not support the processor's instructions for SHA-256, so a signature takes about ten times as many
//! instructions here as outside: 3,400 for each block of 64 bytes.

use crate::workload::Workload;
use std::{env, io, process::Command};

const FEW: usize = 400;
const MANY: usize = 1_400;

/// The instructions of one request, or why they cannot be counted.
pub fn instructions(app: &str, workload: Workload) -> io::Result<u64> {
    let few = count(app, workload, FEW)?;
    let many = count(app, workload, MANY)?;
    Ok(many.saturating_sub(few) / (MANY - FEW) as u64)
}

/// The version of valgrind, if there is one.
pub fn valgrind() -> Option<String> {
    let output = Command::new("valgrind").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn count(app: &str, workload: Workload, requests: usize) -> io::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["run", app, workload.name(), &requests.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines()
        .find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok())
        .ok_or_else(|| io::Error::other(format!("valgrind counted nothing: {text}")))
}
