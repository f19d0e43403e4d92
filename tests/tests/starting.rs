//! Prevents: an interrupted start that leaves a folder that no later start can open (F07).

use level_session::{Durability, Session};
use level_session_tests::{
    crash,
    history::{Data, Rng},
    shim::{Shim, folder_in_memory},
    visitor::Visitor,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

const CHILD: &str = env!("CARGO_BIN_EXE_start-child");

/// Runs a child to its end. Returns the cookies of the sessions whose commit it has acknowledged.
fn run(mut child: Command, path: &Path) -> (ExitStatus, Option<Visitor>) {
    let output = child.arg(path).output().expect("a child");
    let told = String::from_utf8(output.stdout).expect("text");
    if !output.stderr.is_empty() {
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let visitor = told.strip_suffix('\n').map(|cookie| {
        let mut visitor = Visitor::new();
        visitor.jar.insert("__Host-s".to_owned(), cookie.to_owned());
        visitor
    });
    (output.status, visitor)
}

/// Opens the folder that the child left, checks every acknowledged session, and commits another one.
fn opens(path: &Path, acknowledged: &[Visitor]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        let (app, store) =
            crash::open(path, Durability::Buffer).map_err(|error| format!("{error:?}"))?;
        for visitor in acknowledged {
            let visits = app
                .request(&mut visitor.clone(), async |s: Session<Data>| {
                    s.visits().await
                })
                .await
                .map_err(|error| format!("{error:?}"))?;
            if visits != 1 {
                return Err("an acknowledged session is lost".to_owned());
            }
        }
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Session<Data>| s.visits().add(1))
            .await
            .map_err(|error| format!("{error:?}"))?;
        store.close().await.map_err(|error| format!("{error:?}"))
    })
}

/// Kills a child before each of its file operations, each time in a new folder. Returns the number of operations.
fn killed_at_every_step(
    shim: &Shim,
    prepare: impl Fn(&Path) + Sync,
    acknowledged: &[Visitor],
) -> u32 {
    let folder = folder_in_memory();
    let (next, is_over) = (AtomicU32::new(1), AtomicBool::new(false));
    let wrong = std::sync::Mutex::new(Vec::new());
    let work = || {
        while !is_over.load(Ordering::SeqCst) {
            let nth = next.fetch_add(1, Ordering::SeqCst);
            let path = folder.path().join(nth.to_string());
            prepare(&path);
            let (status, told) = run(shim.kills_before(CHILD, nth), &path);
            if status.success() {
                is_over.store(true, Ordering::SeqCst);
            } else {
                use std::os::unix::process::ExitStatusExt as _;
                assert_eq!(status.signal(), Some(9), "step {nth}: {status}");
            }
            let acknowledged: Vec<_> = acknowledged.iter().cloned().chain(told).collect();
            if let Err(error) = opens(&path, &acknowledged) {
                wrong.lock().expect("a list").push((nth, error));
            }
            fs::remove_dir_all(&path).expect("it can be removed");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let wrong = wrong.into_inner().expect("a list");
    assert!(
        wrong.is_empty(),
        "a kill leaves what does not open, or loses what was acknowledged: {wrong:#?}"
    );
    next.into_inner()
}

#[test]
fn killed_before_every_file_operation_of_the_first_start() {
    let tools = folder_in_memory();
    let Some(shim) = Shim::build(tools.path()) else {
        return;
    };
    let steps = killed_at_every_step(&shim, |_| {}, &[]);
    println!("a first start has {steps} steps");
    // A directory, the lock, the journal, the marker, five keyspaces with their manifests.
    assert!(steps > 60, "the shim saw only {steps} file operations");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder that can be read") {
        let entry = entry.expect("an entry");
        let target: PathBuf = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

#[test]
fn killed_before_every_file_operation_of_a_later_start_and_its_close() {
    let tools = folder_in_memory();
    let Some(shim) = Shim::build(tools.path()) else {
        return;
    };
    let (path, killed) = (tools.path().join("sessions"), tools.path().join("killed"));
    let (status, told) = run(Command::new(CHILD), &path);
    assert!(status.success());
    let acknowledged = [told.expect("a session")];
    // The state after a kill, with a journal that the next close empties.
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        let (app, _store) = crash::open(&path, Durability::Buffer).expect("it opens");
        // Random digits, because fjall compresses large values.
        let mut rng = Rng::new(1);
        let ballast: String = (0..30_000).map(|_| rng.draw().to_string()).collect();
        for _ in 0..2 {
            app.request(&mut Visitor::new(), async |s: Session<Data>| {
                s.set("ballast", ballast.clone())
            })
            .await
            .expect("there is room");
        }
        copy(&path, &killed);
    });
    let steps = killed_at_every_step(&shim, |to| copy(&killed, to), &acknowledged);
    println!("a later start has {steps} steps");
    assert!(steps > 40, "the shim saw only {steps} file operations");
}

/// Prevents: two processes that complete the same creation and remove each other's files.
#[test]
fn several_first_starts_at_once() {
    let tools = folder_in_memory();
    let Some(shim) = Shim::build(tools.path()) else {
        return;
    };
    let mut wins = 0;
    for nth in 1..12 {
        let path = tools.path().join(nth.to_string());
        run(shim.kills_before(CHILD, nth), &path);
        let children: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || {
                    let output = Command::new(CHILD).arg(&path).output().expect("a child");
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    (output.status.success(), said)
                })
            })
            .collect();
        for child in children {
            let (success, said) = child.join().expect("a child");
            assert!(
                success || said.contains("has it open"),
                "a start after a kill before step {nth} says: {said}"
            );
            wins += u32::from(success);
        }
        opens(&path, &[]).expect("it opens afterwards");
    }
    assert!(
        wins >= 11,
        "of several first starts at once one goes on, and {wins} did in 11 rounds"
    );
}
