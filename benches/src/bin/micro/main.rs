//! Separate parts: signatures, values and store operations, compared with their components and with other libraries.
//!
//! `micro [rounds] [part]`; 25 and all by default. The parts are `cookies`, `values` and `stores`.

mod cookies;
mod raw;
mod stores;
mod values;

use level_session_benches::{
    compare::Race,
    machine,
    table::{Table, micros, times},
};
use std::env;

const OPERATIONS: usize = 2_000;

type Part = (&'static str, fn(usize));

const PARTS: [Part; 3] = [
    ("cookies", cookies::measure),
    ("values", values::measure),
    ("stores", stores::measure),
];

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let rounds = args.first().and_then(|n| n.parse().ok()).unwrap_or(25);
    println!(
        "{}; best of {rounds} interleaved rounds of {OPERATIONS}.\n",
        machine::line()
    );
    for (name, measure) in PARTS {
        if args.get(1).is_none_or(|part| part == name) {
            measure(rounds);
        }
    }
}

/// Prints the measurements as multiples of the first.
fn report(title: &str, race: Race<'_>, rounds: usize) {
    let measured = race.run(rounds);
    let first = measured[0].1.best();
    let mut table = Table::new([title, "of the first", "us", "noise, %"]);
    for (name, rounds) in &measured {
        let best = rounds.best();
        table.row([
            name.clone(),
            times(best, first),
            micros(best),
            format!("{:.0}", rounds.noise()),
        ]);
    }
    println!("{table}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O")
}
