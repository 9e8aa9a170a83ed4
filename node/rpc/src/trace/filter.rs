//! `trace_filter`: the traces of a range of blocks that concern some addresses.

use crate::{
    RpcError,
    context::{Json, Node, json},
};
use alloy_rpc_types_eth::BlockNumberOrTag;
use alloy_rpc_types_trace::{filter::TraceFilter, parity::LocalizedTransactionTrace};
use atoll_executor::TraceLimits;

impl Node {
    /// From the first to the last block, the newest when not said, until `count` traces are found. Every block is run
    /// again, so the span is limited, and the time and size of the whole as those of one trace.
    pub(super) fn parity_filter(&self, filter: &TraceFilter) -> Result<Json, RpcError> {
        let head = self.head().number;
        let (from, to) = (filter.from_block.unwrap_or_default(), filter.to_block.unwrap_or(head));
        if from > to {
            return Err(RpcError::InvalidBlockRange { from, to });
        }
        if to > head {
            return Err(RpcError::RangeBeyondHead);
        }
        let (span, limit) = (to - from + 1, self.config.trace_filter_range);
        if span > limit {
            return Err(RpcError::RangeTooLarge { span, limit });
        }
        json(&self.matching_traces(filter, from, to)?)
    }

    fn matching_traces(
        &self,
        filter: &TraceFilter,
        from: u64,
        to: u64,
    ) -> Result<Vec<LocalizedTransactionTrace>, RpcError> {
        let matcher = filter.matcher();
        let mut to_skip = filter.after.unwrap_or_default();
        let wanted = filter.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let limits = self.parity_limits()?;
        let (mut found, mut found_bytes) = (Vec::new(), 0);
        for number in from..=to {
            if found.len() >= wanted {
                break;
            }
            let Some(view) = self.block(BlockNumberOrTag::Number(number).into())? else { break };
            let left = limits.max_bytes.map(|bytes| bytes.saturating_sub(found_bytes));
            let traces = self.parity_traces_of(&view.block, TraceLimits { max_bytes: left, ..limits })?;
            for trace in traces.into_iter().filter(|trace| matcher.matches(&trace.trace)) {
                if to_skip > 0 {
                    to_skip -= 1;
                    continue;
                }
                if found.len() >= wanted {
                    break;
                }
                found_bytes += size(&trace);
                found.push(trace);
            }
        }
        Ok(found)
    }
}

/// Bytes of a trace's JSON, about.
fn size(trace: &LocalizedTransactionTrace) -> usize {
    use alloy_rpc_types_trace::parity::{Action, TraceOutput};
    let action = match &trace.trace.action {
        Action::Call(call) => call.input.len(),
        Action::Create(create) => create.init.len(),
        Action::Selfdestruct(_) | Action::Reward(_) => 0,
    };
    let output = match &trace.trace.result {
        Some(TraceOutput::Call(call)) => call.output.len(),
        Some(TraceOutput::Create(create)) => create.code.len(),
        None => 0,
    };
    600 + 2 * (action + output)
}
