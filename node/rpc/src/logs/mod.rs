//! What logs a client wants, and `eth_getLogs`: ask the storage which blocks may match, render what does.
//!
//! Clients ask for the same logs again and again. A span of neighbouring blocks that a query found much in is kept as one text,
//! by the hash of its last block, which stands for all the blocks before it.

mod found;

pub(crate) use found::{JoinedLogs, RenderedLogs, joined_logs, rendered_logs};

use crate::{
    RpcError,
    context::{Json, Node, json},
    render::LogJson,
    text::Text,
};
use alloy_rpc_types_eth::{BlockNumberOrTag, Filter, FilterBlockOption, Log};
use atoll_primitives::B256;
use atoll_storage::{LogQuery, SearchedBlock};
use found::{Found, JoinedKey, Piece, Rendered};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;
use std::{cell::OnceCell, sync::Arc, time::Instant};

/// Values one position of a filter may list (geth: 1000 addresses and topics).
const MAX_VALUES: usize = 1000;
/// Blocks asked of the index at a time; between two times the clock and the number of results are looked at.
const STEP: usize = 256;
/// Blocks searched between two looks at the clock.
const BETWEEN_CLOCKS: usize = 16;
/// Blocks of a span: their numbers differ in the lower bits only.
const SPAN: u64 = 128;
/// A span in which fewer blocks were found is not joined: looking it up would cost as much.
const JOIN_FROM: usize = 8;

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

impl Node {
    /// [`Node::logs_text`] for whoever needs it checked.
    pub(crate) fn logs_json(&self, filter: &LogFilter) -> Result<Json, RpcError> {
        let text = self.logs_text(filter, "", "")?.into_string();
        RawValue::from_string(text).map_err(|_| RpcError::Internal("an answer could not be rendered"))
    }

    /// Logs that match, in order, rendered as a list between these texts.
    pub(crate) fn logs_text(&self, filter: &LogFilter, before: &str, after: &str) -> Result<Text, RpcError> {
        filter.check_size()?;
        let query = &filter.query;
        let mut found = Found::new(self.config.log_result_limit, self.config.max_response_bytes as usize);
        match filter.blocks {
            FilterBlockOption::AtBlockHash(hash) => {
                self.search_block(&hash, query, &mut found)?;
                // The genesis block has no receipts to be stored.
                if self.storage().number(&hash)?.is_none() {
                    return Err(RpcError::UnknownBlock);
                }
            }
            FilterBlockOption::Range { from_block, to_block } => {
                let (from, to) = self.log_range(from_block, to_block)?;
                self.search(query, from, to, &mut found)?;
            }
        }
        Ok(found.between(before, after))
    }

    fn search(&self, query: &LogQuery, from: u64, to: u64, found: &mut Found) -> Result<(), RpcError> {
        let search = Search::new(self, query);
        let mut scan = self.storage().scan_logs(query, from..=to);
        let mut numbers = Vec::new();
        let span = |number: u64| number / SPAN;
        loop {
            // A scan whose time is over finds nothing more, and does not end.
            search.check_time()?;
            let next = scan.next_blocks(STEP, search.deadline)?;
            let ended = next.is_none();
            numbers.extend(next.into_iter().flatten());
            // Of the last span there may be more to come.
            let open = numbers.last().filter(|_| !ended).map(|last| span(*last));
            let whole = open.map_or(numbers.len(), |open| numbers.partition_point(|number| span(*number) < open));
            for numbers in numbers[..whole].chunk_by(|a, b| span(*a) == span(*b)) {
                search.span(numbers, found)?;
            }
            numbers.drain(..whole);
            if ended {
                return Ok(());
            }
        }
    }

    /// Whether there is such a block.
    fn search_block(&self, hash: &B256, query: &LogQuery, found: &mut Found) -> Result<bool, RpcError> {
        if let Some(block) = self.rendered_logs.get(hash) {
            return found.push_kept(&block, query).map(|()| true);
        }
        match self.storage().search_block(hash, query)? {
            None => return Ok(false),
            Some(SearchedBlock::Wanted(block)) => {
                LogJson::of(&block).try_for_each(|log| found.push(Piece::Own(json(&log)?)))?;
            }
            Some(SearchedBlock::All(logs)) => {
                let texts = LogJson::of(&logs).map(|log| json(&log)).collect::<Result<_, _>>()?;
                let block = Arc::new(Rendered { logs, texts });
                self.rendered_logs.insert(*hash, Arc::clone(&block));
                found.push_kept(&block, query)?;
            }
        }
        Ok(true)
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

/// One search through a range.
struct Search<'a> {
    node: &'a Node,
    query: &'a LogQuery,
    deadline: Instant,
    /// Of the storage, before anything was looked for.
    departures: u64,
    digest: OnceCell<B256>,
}

impl<'a> Search<'a> {
    fn new(node: &'a Node, query: &'a LogQuery) -> Self {
        let (deadline, departures) = (node.deadline(), node.storage().departures());
        Self { node, query, deadline, departures, digest: OnceCell::new() }
    }

    fn check_time(&self) -> Result<(), RpcError> {
        let after = self.node.config.call_timeout;
        if Instant::now() >= self.deadline { Err(RpcError::Timeout { after }) } else { Ok(()) }
    }

    /// Searches what the scan found of a span.
    fn span(&self, numbers: &[u64], found: &mut Found) -> Result<(), RpcError> {
        let Some(key) = self.key(numbers)? else { return self.blocks(numbers, found).map(|_| ()) };
        if let Some(joined) = self.node.joined_logs.get(&key) {
            return found.push(Piece::Joined(joined));
        }
        let mark = found.mark();
        // After a reorganisation what the scan found and what the hash stands for may be of different chains.
        if self.blocks(numbers, found)?
            && self.node.storage().departures() == self.departures
            && let Some(joined) = found.join(&mark)
        {
            self.node.joined_logs.insert(key, joined);
        }
        Ok(())
    }

    /// What the span's logs are kept by, if it is worth it.
    fn key(&self, numbers: &[u64]) -> Result<Option<JoinedKey>, RpcError> {
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(None) };
        if numbers.len() < JOIN_FROM {
            return Ok(None);
        }
        let query = *self.digest.get_or_init(|| self.query.digest());
        let last = self.node.storage().canonical_hash(*last)?;
        Ok(last.map(|last| JoinedKey { query, first: *first, last }))
    }

    /// Whether all of them were there.
    fn blocks(&self, numbers: &[u64], found: &mut Found) -> Result<bool, RpcError> {
        // A block that a reorganisation takes away while we walk has no logs any more.
        let hashes = self.node.storage().canonical_hashes(numbers)?;
        let mut complete = hashes.len() == numbers.len();
        for hashes in hashes.chunks(BETWEEN_CLOCKS) {
            self.check_time()?;
            for hash in hashes {
                complete &= self.node.search_block(hash, self.query, found)?;
            }
        }
        Ok(complete)
    }
}
