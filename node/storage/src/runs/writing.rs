//! Changing an index: adding a run, merging, cutting off its end. It must not know who commits the batch, only that
//! what was staged is published after that.

use super::{
    Posting, Run, RunIndex, Snapshot, Tally,
    row::{self, KEY_BYTES},
};
use crate::StorageError;
use atoll_kv::{Batch, Kv, Table};
use std::{ops::Bound, sync::atomic::Ordering};

/// Runs of one level that are merged into one of the next.
const FAN_OUT: usize = 8;
/// No merge makes a longer run: 32 MiB of memory while it lasts, about 18 MiB on disk.
const MAX_POSTINGS: u64 = 2 << 20;
/// Rows read at once.
const CHUNK: usize = 512;

type RowKey = [u8; KEY_BYTES];

/// What only the writer needs.
pub(super) struct Writing {
    next_id: u64,
    /// Runs that the newest change replaced, and the keys of their rows.
    retired: Vec<(u64, Vec<RowKey>)>,
}

impl Writing {
    pub fn new(next_id: u64) -> Self {
        Self { next_id, retired: Vec::new() }
    }
}

/// A change that stands in a batch. [`RunIndex::publish`] is due once the batch is committed, [`RunIndex::withdraw`] if
/// that fails.
#[must_use]
pub(crate) struct Staged {
    snapshot: Snapshot,
    next_id: u64,
    retired: Vec<(u64, Vec<RowKey>)>,
}

fn visit_rows(
    kv: &Kv,
    table: Table,
    run: u64,
    mut visit: impl FnMut(Vec<u8>, Vec<u8>) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let end = row::row_key(run, u64::MAX, u64::MAX);
    let mut last: Option<Vec<u8>> = None;
    loop {
        let start = row::row_key(run, 0, 0);
        let start = last.as_ref().map_or(Bound::Included(&start[..]), |last| Bound::Excluded(last.as_slice()));
        let rows = kv.range(table, start, Bound::Included(&end), false, CHUNK)?;
        let count = rows.len();
        last = rows.last().map(|(key, _)| key.clone());
        rows.into_iter().try_for_each(|(key, value)| visit(key, value))?;
        if count < CHUNK {
            return Ok(());
        }
    }
}

/// Deletes all rows of a run.
pub(super) fn delete_rows(kv: &Kv, table: Table, run: u64, batch: &mut Batch) -> Result<(), StorageError> {
    visit_rows(kv, table, run, |key, _| {
        batch.delete(table, key);
        Ok(())
    })
}

impl RunIndex {
    /// Adds a run over the places `first` to `last`, which follow the last one indexed. The postings come in any order.
    pub fn add(
        &self,
        kv: &Kv,
        first: u64,
        last: u64,
        mut postings: Vec<Posting>,
        batch: &mut Batch,
    ) -> Result<Staged, StorageError> {
        let mut staged = self.begin(batch);
        let mut runs = staged.snapshot.runs.to_vec();
        if first > last || runs.last().is_some_and(|run| run.last.checked_add(1) != Some(first)) {
            let end = runs.last().map(|run| run.last);
            return Err(StorageError::corrupt(format!(
                "a run from {first} to {last} does not follow {end:?} in `{}`",
                self.directory.0
            )));
        }
        postings.sort_unstable();
        postings.dedup();
        let (absorbed, level) = absorbed(&runs, postings.len() as u64);
        let mut merged = Run { id: staged.next_id, first, last, level, tally: Tally::default() };
        let kept = runs.len() - absorbed;
        for run in runs.drain(kept..).rev() {
            let keys = self.read(kv, &run, &mut postings)?;
            batch.put(self.directory, run.id.to_be_bytes(), run.encode(true));
            staged.retired.push((run.id, keys));
            merged.first = run.first;
        }
        if absorbed > 0 {
            // The runs are sorted each; the stable sort makes use of it.
            postings.sort();
        }
        merged.tally = Tally::of(&postings);
        self.put(&merged, &postings, batch);
        staged.next_id += 1;
        runs.push(merged);
        staged.snapshot.runs = runs.into();
        Ok(staged)
    }

    /// Takes away everything behind the place `end`; everything at all without one. Readers notice.
    pub fn truncate(&self, kv: &Kv, end: Option<u64>, batch: &mut Batch) -> Result<Staged, StorageError> {
        let mut staged = self.begin(batch);
        let mut runs = Vec::new();
        for run in staged.snapshot.runs.iter() {
            let kept = end.filter(|end| run.first <= *end);
            let Some(end) = kept.filter(|end| run.last > *end) else {
                if kept.is_some() {
                    runs.push(*run);
                } else {
                    delete_rows(kv, self.rows, run.id, batch)?;
                    batch.delete(self.directory, run.id.to_be_bytes());
                }
                continue;
            };
            let mut postings = Vec::new();
            for key in self.read(kv, run, &mut postings)? {
                batch.delete(self.rows, key);
            }
            batch.delete(self.directory, run.id.to_be_bytes());
            postings.retain(|posting| posting.at <= end);
            let cut = Run { id: staged.next_id, last: end, tally: Tally::of(&postings), ..*run };
            self.put(&cut, &postings, batch);
            staged.next_id += 1;
            runs.push(cut);
        }
        staged.snapshot.runs = runs.into();
        // One more: nothing that this change deletes was left in place for the readers of before.
        staged.snapshot.version += 1;
        self.announced.store(staged.snapshot.version, Ordering::SeqCst);
        Ok(staged)
    }

    /// Makes a committed change the newest.
    pub fn publish(&self, staged: Staged) {
        let mut writing = self.writing.lock();
        *self.current.write() = staged.snapshot;
        *writing = Writing { next_id: staged.next_id, retired: staged.retired };
    }

    /// Takes back a change that could not be committed.
    pub fn withdraw(&self) {
        self.announced.store(self.current.read().version, Ordering::SeqCst);
    }

    /// A change with nothing in it but the end of what the one before replaced.
    fn begin(&self, batch: &mut Batch) -> Staged {
        let mut snapshot = self.snapshot();
        snapshot.version += 1;
        self.announced.store(snapshot.version, Ordering::SeqCst);
        let writing = self.writing.lock();
        for (run, keys) in &writing.retired {
            keys.iter().for_each(|key| batch.delete(self.rows, *key));
            batch.delete(self.directory, run.to_be_bytes());
        }
        Staged { snapshot, next_id: writing.next_id, retired: Vec::new() }
    }

    fn put(&self, run: &Run, postings: &[Posting], batch: &mut Batch) {
        row::encode_rows(run.id, run.first, postings, |key, row| batch.put(self.rows, key, row));
        batch.put(self.directory, run.id.to_be_bytes(), run.encode(false));
    }

    /// Appends a run's postings; returns the keys of its rows.
    fn read(&self, kv: &Kv, run: &Run, postings: &mut Vec<Posting>) -> Result<Vec<RowKey>, StorageError> {
        let mut keys = Vec::new();
        let before = postings.len();
        visit_rows(kv, self.rows, run.id, |key, row| {
            row::visit_row(&key, &row, run.first, |posting| {
                postings.push(posting);
                false
            })?;
            let damaged = |_| StorageError::corrupt("a row of postings under a key of the wrong length");
            keys.push(RowKey::try_from(key.as_slice()).map_err(damaged)?);
            Ok(())
        })?;
        let found = Tally::of(&postings[before..]);
        if found != run.tally {
            let (id, found, stated) = (run.id, found.postings, run.tally.postings);
            return Err(StorageError::corrupt(format!(
                "run {id} of `{}` has {found} postings, which are not the {stated} it was written with",
                self.directory.0
            )));
        }
        Ok(keys)
    }
}

/// How many of the newest runs a new one absorbs, and at which level it then stands.
fn absorbed(runs: &[Run], mut postings: u64) -> (usize, u8) {
    let (mut left, mut level) = (runs, 0);
    loop {
        let peers = left.iter().rev().take(FAN_OUT - 1).take_while(|run| run.level == level);
        let (count, sum) = peers.fold((0, postings), |(count, sum), run| (count + 1, sum + run.tally.postings));
        if count < FAN_OUT - 1 || sum > MAX_POSTINGS {
            return (runs.len() - left.len(), level);
        }
        postings = sum;
        left = &left[..left.len() - count];
        level += 1;
    }
}
