//! Commits to an embedded store as fast as possible and reports each commit, until it is killed: see `crash`.

use level_session::Durability;
use level_session_tests::crash;
use std::{process::ExitCode, time::Duration};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(durability), Some(from)) = (
        arguments.next(),
        arguments.next(),
        arguments.next().and_then(|number| number.parse().ok()),
    ) else {
        eprintln!("usage: crash-child PATH buffer|sync|MILLISECONDS FIRST_SESSION");
        return ExitCode::FAILURE;
    };
    let durability = match durability.as_str() {
        "buffer" => Durability::Buffer,
        "sync" => Durability::Sync,
        interval => Durability::Interval(Duration::from_millis(
            interval.parse().expect("milliseconds"),
        )),
    };
    match crash::commit_until_killed(path.as_ref(), durability, from) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}
