//! Writing the log index: with each flush, and from the segments where it is missing. It must not know when a flush is
//! due.

use super::postings;
use crate::{Storage, StorageError, layer::Layer, runs::Staged};
use atoll_kv::Batch;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Blocks indexed in one batch where the index is built anew: bounds its memory.
const BUILD_BLOCKS: u64 = 256;
const REPORT: Duration = Duration::from_secs(5);

impl Storage {
    /// Puts what a flush moves down into the index: in its batch, so that both hold the same blocks.
    pub(crate) fn index_logs(&self, buried: &[Arc<Layer>], batch: &mut Batch) -> Result<Option<Staged>, StorageError> {
        let (Some(first), Some(last)) = (buried.first(), buried.last()) else { return Ok(None) };
        let mut found = Vec::new();
        buried.iter().for_each(|layer| postings(layer.number(), &layer.executed.receipts, &mut found));
        let inner = &self.inner;
        inner.log_index.add(&inner.base.kv, first.number(), last.number(), found, batch).map(Some)
    }

    /// Throws the log index away and builds it anew from the blocks that are persisted.
    ///
    /// # Errors
    /// The tables' or segments' failure; the index then holds the blocks up to where it came, and opening the directory
    /// again goes on from there.
    pub fn rebuild_log_index(&self) -> Result<(), StorageError> {
        let _moving = self.inner.flushing.lock();
        self.cut_log_index(None)?;
        self.complete_log_index()
    }

    /// Brings the index to where the base stands, if it is not there: after an interrupted rebuild, or in a directory
    /// whose index was removed. Nobody else may move the base.
    pub(crate) fn complete_log_index(&self) -> Result<(), StorageError> {
        let (index, kv) = (&self.inner.log_index, &self.inner.base.kv);
        let base = self.base().number;
        if index.end().is_some_and(|end| end > base) {
            self.cut_log_index(Some(base))?;
        }
        let mut first = index.end().map_or(1, |end| end + 1);
        if first > base {
            return Ok(());
        }
        tracing::info!(from = first, to = base, "building the log index");
        let mut reported = Instant::now();
        while first <= base {
            let last = base.min(first + BUILD_BLOCKS - 1);
            let mut found = Vec::new();
            for number in first..=last {
                let missing = || StorageError::corrupt(format!("canonical block {number} is missing"));
                let hash = self.canonical_hash(number)?.ok_or_else(missing)?;
                postings(number, &self.receipts(&hash)?.ok_or_else(missing)?, &mut found);
            }
            let mut batch = Batch::new();
            let staged = index.add(kv, first, last, found, &mut batch)?;
            kv.write(batch).inspect_err(|_| index.withdraw())?;
            index.publish(staged);
            first = last + 1;
            if reported.elapsed() >= REPORT {
                tracing::info!(block = last, of = base, "building the log index");
                reported = Instant::now();
            }
        }
        tracing::info!(blocks = base, "the log index is complete");
        Ok(())
    }

    fn cut_log_index(&self, end: Option<u64>) -> Result<(), StorageError> {
        let (index, kv) = (&self.inner.log_index, &self.inner.base.kv);
        let mut batch = Batch::new();
        let staged = index.truncate(kv, end, &mut batch)?;
        kv.write(batch).inspect_err(|_| index.withdraw())?;
        index.publish(staged);
        Ok(())
    }
}
