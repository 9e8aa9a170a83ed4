//! An index of postings (a key's hash at a place in the chain) that grows with the chain: sorted runs, merged as
//! they gather. It must not know what keys and places stand for, nor blocks.
//!
//! A table that took each key's row where its hash belongs would rewrite a page of the tree for every key. So each flush
//! adds one sorted run, and eight runs of one level become one of the next: a posting is written a few times, always in
//! bulk, and a key is looked up in few runs, however long the chain is.
//!
//! Readers never wait. A merge leaves the rows it replaces in place until the next change; [`RunIndex::holds`] tells
//! a reader afterwards whether two changes passed it by, so that rows it needed may have been gone.

mod cursor;
mod row;
mod writing;

pub(crate) use cursor::Cursor;
pub(crate) use row::visit_row;
pub(crate) use writing::Staged;

use crate::{StorageError, tables};
use atoll_kv::{Batch, Kv, Table};
use parking_lot::{Mutex, RwLock};
use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A key's hash, and where in the chain it occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Posting {
    pub key: u64,
    pub at: u64,
}

/// What some postings are together: how many, and a sum over them that is the same in whatever order they come. It is there
/// against accidents, not against forgers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub postings: u64,
    hashes: u64,
}

impl Tally {
    pub fn of<'a>(postings: impl IntoIterator<Item = &'a Posting>) -> Self {
        let mut tally = Self::default();
        postings.into_iter().for_each(|posting| tally.add(posting));
        tally
    }

    pub fn add(&mut self, posting: &Posting) {
        self.postings += 1;
        self.hashes = self.hashes.wrapping_add(xxh3_64_with_seed(&posting.at.to_be_bytes(), posting.key));
    }

    /// Both together.
    pub fn join(&mut self, other: &Self) {
        self.postings += other.postings;
        self.hashes = self.hashes.wrapping_add(other.hashes);
    }
}

/// What is known of a run without reading its rows. Runs follow each other without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    id: u64,
    /// The first place it covers.
    pub first: u64,
    /// The last place it covers.
    pub last: u64,
    level: u8,
    pub tally: Tally,
}

const RUN_BYTES: usize = 34;

impl Run {
    fn encode(&self, retired: bool) -> Vec<u8> {
        let Tally { postings, hashes } = self.tally;
        let numbers = [self.first, self.last, postings, hashes].map(u64::to_be_bytes);
        [numbers.concat(), vec![self.level, u8::from(retired)]].concat()
    }

    /// The run, and whether a merge has replaced it.
    pub fn decode(id: &[u8], row: &[u8]) -> Result<(Self, bool), StorageError> {
        let damaged = || StorageError::corrupt("a run of an index that does not decode");
        if row.len() != RUN_BYTES {
            return Err(damaged());
        }
        let number = |from: usize| tables::decode_u64(&row[from..from + 8]);
        let (first, last) = (number(0)?, number(8)?);
        let tally = Tally { postings: number(16)?, hashes: number(24)? };
        if first > last {
            return Err(damaged());
        }
        Ok((Self { id: tables::decode_u64(id)?, first, last, level: row[32], tally }, row[33] != 0))
    }
}

/// The runs as of one change.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// Ascending.
    runs: Arc<[Run]>,
    /// Counts changes.
    version: u64,
}

/// One index: a table of rows, and a table that lists its runs.
pub(crate) struct RunIndex {
    rows: Table,
    directory: Table,
    current: RwLock<Snapshot>,
    /// Version of the newest change that was begun; set before anything of it can be seen.
    announced: AtomicU64,
    /// Held by whoever changes the index: the next run's ID, and the runs whose rows the next change deletes.
    writing: Mutex<writing::Writing>,
}

impl Snapshot {
    /// Rises with every change.
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl RunIndex {
    /// Opens the index and clears away what merges before the last stop have replaced.
    pub fn open(kv: &Kv, directory: Table, rows: Table) -> Result<Self, StorageError> {
        let listed = kv.range(directory, Bound::Unbounded, Bound::Unbounded, false, usize::MAX)?;
        let mut runs = Vec::with_capacity(listed.len());
        let mut batch = Batch::new();
        let mut next_id = 0;
        for (id, row) in listed {
            let (run, retired) = Run::decode(&id, &row).map_err(|error| error.in_table(directory))?;
            next_id = next_id.max(run.id.saturating_add(1));
            if retired {
                writing::delete_rows(kv, rows, run.id, &mut batch)?;
                batch.delete(directory, id);
            } else {
                runs.push(run);
            }
        }
        kv.write(batch)?;
        runs.sort_unstable_by_key(|run| run.first);
        if runs.windows(2).any(|pair| pair[0].last.checked_add(1) != Some(pair[1].first)) {
            return Err(StorageError::corrupt(format!("the runs of `{}` leave a gap or overlap", directory.0)));
        }
        Ok(Self {
            rows,
            directory,
            current: RwLock::new(Snapshot { runs: runs.into(), version: 0 }),
            announced: AtomicU64::new(0),
            writing: Mutex::new(writing::Writing::new(next_id)),
        })
    }

    /// The runs now.
    pub fn snapshot(&self) -> Snapshot {
        self.current.read().clone()
    }

    /// The last place that is indexed; `None` while nothing is.
    pub fn end(&self) -> Option<u64> {
        self.current.read().runs.last().map(|run| run.last)
    }

    /// Whether every row of the snapshot was in place until now: to be asked after reading.
    pub fn holds(&self, snapshot: &Snapshot) -> bool {
        self.announced.load(Ordering::SeqCst) <= snapshot.version + 1
    }
}

#[cfg(test)]
mod tests;
