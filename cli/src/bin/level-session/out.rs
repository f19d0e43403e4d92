//! Output.

use level_session::{SessionHandle, Value};
use level_session_cli::{Picture, rfc3339};
use serde_json::{Map, json};
use std::{
    fmt::{self, Write as _},
    io::{self, BufWriter, IsTerminal as _, Stderr, Write as _},
};

/// Why the program stops early.
pub(crate) enum Failure {
    /// The reader of standard output is gone.
    ReaderGone,
    /// A message to print.
    Told(String),
}

impl Failure {
    pub(crate) fn of(message: impl fmt::Display) -> Self {
        Self::Told(message.to_string())
    }

    /// An error with its causes, without those whose text is already included.
    pub(crate) fn store(error: level_session::store::Error) -> Self {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(this) = cause {
            let text = this.to_string();
            if !message.contains(&text) {
                let _ = write!(message, ": {text}");
            }
            cause = this.source();
        }
        Self::Told(message)
    }
}

impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::of(format!("cannot write the output: {cause}")),
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Standard output: text for people, or a JSON object per line.
pub(crate) struct Out {
    json: bool,
    to: BufWriter<Box<dyn io::Write>>,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self::to(json, io::stdout())
    }

    pub(crate) fn to(json: bool, to: impl io::Write + 'static) -> Self {
        let to: Box<dyn io::Write> = Box::new(to);
        Self {
            json,
            to: BufWriter::new(to),
        }
    }

    pub(crate) fn end(&mut self) -> Result<()> {
        Ok(self.to.flush()?)
    }

    fn object(&mut self, object: &impl serde::Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.to, object).map_err(io::Error::from)?;
        Ok(writeln!(self.to)?)
    }

    pub(crate) fn count(&mut self, name: &str, count: u64, what: &str) -> Result<()> {
        match self.json {
            true => self.object(&Map::from_iter([(name.to_owned(), json!(count))])),
            false => Ok(writeln!(self.to, "{} {what}", sessions(count))?),
        }
    }

    /// One line per session, and one for each of its fields.
    pub(crate) fn session(&mut self, picture: &Picture) -> Result<()> {
        if self.json {
            return self.object(picture);
        }
        let moment = |at| rfc3339(at).unwrap_or_else(|| "never".to_owned());
        writeln!(
            self.to,
            "{}  created {}  seen {}  expires {}",
            picture.handle,
            moment(picture.created),
            moment(picture.last_seen),
            moment(picture.expires)
        )?;
        for field in picture.fields.iter().flatten() {
            write!(self.to, "  {}  {} bytes", clean(&field.name), field.bytes)?;
            if let Some(value) = &field.value {
                write!(self.to, "  {}", value_text(value))?;
            }
            if let Some(damaged) = &field.damaged {
                write!(self.to, "  DAMAGED: {}", clean(damaged))?;
            }
            writeln!(self.to)?;
        }
        Ok(())
    }

    /// One session as JSON, which is pretty-printed without `--json`.
    pub(crate) fn shown(&mut self, picture: &Picture) -> Result<()> {
        if self.json {
            return self.object(picture);
        }
        let text = serde_json::to_string_pretty(picture).map_err(Failure::of)?;
        for line in text.lines() {
            writeln!(self.to, "{}", clean(line))?;
        }
        Ok(())
    }

    /// A problem with a session.
    pub(crate) fn finding(
        &mut self,
        handle: SessionHandle,
        field: Option<&str>,
        what: &str,
    ) -> Result<()> {
        if self.json {
            let mut object = json!({ "handle": handle, "finding": what });
            if let Some(field) = field {
                object["field"] = json!(field);
            }
            return self.object(&object);
        }
        match field {
            Some(field) => writeln!(self.to, "{handle}  {}: {}", clean(field), clean(what))?,
            None => writeln!(self.to, "{handle}  {}", clean(what))?,
        }
        Ok(())
    }

    /// A session that the store cannot read.
    pub(crate) fn unreadable(
        &mut self,
        handle: SessionHandle,
        error: &level_session::store::Error,
    ) -> Result<()> {
        let (field, what) = told(error);
        self.finding(handle, field.as_deref(), &what)
    }

    /// A record that cannot be imported, identified by its number in the input.
    pub(crate) fn refused(&mut self, record: u64, what: &str) -> Result<()> {
        match self.json {
            true => self.object(&json!({ "record": record, "finding": what })),
            false => Ok(writeln!(self.to, "record {record}: {}", clean(what))?),
        }
    }

    /// The counts at the end of a long command.
    pub(crate) fn summary(&mut self, counts: &[(&str, u64)]) -> Result<()> {
        if self.json {
            let counts = counts
                .iter()
                .map(|(name, n)| ((*name).to_owned(), json!(n)));
            return self.object(&Map::from_iter(counts));
        }
        let counts = counts.iter().map(|(name, n)| format!("{name}: {n}"));
        Ok(writeln!(
            self.to,
            "{}",
            counts.collect::<Vec<_>>().join(", ")
        )?)
    }
}

/// Splits an error into the field that it concerns and the rest of the message.
pub(crate) fn told(error: &level_session::store::Error) -> (Option<String>, String) {
    let text = error.to_string();
    let Some(field) = error.field() else {
        return (None, text);
    };
    let front = format!("session field `{}`: ", field.escape_debug());
    let rest = text.strip_prefix(&front).unwrap_or(&text).to_owned();
    (Some(field.to_owned()), rest)
}

fn sessions(count: u64) -> String {
    match count {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    }
}

fn value_text(value: &Value) -> String {
    serde_json::to_string(value).map_or_else(|cause| cause.to_string(), |text| clean(&text))
}

/// Escapes control characters, since names and values come from visitors and could contain terminal escape sequences.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => clean.extend(c.escape_unicode()),
            false => clean.push(c),
        }
    }
    clean
}

/// Prints a message to standard error.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "level-session: {}", clean(message));
}

/// The progress of a long command: a line on standard error, if it is a terminal.
pub(crate) struct Progress {
    to: Option<Stderr>,
    what: &'static str,
    of: u64,
}

impl Progress {
    /// `of` is an estimate of the total number of sessions.
    pub(crate) fn new(what: &'static str, of: u64) -> Self {
        let to = Some(io::stderr()).filter(Stderr::is_terminal);
        Self { to, what, of }
    }

    pub(crate) fn at(&mut self, done: u64) {
        if let Some(to) = &mut self.to {
            let _ = write!(to, "\r{}", bar(self.what, done, self.of));
            let _ = to.flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(to) = &mut self.to {
            let _ = writeln!(to);
        }
    }
}

fn bar(what: &str, done: u64, of: u64) -> String {
    const WIDTH: u64 = 30;
    // Sessions may be added after they were counted.
    let of = of.max(done).max(1);
    let full = usize::try_from(done.saturating_mul(WIDTH) / of).unwrap_or(0);
    let rest = usize::try_from(WIDTH).unwrap_or(0).saturating_sub(full);
    let (full, rest) = ("#".repeat(full), " ".repeat(rest));
    format!("{what} [{full}{rest}] {done} of {of}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitors_name_is_no_command_for_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\n\u{9b}ä"), "a\\u{1b}[2Jb\\u{a}\\u{9b}ä");
    }

    #[test]
    fn the_bar_is_full_at_the_end_and_never_longer() {
        let part = |done, of| bar("x", done, of).matches('#').count();
        assert_eq!((part(0, 0), part(0, 9), part(50, 100)), (0, 0, 15));
        assert_eq!((part(100, 100), part(120, 100)), (30, 30));
        assert_eq!(bar("copied", 1, 1).len(), bar("copied", 0, 1).len());
    }
}
