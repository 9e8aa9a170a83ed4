//! Finding the blocks of a range that may hold wanted logs: by the index below the base, by the headers' blooms above
//! it. It must not read logs.

use super::{LogQuery, Value};
use crate::{
    Storage, StorageError,
    runs::{Cursor, Snapshot},
};
use atoll_kv::Kv;
use atoll_primitives::{Bloom, Header};
use std::{ops::RangeInclusive, time::Instant};

/// One condition: one of its values has to occur.
struct Clause {
    values: Vec<Value>,
    cursors: Vec<Cursor>,
}

impl Clause {
    fn new(values: Vec<Value>) -> Self {
        let mut clause = Self { values, cursors: Vec::new() };
        clause.rewind();
        clause
    }

    fn rewind(&mut self) {
        self.cursors = self.values.iter().map(|value| Cursor::new(value.key)).collect();
    }

    fn allows(&self, bloom: &Bloom) -> bool {
        self.values.iter().any(|value| bloom.contains(&value.bloom))
    }
}

/// A walk over the blocks of a range that may hold what a query wants, ascending.
///
/// What it costs follows the rarest value of the query, not the length of the range.
pub struct LogScan {
    storage: Storage,
    /// All of them have to hold.
    clauses: Vec<Clause>,
    snapshot: Snapshot,
    /// Where to go on; `None` at the end.
    next: Option<u64>,
    to: u64,
}

impl Storage {
    /// Starts a walk over canonical blocks.
    pub fn scan_logs(&self, query: &LogQuery, blocks: RangeInclusive<u64>) -> LogScan {
        LogScan {
            storage: self.clone(),
            clauses: query.clauses().into_iter().map(Clause::new).collect(),
            snapshot: self.inner.log_index.snapshot(),
            next: (blocks.start() <= blocks.end()).then_some(*blocks.start()),
            to: *blocks.end(),
        }
    }
}

impl LogScan {
    /// Numbers of the next blocks, about `limit` of them; fewer, perhaps none, once `deadline` has passed. `None` at the
    /// end of the range.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn next_blocks(&mut self, limit: usize, deadline: Instant) -> Result<Option<Vec<u64>>, StorageError> {
        let Some(from) = self.next else { return Ok(None) };
        // Before the index: what is flushed from here on is in both, what was flushed before is in the index.
        let (base, recent) = self.recent(from);
        loop {
            let snapshot = self.storage.inner.log_index.snapshot();
            if snapshot.version() != self.snapshot.version() {
                self.clauses.iter_mut().for_each(Clause::rewind);
                self.snapshot = snapshot;
            }
            let (mut found, next) = self.indexed(from, base.min(self.to), limit.max(1), deadline)?;
            // Seldom: two flushes or a deep reorganisation went by in the meantime.
            if !self.storage.inner.log_index.holds(&self.snapshot) && Instant::now() < deadline {
                self.clauses.iter_mut().for_each(Clause::rewind);
                continue;
            }
            self.next = next;
            if next.is_none() {
                found.extend(recent);
            }
            return Ok(Some(found));
        }
    }

    /// Number of the base, and the canonical blocks above it that are in the range and whose bloom allows a match.
    fn recent(&self, from: u64) -> (u64, Vec<u64>) {
        let memory = self.storage.inner.memory.read();
        let base = memory.base.number;
        let allowed = |header: &Header| self.clauses.iter().all(|clause| clause.allows(&header.logs_bloom));
        let from = from.max(base.saturating_add(1));
        if from > self.to {
            return (base, Vec::new());
        }
        let range = memory.canonical.range(from..=self.to);
        let layers = range.filter_map(|(number, hash)| Some((*number, memory.layers.get(hash)?)));
        let found = layers.filter(|(_, layer)| allowed(&layer.header.header)).map(|(number, _)| number).collect();
        (base, found)
    }

    /// Blocks up to `end` by the index, and where to go on if that is not all.
    fn indexed(
        &mut self,
        from: u64,
        end: u64,
        limit: usize,
        deadline: Instant,
    ) -> Result<(Vec<u64>, Option<u64>), StorageError> {
        let mut found = Vec::new();
        let mut target = from;
        while target <= end {
            if found.len() >= limit || Instant::now() >= deadline {
                return Ok((found, Some(target)));
            }
            let Some(at) = self.first_common(target, end)? else { break };
            found.push(at);
            let Some(next) = at.checked_add(1) else { break };
            target = next;
        }
        Ok((found, None))
    }

    /// The first block from `target` on that all clauses have.
    fn first_common(&mut self, mut target: u64, end: u64) -> Result<Option<u64>, StorageError> {
        let Self { storage, clauses, snapshot, .. } = self;
        let kv: &Kv = &storage.inner.base.kv;
        let (mut agreed, mut at) = (0, 0);
        while agreed < clauses.len() {
            let mut first: Option<u64> = None;
            for cursor in &mut clauses[at].cursors {
                let found = cursor.seek(&storage.inner.log_index, kv, snapshot, target)?;
                first = [first, found].into_iter().flatten().min();
            }
            let Some(first) = first.filter(|first| *first <= end) else { return Ok(None) };
            agreed = if first == target { agreed + 1 } else { 1 };
            target = first;
            at = (at + 1) % clauses.len();
        }
        Ok(Some(target))
    }
}

impl std::fmt::Debug for LogScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogScan").field("next", &self.next).field("to", &self.to).finish()
    }
}
