//! What the indexes of logs, transactions and addresses have in common: they are written with each flush, cut with each
//! unwind, and completed at opening where they end too early. It must not know when a flush is due.

use crate::{
    Storage, StorageError, TxPlace,
    layer::Layer,
    logs,
    runs::{Posting, RunIndex, Staged},
    transactions,
};
use atoll_kv::Batch;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Blocks indexed in one batch where an index is built anew: bounds its memory.
const BUILD_BLOCKS: u64 = 256;
const REPORT: Duration = Duration::from_secs(5);

/// An index that the records of the blocks alone can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indexed {
    Logs,
    Transactions,
}

impl Indexed {
    const ALL: [Self; 2] = [Self::Logs, Self::Transactions];

    fn name(self) -> &'static str {
        match self {
            Self::Logs => "log",
            Self::Transactions => "transaction",
        }
    }

    /// The places of these blocks.
    fn places(self, first: u64, last: u64) -> (u64, u64) {
        match self {
            Self::Logs => (first, last),
            Self::Transactions => (TxPlace::first_of(first).encode(), TxPlace::last_of(last).encode()),
        }
    }

    fn block_of(self, place: u64) -> u64 {
        match self {
            Self::Logs => place,
            Self::Transactions => TxPlace::decode(place).block,
        }
    }
}

/// Changes of the three indexes that stand in a batch.
#[must_use]
#[derive(Default)]
pub(crate) struct StagedIndexes {
    logs: Option<Staged>,
    transactions: Option<Staged>,
    addresses: Option<Staged>,
}

impl Storage {
    /// Puts what a flush moves down into the indexes: in its batch, so that all hold the same blocks. Addresses come later.
    pub(crate) fn index(&self, buried: &[Arc<Layer>], batch: &mut Batch) -> Result<StagedIndexes, StorageError> {
        let (Some(first), Some(last)) = (buried.first(), buried.last()) else { return Ok(StagedIndexes::default()) };
        let (mut found, mut hashes) = (Vec::new(), Vec::new());
        for layer in buried {
            logs::postings(layer.number(), &layer.executed.receipts, &mut found);
            transactions::postings(layer.number(), &layer.executed.block, &mut hashes);
        }
        let mut add = |which: Indexed, postings| {
            let (first, last) = which.places(first.number(), last.number());
            self.index_of(which).add(&self.inner.base.kv, first, last, postings, batch).map(Some)
        };
        let logs = add(Indexed::Logs, found)?;
        Ok(StagedIndexes { logs, transactions: add(Indexed::Transactions, hashes)?, addresses: None })
    }

    /// Takes what lies above a block out of all indexes.
    pub(crate) fn cut_indexes(&self, number: u64, batch: &mut Batch) -> Result<StagedIndexes, StorageError> {
        let kv = &self.inner.base.kv;
        let last = TxPlace::last_of(number).encode();
        Ok(StagedIndexes {
            logs: Some(self.inner.log_index.truncate(kv, Some(number), batch)?),
            transactions: Some(self.inner.tx_index.truncate(kv, Some(last), batch)?),
            addresses: Some(self.inner.address_index.truncate(kv, Some(last), batch)?),
        })
    }

    /// Once the batch is committed.
    pub(crate) fn publish_indexes(&self, staged: StagedIndexes) {
        let StagedIndexes { logs, transactions, addresses } = staged;
        let inner = &self.inner;
        for (index, staged) in
            [(&inner.log_index, logs), (&inner.tx_index, transactions), (&inner.address_index, addresses)]
        {
            if let Some(staged) = staged {
                index.publish(staged);
            }
        }
    }

    /// If that failed.
    pub(crate) fn withdraw_indexes(&self) {
        let inner = &self.inner;
        [&inner.log_index, &inner.tx_index, &inner.address_index].into_iter().for_each(RunIndex::withdraw);
    }

    fn index_of(&self, which: Indexed) -> &RunIndex {
        match which {
            Indexed::Logs => &self.inner.log_index,
            Indexed::Transactions => &self.inner.tx_index,
        }
    }

    /// Throws the log index away and builds it anew from the blocks that are persisted.
    ///
    /// # Errors
    /// The tables' or segments' failure; the index then holds the blocks up to where it came, and opening the directory
    /// again goes on from there.
    pub fn rebuild_log_index(&self) -> Result<(), StorageError> {
        let _moving = self.inner.flushing.lock();
        self.cut_index(Indexed::Logs, None)?;
        self.complete(Indexed::Logs)
    }

    /// Brings the indexes to where the base stands, if they are not there: after an interrupted rebuild, or in a directory
    /// whose indexes were removed. Nobody else may move the base.
    pub(crate) fn complete_indexes(&self) -> Result<(), StorageError> {
        Indexed::ALL.into_iter().try_for_each(|which| self.complete(which))
    }

    fn complete(&self, which: Indexed) -> Result<(), StorageError> {
        let (index, kv, base) = (self.index_of(which), &self.inner.base.kv, self.base().number);
        if index.end().is_some_and(|end| which.block_of(end) > base) {
            self.cut_index(which, Some(base))?;
        }
        let mut first = index.end().map_or(1, |end| which.block_of(end) + 1);
        if first > base {
            return Ok(());
        }
        tracing::info!(from = first, to = base, "building the {} index", which.name());
        let mut reported = Instant::now();
        while first <= base {
            let last = base.min(first + BUILD_BLOCKS - 1);
            let mut found = Vec::new();
            (first..=last).try_for_each(|number| self.read_postings(which, number, &mut found))?;
            let mut batch = Batch::new();
            let places = which.places(first, last);
            let staged = index.add(kv, places.0, places.1, found, &mut batch)?;
            kv.write(batch).inspect_err(|_| index.withdraw())?;
            index.publish(staged);
            first = last + 1;
            if reported.elapsed() >= REPORT {
                tracing::info!(block = last, of = base, "building the {} index", which.name());
                reported = Instant::now();
            }
        }
        tracing::info!(blocks = base, "the {} index is complete", which.name());
        Ok(())
    }

    fn read_postings(&self, which: Indexed, number: u64, found: &mut Vec<Posting>) -> Result<(), StorageError> {
        let missing = || StorageError::corrupt(format!("canonical block {number} is missing"));
        let hash = self.canonical_hash(number)?.ok_or_else(missing)?;
        match which {
            Indexed::Logs => logs::postings(number, &self.receipts(&hash)?.ok_or_else(missing)?, found),
            Indexed::Transactions => {
                transactions::postings(number, self.block(&hash)?.ok_or_else(missing)?.as_ref(), found);
            }
        }
        Ok(())
    }

    fn cut_index(&self, which: Indexed, end: Option<u64>) -> Result<(), StorageError> {
        let (index, kv) = (self.index_of(which), &self.inner.base.kv);
        let mut batch = Batch::new();
        let staged = index.truncate(kv, end.map(|end| which.places(end, end).1), &mut batch)?;
        kv.write(batch).inspect_err(|_| index.withdraw())?;
        index.publish(staged);
        Ok(())
    }
}
