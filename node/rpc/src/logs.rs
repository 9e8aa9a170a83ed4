//! What logs a client wants, and `eth_getLogs`: ask the storage which blocks may match, render what does.

use crate::{
    RpcError,
    context::{Json, Node, json},
    render::BlockLogsJson,
};
use alloy_rpc_types_eth::{BlockNumberOrTag, Filter, FilterBlockOption, Log};
use atoll_storage::{BlockLogs, LogQuery};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;
use std::time::Instant;

/// Values one position of a filter may list (geth: 1000 addresses and topics).
const MAX_VALUES: usize = 1000;
/// Blocks asked of the index at a time; between two times the clock and the number of results are looked at.
const STEP: usize = 256;

/// The criteria of `eth_getLogs`, of a polled filter and of a subscription. All three match alike, by the query: it knows how
/// many topic positions were given, so that `[null, null]` takes only logs that have two topics (geth).
#[derive(Debug, Clone, Default)]
pub(crate) struct LogFilter {
    pub(crate) blocks: FilterBlockOption,
    query: LogQuery,
}

impl<'de> Deserialize<'de> for LogFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Topics<'a> {
            #[serde(borrow)]
            topics: Option<Vec<&'a RawValue>>,
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let Filter { block_option, address, topics } = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        // The parsed filter no longer tells a position that takes anything from one that was not given.
        let Topics { topics: given } = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        let query = LogQuery {
            addresses: address.iter().copied().collect(),
            topics: topics.each_ref().map(|position| position.iter().copied().collect()),
            min_topics: given.map_or(0, |topics| topics.len()),
        };
        Ok(Self { blocks: block_option, query })
    }
}

impl LogFilter {
    /// Refuses what would be expensive to match with every log.
    pub(crate) fn check_size(&self) -> Result<(), RpcError> {
        let topics: usize = self.query.topics.iter().map(|position| position.len()).sum();
        if self.query.addresses.len() > MAX_VALUES || topics > MAX_VALUES {
            let reason = format!("more than {MAX_VALUES} addresses or topics");
            return Err(RpcError::InvalidArgument { index: 0, reason });
        }
        Ok(())
    }

    /// Whether it wants this log: its address and topics, and its block's number if numbers were given.
    pub(crate) fn wants(&self, log: &Log) -> bool {
        let number = log.block_number.unwrap_or_default();
        let in_range = match self.blocks {
            FilterBlockOption::Range { from_block, to_block } => {
                !matches!(from_block, Some(BlockNumberOrTag::Number(from)) if number < from)
                    && !matches!(to_block, Some(BlockNumberOrTag::Number(to)) if number > to)
            }
            FilterBlockOption::AtBlockHash(hash) => log.block_hash == Some(hash),
        };
        in_range && self.query.matches(&log.inner.address, log.inner.topics())
    }
}

/// What a query has found so far.
struct Found {
    blocks: Vec<BlockLogs>,
    logs: usize,
    limit: usize,
}

impl Found {
    fn push(&mut self, block: Option<BlockLogs>) -> Result<(), RpcError> {
        let Some(block) = block.filter(|block| !block.logs.is_empty()) else { return Ok(()) };
        self.logs += block.logs.len();
        self.blocks.push(block);
        if self.logs > self.limit { Err(RpcError::TooManyResults { limit: self.limit }) } else { Ok(()) }
    }
}

impl Node {
    /// Logs that match, in order, rendered.
    pub(crate) fn logs_json(&self, filter: &LogFilter) -> Result<Json, RpcError> {
        filter.check_size()?;
        let query = &filter.query;
        let mut found = Found { blocks: Vec::new(), logs: 0, limit: self.config.log_result_limit };
        match filter.blocks {
            FilterBlockOption::AtBlockHash(hash) => {
                let block = self.storage().logs(&hash, query)?;
                // The genesis block has no receipts to be stored.
                if block.is_none() && self.storage().number(&hash)?.is_none() {
                    return Err(RpcError::UnknownBlock);
                }
                found.push(block)?;
            }
            FilterBlockOption::Range { from_block, to_block } => {
                let (from, to) = self.log_range(from_block, to_block)?;
                self.search(query, from, to, &mut found)?;
            }
        }
        json(&BlockLogsJson(&found.blocks))
    }

    fn search(&self, query: &LogQuery, from: u64, to: u64, found: &mut Found) -> Result<(), RpcError> {
        let deadline = self.deadline();
        let timeout = || RpcError::Timeout { after: self.config.call_timeout };
        let mut scan = self.storage().scan_logs(query, from..=to);
        while let Some(numbers) = scan.next_blocks(STEP, deadline)? {
            // A block that a reorganisation takes away while we walk has no logs any more.
            for hash in self.storage().canonical_hashes(&numbers)? {
                if Instant::now() >= deadline {
                    return Err(timeout());
                }
                found.push(self.storage().logs(&hash, query)?)?;
            }
            if Instant::now() >= deadline {
                return Err(timeout());
            }
        }
        Ok(())
    }

    fn log_range(&self, from: Option<BlockNumberOrTag>, to: Option<BlockNumberOrTag>) -> Result<(u64, u64), RpcError> {
        let number = |tag: Option<BlockNumberOrTag>| self.number_of(tag.unwrap_or_default());
        if let (Some(BlockNumberOrTag::Number(from)), Some(BlockNumberOrTag::Number(to))) = (from, to)
            && from > to
        {
            return Err(RpcError::InvalidBlockRange { from, to });
        }
        let (Some(from), Some(to)) = (number(from)?, number(to)?) else { return Err(RpcError::RangeBeyondHead) };
        if from > to {
            return Err(RpcError::InvalidBlockRange { from, to });
        }
        let (span, limit) = (to - from + 1, self.config.log_range_limit);
        if span > limit { Err(RpcError::RangeTooLarge { span, limit }) } else { Ok((from, to)) }
    }
}
