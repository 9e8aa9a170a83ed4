//! `eth_getLogs`: walk the canonical blocks of a range, skip those whose bloom rules them out, match the rest.

use crate::{RpcError, context::Node, render::block_logs};
use alloy_rpc_types_eth::{BlockNumberOrTag, Filter, FilterBlockOption, Log};
use atoll_primitives::B256;
use std::time::Instant;

/// Values one position of a filter may list (geth: 1000 addresses and topics).
const MAX_VALUES: usize = 1000;

/// Refuses filters whose matching would be expensive for every log.
pub(crate) fn check_size(filter: &Filter) -> Result<(), RpcError> {
    let topics: usize = filter.topics.iter().map(|position| position.len()).sum();
    if filter.address.len() > MAX_VALUES || topics > MAX_VALUES {
        let reason = format!("more than {MAX_VALUES} addresses or topics");
        return Err(RpcError::InvalidArgument { index: 0, reason });
    }
    Ok(())
}

impl Node {
    /// Logs that match, in order.
    pub(crate) fn logs(&self, filter: &Filter) -> Result<Vec<Log>, RpcError> {
        check_size(filter)?;
        let deadline = self.deadline();
        let mut found = Vec::new();
        match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                if self.storage().number(&hash)?.is_none() {
                    return Err(RpcError::UnknownBlock);
                }
                self.logs_of(&hash, filter, &mut found)?;
            }
            FilterBlockOption::Range { from_block, to_block } => {
                let (from, to) = self.log_range(from_block, to_block)?;
                for number in from..=to {
                    self.logs_at(number, filter, deadline, &mut found)?;
                }
            }
        }
        Ok(found)
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

    fn logs_at(&self, number: u64, filter: &Filter, deadline: Instant, found: &mut Vec<Log>) -> Result<(), RpcError> {
        if Instant::now() >= deadline {
            return Err(RpcError::Timeout { after: self.config.call_timeout });
        }
        // A block that a reorganisation takes away while we walk has no logs any more.
        let Some(header) = self.storage().header_by_number(number)? else { return Ok(()) };
        if !filter.matches_bloom(header.logs_bloom) {
            return Ok(());
        }
        let Some(hash) = self.storage().canonical_hash(number)? else { return Ok(()) };
        self.logs_of(&hash, filter, found)
    }

    fn logs_of(&self, hash: &B256, filter: &Filter, found: &mut Vec<Log>) -> Result<(), RpcError> {
        let Some(view) = self.block_by_hash(hash)? else { return Ok(()) };
        found.extend(block_logs(&view.block, &view.receipts, false).filter(|log| filter.matches(&log.inner)));
        let limit = self.config.log_result_limit;
        if found.len() > limit { Err(RpcError::TooManyResults { limit }) } else { Ok(()) }
    }
}
