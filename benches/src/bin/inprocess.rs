//! Requests to a ready tower service in one process: the overhead of each session library above bare axum.
//!
//! `inprocess [rounds [applications]]`; 40 by default, and all but those that are named on request. The first is `bare`. An
//! application whose server is missing is skipped.

use level_session_benches::{
    apps::{App, NAMES},
    compare::Rounds,
    machine,
    table::{Table, micros, times},
    workload::Workload,
};
use std::{env, time::Instant};

/// Few enough that a round ends within a time slice of the scheduler.
const REQUESTS: usize = 1_000;
/// The requests in a round of an application on SQLite or a server, which takes up to a hundred times as long.
const FEWER_REQUESTS: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let rounds = env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(40);
    let mut names: Vec<String> = env::args().skip(2).collect();
    if names.is_empty() {
        names.extend(NAMES.iter().map(|name| (*name).to_owned()));
    }
    let mut apps = Vec::new();
    for name in names {
        match App::named(&name).await {
            Ok(app) => apps.push(app),
            Err(error) => println!("{name} is skipped: {error}\n"),
        }
    }
    let mut measured = vec![vec![Rounds::default(); Workload::ALL.len()]; apps.len()];
    for round in 0..=rounds {
        for (at, workload) in Workload::ALL.into_iter().enumerate() {
            for (app, measured) in apps.iter_mut().zip(&mut measured) {
                let requests = requests(app);
                let start = Instant::now();
                app.ask_often(workload, requests).await;
                if round > 0 {
                    measured[at].note(start, requests);
                }
            }
        }
    }
    report(&apps, &measured, rounds);
}

fn requests(app: &App) -> usize {
    let mut slow = ["sqlite", "redis", "postgres"].into_iter();
    match slow.any(|slow| app.name.contains(slow)) {
        true => FEWER_REQUESTS,
        false => REQUESTS,
    }
}

fn report(apps: &[App], measured: &[Vec<Rounds>], rounds: usize) {
    println!(
        "{}; best of {rounds} interleaved rounds of {REQUESTS} requests, {FEWER_REQUESTS} on SQLite or a server.\n",
        machine::line()
    );
    for ours in ["fjall", "memory"] {
        let Some(us) = apps.iter().position(|app| app.name == ours) else {
            continue;
        };
        println!("The overhead of the others, as a multiple of level-session's on {ours}:\n");
        let mut table = table_of("", apps);
        for (at, workload) in Workload::ALL.into_iter().enumerate() {
            let bare = measured[0][at].best();
            let above = |app: usize| measured[app][at].best() - bare;
            let mut row = vec![workload.name().to_owned()];
            row.extend((0..apps.len()).map(|app| match app {
                0 => "-".to_owned(),
                _ => times(above(app), above(us)),
            }));
            table.row(row);
        }
        println!("{table}");
    }
    for (what, of) in [
        (
            "Microseconds above bare axum, best round",
            Rounds::best as fn(&Rounds) -> f64,
        ),
        ("The same, median round", Rounds::median),
    ] {
        println!("{what}; bare in parentheses:\n");
        let mut table = table_of("", apps);
        for (at, workload) in Workload::ALL.into_iter().enumerate() {
            let bare = of(&measured[0][at]);
            let mut row = vec![workload.name().to_owned(), format!("({})", micros(bare))];
            row.extend(measured[1..].iter().map(|app| micros(of(&app[at]) - bare)));
            table.row(row);
        }
        println!("{table}");
    }
}

fn table_of(first: &str, apps: &[App]) -> Table {
    Table::new(std::iter::once(first).chain(apps.iter().map(|app| app.name)))
}
