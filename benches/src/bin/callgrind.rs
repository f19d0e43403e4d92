//! Instructions per request, application by application, and the guard against creeping ones.
//!
//! - without arguments: a table of all applications and workloads;
//! - `check`: compares three paths with `instructions.txt`, and fails if one has moved by more than 3 %;
//! - `bless`: writes that file anew for this compiler;
//! - `run <application> <workload> <requests>`: what is counted.

use level_session_benches::{apps, callgrind, machine, table::Table, workload::Workload};
use std::{env, error::Error, fs, path::Path};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
const GUARDED: [Workload; 3] = [Workload::Ignored, Workload::ReadOne, Workload::WriteOne];
/// In percent.
const ALLOWED: f64 = 3.0;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => table(),
        ["check"] => check(),
        ["bless"] => bless(),
        ["run", app, workload, requests] => run(app, workload, requests.parse()?),
        _ => Err(
            "use no argument, `check`, `bless`, or `run <application> <workload> <requests>`"
                .into(),
        ),
    }
}

fn run(app: &str, workload: &str, requests: usize) -> Result<(), Box<dyn Error>> {
    let workload = Workload::named(workload).ok_or("there is no such workload")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut app = apps::App::named(app).await;
        app.ask_often(workload, requests).await;
    });
    Ok(())
}

fn table() -> Result<(), Box<dyn Error>> {
    println!(
        "Instructions per request above bare axum ({}).\n",
        machine::rustc()
    );
    let mut head = vec!["".to_owned()];
    head.extend(apps::NAMES.iter().map(|name| (*name).to_owned()));
    let mut table = Table::new(head);
    for workload in Workload::ALL {
        let bare = callgrind::instructions("bare", workload)?;
        let mut row = vec![workload.name().to_owned(), format!("({bare})")];
        for app in &apps::NAMES[1..] {
            let all = callgrind::instructions(app, workload)?;
            row.push(all.saturating_sub(bare).to_string());
        }
        table.row(row);
    }
    println!("{table}");
    Ok(())
}

/// What the guard counts: the whole request, bare axum included.
fn counted() -> Result<Vec<(Workload, u64)>, Box<dyn Error>> {
    GUARDED
        .into_iter()
        .map(|workload| Ok((workload, callgrind::instructions("fjall", workload)?)))
        .collect()
}

/// What the counts depend on beside our code.
fn toolchain() -> Option<String> {
    let rustc = machine::rustc();
    let version = rustc.split(' ').nth(1)?.to_owned();
    Some(format!(
        "{version} {} {}",
        env::consts::ARCH,
        callgrind::valgrind()?
    ))
}

fn check() -> Result<(), Box<dyn Error>> {
    let Some(toolchain) = toolchain() else {
        println!("skipped: valgrind is not installed");
        return Ok(());
    };
    let file = fs::read_to_string(FILE)?;
    let known: Vec<(&str, f64)> = file
        .lines()
        .filter_map(|line| line.strip_prefix(&toolchain)?.trim().split_once(' '))
        .filter_map(|(workload, count)| Some((workload, count.parse().ok()?)))
        .collect();
    if known.is_empty() {
        println!("skipped: {FILE} has no counts for `{toolchain}`; `bless` adds them");
        return Ok(());
    }
    let mut moved = false;
    for (workload, now) in counted()? {
        let Some((_, before)) = known.iter().find(|(name, _)| *name == workload.name()) else {
            return Err(format!("{FILE} has no count of {}", workload.name()).into());
        };
        let percent = (now as f64 / before - 1.0) * 100.0;
        println!("{}: {now} instructions, {percent:+.1} %", workload.name());
        moved |= percent.abs() > ALLOWED;
    }
    if moved {
        return Err(format!(
            "a path has moved by more than {ALLOWED} %: if it had to, `bless` it and say why in the commit"
        )
        .into());
    }
    Ok(())
}

fn bless() -> Result<(), Box<dyn Error>> {
    let toolchain = toolchain().ok_or("valgrind is not installed")?;
    let file = fs::read_to_string(Path::new(FILE)).unwrap_or_default();
    let mut lines: Vec<String> = file
        .lines()
        .filter(|line| !line.starts_with(&toolchain))
        .map(str::to_owned)
        .collect();
    for (workload, count) in counted()? {
        lines.push(format!("{toolchain} {} {count}", workload.name()));
    }
    fs::write(FILE, lines.join("\n") + "\n")?;
    Ok(())
}
