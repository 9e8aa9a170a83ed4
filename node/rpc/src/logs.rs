//! What logs a client wants, and `eth_getLogs`: ask the storage which blocks may match, render what does.

use crate::{
    RpcError,
    context::{Json, Node, json},
    render::LogJson,
};
use alloy_rpc_types_eth::{BlockNumberOrTag, Filter, FilterBlockOption, Log};
use atoll_primitives::B256;
use atoll_storage::{BlockLogs, LogQuery, SearchedBlock};
use quick_cache::{Weighter, sync::Cache};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;
use std::{sync::Arc, time::Instant};

/// Values one position of a filter may list (geth: 1000 addresses and topics).
const MAX_VALUES: usize = 1000;
/// Blocks asked of the index at a time; between two times the clock and the number of results are looked at.
const STEP: usize = 256;
/// Blocks searched between two looks at the clock.
const BETWEEN_CLOCKS: usize = 16;

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

/// The logs of a block, each with its text.
pub(crate) struct Rendered {
    logs: Arc<BlockLogs>,
    texts: Vec<Json>,
}

/// Weighs by the text; the logs themselves take less.
#[derive(Clone)]
pub(crate) struct ByText;

impl Weighter<B256, Arc<Rendered>> for ByText {
    fn weight(&self, _: &B256, block: &Arc<Rendered>) -> u64 {
        block.texts.iter().map(|text| text.get().len() as u64 * 2 + 64).sum::<u64>() + 192
    }
}

/// By the block's hash: a log of a block never changes its place or its text.
pub(crate) type RenderedLogs = Cache<B256, Arc<Rendered>, ByText>;

/// Bytes of rendered logs that are kept; at the bound those not asked for long leave.
const RENDERED_BYTES: u64 = 16 << 20;

pub(crate) fn rendered_logs() -> RenderedLogs {
    Cache::with_weighter(8192, RENDERED_BYTES, ByText)
}

/// A log that a query found, as text.
enum Piece {
    /// By its place among the logs of a block that is kept.
    Kept(Arc<Rendered>, usize),
    Own(Json),
}

impl Piece {
    fn text(&self) -> &str {
        match self {
            Self::Kept(block, index) => block.texts.get(*index).map_or("", |text| text.get()),
            Self::Own(text) => text.get(),
        }
    }
}

/// What a query has found so far. It becomes text at the end, when its length is known: long answers are copied once, into their
/// place.
struct Found {
    pieces: Vec<Piece>,
    bytes: usize,
    limit: usize,
    /// Bytes an answer may have: beyond them nothing more is put together.
    max_bytes: usize,
}

impl Found {
    fn new(limit: usize, max_bytes: usize) -> Self {
        Self { pieces: Vec::new(), bytes: 2, limit, max_bytes }
    }

    fn push(&mut self, log: Piece) -> Result<(), RpcError> {
        if self.pieces.len() == self.limit {
            return Err(RpcError::TooManyResults { limit: self.limit });
        }
        self.bytes += log.text().len() + 1;
        if self.bytes > self.max_bytes {
            return Err(RpcError::ResponseTooLarge { limit: self.max_bytes });
        }
        self.pieces.push(log);
        Ok(())
    }

    fn push_kept(&mut self, block: &Arc<Rendered>, query: &LogQuery) -> Result<(), RpcError> {
        let logs = block.logs.logs.iter().enumerate();
        let mut wanted = logs.filter(|(_, found)| query.matches(&found.log.address, found.log.topics()));
        wanted.try_for_each(|(index, _)| self.push(Piece::Kept(Arc::clone(block), index)))
    }

    /// As a list, between these texts.
    fn between(self, before: &str, after: &str) -> String {
        let mut text = String::with_capacity(before.len() + self.bytes + after.len());
        text.push_str(before);
        text.push('[');
        for (index, piece) in self.pieces.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(piece.text());
        }
        text.push(']');
        text.push_str(after);
        text
    }
}

impl Node {
    /// [`Node::logs_text`] for whoever needs it checked.
    pub(crate) fn logs_json(&self, filter: &LogFilter) -> Result<Json, RpcError> {
        let text = self.logs_text(filter, "", "")?;
        RawValue::from_string(text).map_err(|_| RpcError::Internal("an answer could not be rendered"))
    }

    /// Logs that match, in order, rendered as a list between these texts.
    pub(crate) fn logs_text(&self, filter: &LogFilter, before: &str, after: &str) -> Result<String, RpcError> {
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
        let deadline = self.deadline();
        let timeout = || RpcError::Timeout { after: self.config.call_timeout };
        let mut scan = self.storage().scan_logs(query, from..=to);
        while let Some(numbers) = scan.next_blocks(STEP, deadline)? {
            // A block that a reorganisation takes away while we walk has no logs any more.
            for hashes in self.storage().canonical_hashes(&numbers)?.chunks(BETWEEN_CLOCKS) {
                if Instant::now() >= deadline {
                    return Err(timeout());
                }
                hashes.iter().try_for_each(|hash| self.search_block(hash, query, found))?;
            }
        }
        Ok(())
    }

    fn search_block(&self, hash: &B256, query: &LogQuery, found: &mut Found) -> Result<(), RpcError> {
        if let Some(block) = self.rendered_logs.get(hash) {
            return found.push_kept(&block, query);
        }
        match self.storage().search_block(hash, query)? {
            None => Ok(()),
            Some(SearchedBlock::Wanted(block)) => {
                LogJson::of(&block).try_for_each(|log| found.push(Piece::Own(json(&log)?)))
            }
            Some(SearchedBlock::All(logs)) => {
                let texts = LogJson::of(&logs).map(|log| json(&log)).collect::<Result<_, _>>()?;
                let block = Arc::new(Rendered { logs, texts });
                self.rendered_logs.insert(*hash, Arc::clone(&block));
                found.push_kept(&block, query)
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_put_together_beyond_what_an_answer_may_be() {
        let log = |number: u64| Piece::Own(json(&number).unwrap());
        let mut found = Found::new(3, 12);
        found.push(log(1234)).unwrap();
        found.push(log(5678)).unwrap();
        assert!(matches!(found.push(log(9)), Err(RpcError::ResponseTooLarge { limit: 12 })));
        let mut found = Found::new(1, 100);
        found.push(log(1)).unwrap();
        assert!(matches!(found.push(log(2)), Err(RpcError::TooManyResults { limit: 1 })));
        assert_eq!(found.between("", ""), "[1]");
        let mut found = Found::new(2, 100);
        found.push(log(1)).unwrap();
        found.push(log(2)).unwrap();
        assert_eq!(found.between("{", "}"), "{[1,2]}");
    }
}
