//! Instructions per request, for each application, and the check against gradual regressions.
//!
//! - without arguments: a table of all applications and workloads;
//! - `check`: compares the instructions of three paths above bare axum with `instructions.txt`. With the same compiler
//!   and valgrind, no count may have changed by more than 3 %; with others, none may have grown by more than 10 %. On
//!   another kind of processor, which has other instructions, nothing is compared;
//! - `bless`: rewrites that file, with this compiler and valgrind;
//! - `frameworks`, with the feature of this name: the cost of the middleware for actix-web and poem, and of the axum
//!   layer;
//! - `run <application> <workload> <requests>`: the program that is counted.

use level_session_benches::{apps, callgrind, machine, table::Table, workload::Workload};
use std::{env, error::Error, fs};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
const GUARDED: [Workload; 3] = [Workload::Ignored, Workload::ReadOne, Workload::WriteOne];
/// In percent, in either direction: an improvement must be blessed, otherwise it could be lost unnoticed.
const ALLOWED: f64 = 3.0;
/// In percent, upwards, if the compiler or valgrind has another version than in the file: versions change the counts
/// too.
const ALLOWED_ELSEWHERE: f64 = 10.0;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => table(),
        ["check"] => check(),
        ["bless"] => bless(),
        #[cfg(feature = "frameworks")]
        ["frameworks"] => frameworks(),
        ["run", app, workload, requests] => run(app, workload, requests.parse()?),
        _ => Err(
            "use no argument, `check`, `bless`, `frameworks` (with that feature), or `run <application> <workload> <requests>`"
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
        #[cfg(feature = "frameworks")]
        if let Some((framework, sessions)) = app.split_once('+') {
            let sessions = sessions == "sessions";
            apps::frameworks::ask_often(framework, sessions, workload, requests).await;
            return Ok(());
        }
        let mut app = apps::App::named(app).await?;
        app.ask_often(workload, requests).await;
        Ok(())
    })
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

#[cfg(feature = "frameworks")]
fn frameworks() -> Result<(), Box<dyn Error>> {
    let rustc = machine::rustc();
    println!("Instructions per request above the bare framework, and beside axum's ({rustc}).\n");
    let names = apps::frameworks::NAMES;
    let mut head = vec![String::new(), "axum".to_owned()];
    head.extend(names.map(str::to_owned));
    let mut table = Table::new(head);
    for workload in Workload::ALL {
        let above = |bare: &str, with: &str| -> Result<u64, Box<dyn Error>> {
            let bare = callgrind::instructions(bare, workload)?;
            Ok(callgrind::instructions(with, workload)?.saturating_sub(bare))
        };
        let axum = above("bare", "memory")?;
        let mut row = vec![workload.name().to_owned(), axum.to_string()];
        for name in names {
            let one = above(&format!("{name}+nothing"), &format!("{name}+sessions"))?;
            row.push(format!("{one} ({:.2})", one as f64 / axum as f64));
        }
        table.row(row);
    }
    println!("{table}");
    Ok(())
}

/// The instructions above bare axum, which do not change with a release of axum.
fn counted() -> Result<Vec<(Workload, u64)>, Box<dyn Error>> {
    GUARDED
        .into_iter()
        .map(|workload| {
            let all = callgrind::instructions("fjall", workload)?;
            let bare = callgrind::instructions("bare", workload)?;
            Ok((workload, all.saturating_sub(bare)))
        })
        .collect()
}

/// The versions on which the counts depend, in addition to the code.
fn toolchain() -> Result<String, Box<dyn Error>> {
    let rustc = machine::rustc();
    let version = rustc.split(' ').nth(1).ok_or("rustc tells no version")?;
    let valgrind = callgrind::valgrind().ok_or("valgrind is not installed")?;
    Ok(format!("{version} {} {valgrind}", env::consts::ARCH))
}

fn check() -> Result<(), Box<dyn Error>> {
    let toolchain = toolchain()?;
    let file = fs::read_to_string(FILE)?;
    let counted_by = file.lines().next().unwrap_or_default();
    let same = counted_by == toolchain;
    if counted_by.split(' ').nth(1) != Some(env::consts::ARCH) {
        println!(
            "skipped: instructions.txt was counted by {counted_by}, another processor; `bless` writes it anew"
        );
        return Ok(());
    }
    println!("instructions.txt was counted by {counted_by}; this is {toolchain}");
    let mut moved = false;
    for (workload, now) in counted()? {
        let percent = (now as f64 / known(&file, workload)? - 1.0) * 100.0;
        println!("{}: {now} instructions, {percent:+.1} %", workload.name());
        moved |= match same {
            true => percent.abs() > ALLOWED,
            false => percent > ALLOWED_ELSEWHERE,
        };
    }
    if moved {
        return Err("a path has moved by more than is allowed: if it had to, `bless` it and say why in the commit".into());
    }
    Ok(())
}

/// A count in the file, whose first line has the versions; each further line has a workload and its count.
fn known(file: &str, workload: Workload) -> Result<f64, Box<dyn Error>> {
    let mut counts = file.lines().filter_map(|line| line.split_once(' '));
    let (_, count) = counts
        .find(|(name, _)| *name == workload.name())
        .ok_or_else(|| format!("instructions.txt has no count of {}", workload.name()))?;
    Ok(count.parse()?)
}

fn bless() -> Result<(), Box<dyn Error>> {
    let mut lines = vec![toolchain()?];
    for (workload, count) in counted()? {
        lines.push(format!("{} {count}", workload.name()));
    }
    fs::write(FILE, lines.join("\n") + "\n")?;
    Ok(())
}
