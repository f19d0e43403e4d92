//! Opens an embedded store, commits one session, prints its cookie and closes the store: a start that a test
//! interrupts.

use level_session::{Durability, Result, Session};
use level_session_tests::{crash, history::Data, visitor::Visitor};
use std::{io::Write as _, process::ExitCode};

async fn start(path: &str) -> Result<()> {
    let (app, store) = crash::open(path.as_ref(), Durability::Buffer)?;
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Session<Data>| s.visits().add(1))
        .await?;
    let cookie = visitor.cookie().unwrap_or_default();
    let line = format!("{cookie}\n");
    std::io::stdout()
        .write_all(line.as_bytes())
        .expect("somebody listens");
    Ok(store.close().await?)
}

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: start-child PATH");
        return ExitCode::FAILURE;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    match runtime.expect("a runtime").block_on(start(&path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}
