//! `eth_getLogs`: parse the filter, ask the storage which blocks may match, render what does.

use crate::{
    RpcError,
    context::{Json, Node, json},
    render::BlockLogsJson,
};
use alloy_rpc_types_eth::{BlockNumberOrTag, Filter, FilterBlockOption};
use atoll_storage::{BlockLogs, LogQuery};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;
use std::time::Instant;

/// Values one position of a filter may list (geth: 1000 addresses and topics).
const MAX_VALUES: usize = 1000;
/// Blocks asked of the index at a time; between two times the clock and the number of results are looked at.
const STEP: usize = 256;

/// The filter of `eth_getLogs`. It remembers how many topic positions were given: `[null, null]` takes only logs that
/// have two topics (geth), which the parsed filter no longer tells from none.
#[derive(Debug, Clone)]
pub(crate) struct LogFilter {
    pub(crate) filter: Filter,
    positions: usize,
}

impl From<Filter> for LogFilter {
    fn from(filter: Filter) -> Self {
        let given = filter.topics.iter().rposition(|position| !position.is_empty());
        Self { filter, positions: given.map_or(0, |last| last + 1) }
    }
}

impl<'de> Deserialize<'de> for LogFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Topics<'a> {
            #[serde(borrow)]
            topics: Option<Vec<&'a RawValue>>,
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let filter: Filter = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        let Topics { topics } = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        Ok(Self { filter, positions: topics.map_or(0, |topics| topics.len()) })
    }
}

impl LogFilter {
    fn query(&self) -> LogQuery {
        let Self { filter, positions } = self;
        LogQuery {
            addresses: filter.address.iter().copied().collect(),
            topics: filter.topics.each_ref().map(|position| position.iter().copied().collect()),
            min_topics: *positions,
        }
    }
}

/// Refuses filters whose matching would be expensive for every log.
pub(crate) fn check_size(filter: &Filter) -> Result<(), RpcError> {
    let topics: usize = filter.topics.iter().map(|position| position.len()).sum();
    if filter.address.len() > MAX_VALUES || topics > MAX_VALUES {
        let reason = format!("more than {MAX_VALUES} addresses or topics");
        return Err(RpcError::InvalidArgument { index: 0, reason });
    }
    Ok(())
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
        check_size(&filter.filter)?;
        let query = filter.query();
        let mut found = Found { blocks: Vec::new(), logs: 0, limit: self.config.log_result_limit };
        match filter.filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let block = self.storage().logs(&hash, &query)?;
                // The genesis block has no receipts to be stored.
                if block.is_none() && self.storage().number(&hash)?.is_none() {
                    return Err(RpcError::UnknownBlock);
                }
                found.push(block)?;
            }
            FilterBlockOption::Range { from_block, to_block } => {
                let (from, to) = self.log_range(from_block, to_block)?;
                self.search(&query, from, to, &mut found)?;
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
