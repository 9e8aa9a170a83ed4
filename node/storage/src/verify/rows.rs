//! A table from its first row to its last, in pieces. It must not know what the rows mean.

use super::report::Notes;
use atoll_kv::{Entry, Kv, Table};
use std::{collections::VecDeque, ops::Bound};

/// Rows read at once: bounds memory, and how long one read holds the engine.
const CHUNK: usize = 4096;

/// The rows of a table in order of their keys. A table that cannot be read further ends there, with a fault.
pub(crate) struct Rows<'a> {
    kv: &'a Kv,
    table: Table,
    chunk: VecDeque<Entry>,
    last: Option<Vec<u8>>,
    ended: bool,
}

impl<'a> Rows<'a> {
    pub fn new(kv: &'a Kv, table: Table) -> Self {
        Self { kv, table, chunk: VecDeque::new(), last: None, ended: false }
    }

    /// The next row, which stays the next one.
    pub fn peek(&mut self, notes: &mut Notes<'_>) -> Option<&Entry> {
        if self.chunk.is_empty() && !self.ended {
            let start = self.last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let rows = notes
                .read(self.table, self.kv.range(self.table, start, Bound::Unbounded, false, CHUNK))
                .unwrap_or_default();
            self.ended = rows.len() < CHUNK;
            self.last = rows.last().map(|(key, _)| key.clone());
            self.chunk = rows.into();
        }
        self.chunk.front()
    }

    pub fn next(&mut self, notes: &mut Notes<'_>) -> Option<Entry> {
        self.peek(notes)?;
        notes.step(1);
        self.chunk.pop_front()
    }
}
