//! Reads sessions from JSON lines.

use super::{Record, Target, no_json};
use crate::out::{Failure, Result};
use level_session::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use std::{
    fs::File,
    io::{self, BufRead, BufReader},
};

pub(crate) struct Lines(Box<dyn BufRead>);

#[derive(Deserialize)]
struct Line {
    id: String,
    data: Map<String, Json>,
    /// Milliseconds since 1970.
    expires: Option<u64>,
}

impl Lines {
    pub(super) fn of(path: &str) -> Result<Self> {
        if path == "-" {
            return Ok(Self(Box::new(BufReader::new(io::stdin()))));
        }
        let file = File::open(path)
            .map_err(|cause| Failure::of(format!("cannot open {path}: {cause}")))?;
        Ok(Self(Box::new(BufReader::new(file))))
    }

    pub(super) async fn read(self, target: &mut Target<'_>) -> Result<()> {
        for line in self.0.split(b'\n') {
            let line =
                line.map_err(|cause| Failure::of(format!("cannot read the sessions: {cause}")))?;
            if !line.trim_ascii().is_empty() {
                target.take(record(&line)).await?;
            }
        }
        Ok(())
    }
}

fn record(line: &[u8]) -> std::result::Result<Record, String> {
    let line: Line = serde_json::from_slice(line).map_err(|cause| no_json(&cause))?;
    Ok(Record {
        id: line.id,
        data: line.data,
        expires: line.expires.map(Timestamp::from_millis),
    })
}
