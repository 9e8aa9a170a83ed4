//! What a check found, and how far it is. It must not know what is checked.

use crate::StorageError;
use atoll_kv::{KvError, Table};
use std::{collections::BTreeMap, fmt};

/// Faults listed of one part; more are only counted: a damaged page can spoil thousands of rows.
const LISTED: u64 = 20;

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The table, or `segments`.
    pub part: &'static str,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.what)
    }
}

/// An error with its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The part being read.
    pub part: &'static str,
    /// Rows, records or bytes read of it.
    pub done: u64,
    /// How many there are, where that is known.
    pub total: Option<u64>,
}

/// What a whole check found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many rows or records of each part were read, in the order in which they were.
    pub read: Vec<(&'static str, u64)>,
    /// The first faults of each part.
    pub faults: Vec<Fault>,
    /// All faults by part, the unlisted ones too.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Whether nothing was found.
    pub fn is_sound(&self) -> bool {
        self.counts.is_empty()
    }
}

/// A report being written.
pub(crate) struct Notes<'a> {
    report: Report,
    progress: &'a mut dyn FnMut(Progress),
    now: Progress,
}

impl<'a> Notes<'a> {
    pub fn new(progress: &'a mut dyn FnMut(Progress)) -> Self {
        Self { report: Report::default(), progress, now: Progress { part: "", done: 0, total: None } }
    }

    /// What is counted from now on.
    pub fn begin(&mut self, part: &'static str, total: impl Into<Option<u64>>) {
        self.end();
        self.now = Progress { part, done: 0, total: total.into() };
        (self.progress)(self.now);
    }

    /// Something of the part was read.
    pub fn step(&mut self, count: u64) {
        self.now.done += count;
        (self.progress)(self.now);
    }

    fn end(&mut self) {
        if self.now.done > 0 {
            self.report.read.push((self.now.part, self.now.done));
        }
    }

    pub fn fault(&mut self, part: &'static str, what: String) {
        let count = self.report.counts.entry(part).or_default();
        *count += 1;
        if *count <= LISTED {
            self.report.faults.push(Fault { part, what });
        }
    }

    /// The result of reading a table; a failure is a fault of that table.
    pub fn read<T>(&mut self, table: Table, read: Result<T, KvError>) -> Option<T> {
        match read {
            Ok(found) => Some(found),
            Err(error) => {
                self.fault(table.0, with_causes(&error));
                None
            }
        }
    }

    /// The result of decoding something of this part; a failure is a fault.
    pub fn sound<T>(&mut self, part: &'static str, decoded: Result<T, StorageError>) -> Option<T> {
        match decoded {
            Ok(decoded) => Some(decoded),
            // Without the advice that the node's own error gives.
            Err(StorageError::Corrupt { what }) => {
                self.fault(part, what);
                None
            }
            Err(error) => {
                self.fault(part, with_causes(&error));
                None
            }
        }
    }

    pub fn into_report(mut self) -> Report {
        self.end();
        self.report
    }
}
