//! An inspector for level-session's stores. The crate's `README.md` describes the commands.

mod args;
mod copy;
mod find;
mod import;
mod out;
mod place;
mod reindex;
mod store;
mod verify;

use args::{Args, Command};
use clap::Parser as _;
use level_session::SessionHandle;
use out::{Failure, Out};
use place::Place;
use std::process::ExitCode;
use store::Inspected;

/// Exit code 0: success. 1: negative result, such as damage or no such session. 2: the command failed.
fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(args)),
        Err(cause) => Err(Failure::of(format!("cannot start the runtime: {cause}"))),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Failure::ReaderGone) => ExitCode::SUCCESS, // as in `level-session list | head`
        Err(Failure::Told(message)) => {
            out::complain(&message);
            ExitCode::from(2)
        }
    }
}

async fn run(args: Args) -> Result<bool, Failure> {
    let mut out = Out::new(args.json);
    if let Command::Copy { from, to, index } = &args.command {
        let from = Place::of(from)?.open(&args, false).await?;
        let to = match Place::of(to)?.open(&args, true).await {
            Ok(to) => to,
            Err(failure) => return from.close().await.and(Err(failure)),
        };
        let result = copy::copy(&from, &to, index, &mut out).await;
        let closed = to.close().await.and(from.close().await);
        let done = result?;
        closed?;
        out.end()?;
        return Ok(done);
    }
    let Some(store) = &args.store else {
        return Err(Failure::of(
            "no store given: pass `--store` or set the environment variable LEVEL_SESSION_STORE",
        ));
    };
    let place = Place::of(store)?;
    if let Command::Import {
        from,
        redis_prefix,
        remove,
        index,
    } = &args.command
    {
        let from = import::Source::of(from, redis_prefix, *remove)?;
        let store = place.open(&args, true).await?;
        let result = import::import(from, &store, index, &mut out).await;
        let closed = store.close().await;
        let done = result?;
        closed?;
        out.end()?;
        return Ok(done);
    }
    // Reject invalid arguments before opening the store.
    let asked = Asked::of(&args.command)?;
    let store = place.open(&args, false).await?;
    let result = answer(&store, &args.command, asked, &mut out).await;
    let closed = store.close().await;
    let done = result?;
    closed?;
    out.end()?;
    Ok(done)
}

/// The parsed argument of a command.
enum Asked {
    Nothing,
    Handle(SessionHandle),
    Value(level_session::Value),
}

impl Asked {
    fn of(command: &Command) -> Result<Self, Failure> {
        Ok(match command {
            Command::Show { handle, .. } | Command::End { handle } => {
                Self::Handle(handle.parse().map_err(Failure::of)?)
            }
            Command::Find { value, .. } | Command::EndAll { value, .. } => {
                Self::Value(serde_json::from_str(value).map_err(|cause| {
                    let place = format!("line {}, column {}", cause.line(), cause.column());
                    Failure::of(format!(
                        "the value is not valid JSON at {place}; strings need quotes, for example '\"anna\"'"
                    ))
                })?)
            }
            _ => Self::Nothing,
        })
    }
}

async fn answer(
    store: &Inspected,
    command: &Command,
    asked: Asked,
    out: &mut Out,
) -> Result<bool, Failure> {
    match (command, asked) {
        (Command::List { view }, _) => find::list(store, view, out).await,
        (Command::Find { field, view, .. }, Asked::Value(value)) => {
            find::find(store, field, &value, view, out).await
        }
        (Command::Show { values, .. }, Asked::Handle(handle)) => {
            find::show(store, handle, *values, out).await
        }
        (Command::End { .. }, Asked::Handle(handle)) => {
            let ended = store.sessions.end(&handle).await.map_err(Failure::of)?;
            out.count("ended", u64::from(ended), "ended")?;
            Ok(ended)
        }
        (Command::EndAll { field, .. }, Asked::Value(value)) => {
            let ended = store.sessions.end_all_by(field, &value).await;
            out.count("ended", ended.map_err(Failure::of)?, "ended")?;
            Ok(true)
        }
        (Command::Sweep, _) => {
            let swept = store.sessions.sweep().await.map_err(Failure::of)?;
            out.count("swept", swept, "expired and removed")?;
            Ok(true)
        }
        (Command::Count, _) => {
            let count = store.sessions.count().await.map_err(Failure::of)?;
            out.count("sessions", count, "live")?;
            Ok(true)
        }
        (Command::Verify { index }, _) => verify::verify(store, index, out).await,
        (Command::Reindex { fields }, _) => reindex::reindex(store, fields, out).await,
        // Unreachable: `Asked::of` parses the other arguments, and `run` handles `copy` and `import`.
        _ => Err(Failure::of("this command cannot be run")),
    }
}
