//! Tables in Markdown.

use std::fmt;

/// A table; the first column is a name, the others are numbers or short texts.
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self {
            head: head.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; missing cells at its end stay empty.
    pub fn row<S: Into<String>>(&mut self, row: impl IntoIterator<Item = S>) {
        let mut row: Vec<String> = row.into_iter().map(Into::into).collect();
        row.resize(self.head.len(), String::new());
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.head.join(" | "))?;
        let aligned = |at| if at == 0 { "---" } else { "---:" };
        let line: Vec<_> = (0..self.head.len()).map(aligned).collect();
        writeln!(f, "|{}|", line.join("|"))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// Nanoseconds as microseconds, with the significant digits.
pub fn micros(nanos: f64) -> String {
    match nanos / 1000.0 {
        us if us.abs() < 10.0 => format!("{us:.2}"),
        us if us.abs() < 100.0 => format!("{us:.1}"),
        us => format!("{us:.0}"),
    }
}

/// `other` as a multiple of `ours`.
pub fn times(other: f64, ours: f64) -> String {
    match other / ours {
        ratio if !ratio.is_finite() || ratio < 0.0 => "-".to_owned(),
        ratio if ratio < 10.0 => format!("{ratio:.1}x"),
        ratio => format!("{ratio:.0}x"),
    }
}
