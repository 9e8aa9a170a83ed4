//! The wanted logs of one block, without decoding the rest of it. It must not know the index.

use super::LogQuery;
use crate::{Storage, StorageError, segment::visit_logs, tables};
use atoll_primitives::{
    B256, Log, Receipt, RecoveredBlock, TxHash,
    primitives::{Bytes, LogData},
};
use quick_cache::Weighter;
use std::sync::Arc;

/// A log and its place in its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLog {
    /// Hash of its transaction.
    pub transaction_hash: TxHash,
    /// Index of its transaction.
    pub transaction_index: u32,
    /// Index among the logs of the block.
    pub log_index: u32,
    /// Address, topics, data.
    pub log: Log,
}

/// Logs of one block, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockLogs {
    /// Hash of the block.
    pub hash: B256,
    /// Its number.
    pub number: u64,
    /// Its timestamp, in seconds since 1970.
    pub timestamp: u64,
    /// The wanted ones.
    pub logs: Vec<FoundLog>,
}

/// What a search of one block gives.
#[derive(Debug, Clone)]
pub enum SearchedBlock {
    /// All logs of a block with few.
    All(Arc<BlockLogs>),
    /// The wanted logs of a block with many.
    Wanted(BlockLogs),
}

/// Records up to this size are read whole and their logs kept: blocks of ordinary use. In larger ones only what is
/// wanted is taken out.
const KEEP_BYTES: usize = 64 << 10;

/// Transactions of a block in memory that counts as such.
const KEEP_TRANSACTIONS: usize = 64;

/// Weighs the logs of a block by their size in memory.
#[derive(Clone)]
pub(crate) struct ByLogs;

impl Weighter<B256, Arc<BlockLogs>> for ByLogs {
    fn weight(&self, _: &B256, block: &Arc<BlockLogs>) -> u64 {
        let log = |found: &FoundLog| {
            (size_of::<FoundLog>() + found.log.topics().len() * 32 + found.log.data.data.len()) as u64 + 32
        };
        block.logs.iter().map(log).sum::<u64>() + 160
    }
}

impl Storage {
    /// The logs of a block, canonical or not, that a query wants; `None` if there is no such block.
    ///
    /// # Errors
    /// The tables' or segments' failure to read.
    pub fn logs(&self, hash: &B256, query: &LogQuery) -> Result<Option<BlockLogs>, StorageError> {
        Ok(self.search_block(hash, query)?.map(|found| match found {
            SearchedBlock::All(all) => wanted(&all, query),
            SearchedBlock::Wanted(wanted) => wanted,
        }))
    }

    /// The same; of a block with few logs all of them, for the caller to choose from and to keep.
    ///
    /// # Errors
    /// The tables' or segments' failure to read.
    pub fn search_block(&self, hash: &B256, query: &LogQuery) -> Result<Option<SearchedBlock>, StorageError> {
        let all = |block| Ok(Some(SearchedBlock::All(block)));
        let wanted = |block| Ok(Some(SearchedBlock::Wanted(block)));
        if let Some(layer) = self.layer(hash) {
            let (block, receipts) = (&layer.executed.block, &layer.executed.receipts);
            if block.senders.len() > KEEP_TRANSACTIONS {
                return wanted(of_receipts(block, receipts, query));
            }
            return all(Arc::new(of_receipts(block, receipts, &LogQuery::default())));
        }
        if let Some(kept) = self.inner.caches.logs.get(hash) {
            return all(kept);
        }
        let Some(payload) = self.record(hash)? else { return Ok(None) };
        if payload.len() > KEEP_BYTES {
            return wanted(of_record(*hash, &payload, query)?);
        }
        let block = Arc::new(of_record(*hash, &payload, &LogQuery::default())?);
        self.inner.caches.logs.insert(*hash, Arc::clone(&block));
        all(block)
    }

    /// Hashes of the canonical blocks of these ascending numbers; those that a reorganisation took away are left out.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn canonical_hashes(&self, numbers: &[u64]) -> Result<Vec<B256>, StorageError> {
        // The newest stand in memory.
        let base = self.base().number;
        let (numbers, newest) = numbers.split_at(numbers.partition_point(|number| *number <= base));
        let mut hashes = self.persisted_hashes(numbers)?;
        for number in newest {
            hashes.extend(self.canonical_hash(*number)?);
        }
        Ok(hashes)
    }

    fn persisted_hashes(&self, numbers: &[u64]) -> Result<Vec<B256>, StorageError> {
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(Vec::new()) };
        // Neighbours are read in one go, unless too many that are not wanted lie between.
        let close = last - first < 4 * numbers.len() as u64;
        if numbers.len() < 4 || !close {
            return numbers.iter().filter_map(|number| self.canonical_hash(*number).transpose()).collect();
        }
        let bounds = [first.to_be_bytes(), last.to_be_bytes()];
        let [start, end] = bounds.each_ref().map(|bound| std::ops::Bound::Included(&bound[..]));
        let rows = self.inner.base.kv.range(tables::CANONICAL, start, end, false, usize::MAX)?;
        let mut wanted = numbers.iter().peekable();
        let mut hashes = Vec::with_capacity(numbers.len());
        for (number, hash) in rows {
            let number = tables::decode_u64(&number)?;
            while wanted.next_if(|wanted| **wanted < number).is_some() {}
            if wanted.next_if_eq(&&number).is_some() {
                hashes.push(tables::decode_hash(&hash)?);
            }
        }
        Ok(hashes)
    }
}

fn wanted(all: &BlockLogs, query: &LogQuery) -> BlockLogs {
    let wanted = all.logs.iter().filter(|found| query.matches(&found.log.address, found.log.topics()));
    BlockLogs { logs: wanted.cloned().collect(), ..*all }
}

fn of_receipts(block: &RecoveredBlock, receipts: &[Receipt], query: &LogQuery) -> BlockLogs {
    let header = block.header();
    let transactions = (0u32..).zip(&block.block.body.transactions).zip(receipts);
    let all = transactions.flat_map(|((index, tx), receipt)| receipt.logs().iter().map(move |log| (index, tx, log)));
    let found = (0u32..).zip(all).filter(|(_, (_, _, log))| query.matches(&log.address, log.topics()));
    let logs = found.map(|(log_index, (transaction_index, tx, log))| FoundLog {
        transaction_hash: *tx.tx_hash(),
        transaction_index,
        log_index,
        log: log.clone(),
    });
    BlockLogs { hash: block.hash, number: header.number, timestamp: header.timestamp, logs: logs.collect() }
}

fn of_record(hash: B256, payload: &[u8], query: &LogQuery) -> Result<BlockLogs, StorageError> {
    let mut logs = Vec::new();
    let (number, timestamp) = visit_logs(payload, |seen| {
        if query.matches(&seen.address, seen.topics) {
            let data = LogData::new_unchecked(seen.topics.to_vec(), Bytes::copy_from_slice(seen.data));
            logs.push(FoundLog {
                transaction_hash: seen.transaction.hash()?,
                transaction_index: seen.transaction_index,
                log_index: seen.log_index,
                log: Log { address: seen.address, data },
            });
        }
        Ok(())
    })?;
    Ok(BlockLogs { hash, number, timestamp, logs })
}
