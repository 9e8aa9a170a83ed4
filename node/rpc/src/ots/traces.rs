//! What happens inside a transaction, from its call frames.

use crate::{
    RpcError,
    block_id::BlockView,
    context::{Json, Node, json},
    debug::{parent_state, trace_error},
};
use alloy_rpc_types_trace::geth::{CallFrame, GethDebugBuiltInTracerType, GethDebugTracingOptions, GethTrace};
use atoll_executor::{is_precompile, trace_block, trace_transaction};
use atoll_primitives::{Address, B256, Bytes, U256};
use serde::Serialize;

/// How the frames of a failed call word that it reverted (geth).
const REVERTED: &str = "execution reverted";

/// An ether transfer or a creation or destruction of a contract within a transaction.
#[derive(Debug, Serialize)]
struct InternalOperation {
    /// Transfer 0, self-destruct 1, create 2, create2 3.
    #[serde(rename = "type")]
    kind: u8,
    from: Address,
    to: Address,
    value: U256,
}

/// One entry of the call tree, which is told in the order of execution.
#[derive(Debug, Serialize)]
struct TraceEntry<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    depth: usize,
    from: Address,
    to: Address,
    /// `null` for calls that cannot carry any.
    value: Option<U256>,
    input: Bytes,
    output: Bytes,
}

/// A frame and those in it, in the order of execution, with their depths. Frames nest a thousand deep: no recursion.
fn walk(root: &CallFrame) -> impl Iterator<Item = (usize, &CallFrame)> {
    let mut stack = vec![(0, root)];
    std::iter::from_fn(move || {
        let (depth, frame) = stack.pop()?;
        stack.extend(frame.calls.iter().rev().map(|inner| (depth + 1, inner)));
        Some((depth, frame))
    })
}

fn operation(frame: &CallFrame) -> Option<InternalOperation> {
    let value = frame.value.unwrap_or_default();
    let kind = match frame.typ.as_str() {
        "CALL" if !value.is_zero() => 0,
        "SELFDESTRUCT" => 1,
        "CREATE" => 2,
        "CREATE2" => 3,
        _ => return None,
    };
    Some(InternalOperation { kind, from: frame.from, to: frame.to.unwrap_or_default(), value })
}

fn options() -> GethDebugTracingOptions {
    GethDebugTracingOptions { tracer: Some(GethDebugBuiltInTracerType::CallTracer.into()), ..Default::default() }
}

fn frame(trace: GethTrace) -> Result<CallFrame, RpcError> {
    match trace {
        GethTrace::CallTracer(frame) => Ok(frame),
        _ => Err(RpcError::Internal("the call tracer answered in another form")),
    }
}

impl Node {
    /// The block and the call frames of a transaction that is on the chain.
    fn frames_of(&self, hash: &B256) -> Result<(BlockView, CallFrame), RpcError> {
        let (view, index) = self.locate(hash)?.ok_or(RpcError::TransactionNotFound)?;
        let db = parent_state(self, &view.block)?;
        let trace = trace_transaction(&self.spec, db, &view.block, index, &options(), Some(self.deadline()));
        let frame = frame(trace.map_err(|error| trace_error(self, error))?)?;
        Ok((view, frame))
    }

    /// The call frames of a block's transactions, with their hashes.
    pub(super) fn block_frames(&self, view: &BlockView) -> Result<Vec<(B256, CallFrame)>, RpcError> {
        let db = parent_state(self, &view.block)?;
        let traces = trace_block(&self.spec, db, &view.block, &options(), Some(self.deadline()));
        let traces = traces.map_err(|error| trace_error(self, error))?;
        traces.into_iter().map(|tx| Ok((tx.hash, frame(tx.trace)?))).collect()
    }

    pub(super) fn internal_operations(&self, hash: &B256) -> Result<Json, RpcError> {
        let (_, root) = self.frames_of(hash)?;
        let inner = walk(&root).filter(|(depth, _)| *depth > 0);
        json(&inner.filter_map(|(_, frame)| operation(frame)).collect::<Vec<_>>())
    }

    /// What a transaction reverted with; empty if it did not.
    pub(super) fn transaction_error(&self, hash: &B256) -> Result<Bytes, RpcError> {
        let (_, root) = self.frames_of(hash)?;
        let reverted = root.error.as_deref() == Some(REVERTED);
        Ok(root.output.filter(|_| reverted).unwrap_or_default())
    }

    pub(super) fn ots_trace(&self, hash: &B256) -> Result<Json, RpcError> {
        let (view, root) = self.frames_of(hash)?;
        let precompile = |frame: &CallFrame| {
            frame.to.is_some_and(|to| is_precompile(&self.spec, view.block.header(), &to)) && frame.calls.is_empty()
        };
        // A transaction to a precompile is a transaction nevertheless.
        let shown = walk(&root).filter(|(depth, frame)| *depth == 0 || !precompile(frame));
        json(&shown.map(|(depth, frame)| entry(depth, frame)).collect::<Vec<_>>())
    }
}

fn entry(depth: usize, frame: &CallFrame) -> TraceEntry<'_> {
    let carries = !matches!(frame.typ.as_str(), "STATICCALL" | "DELEGATECALL");
    let destroyed = frame.typ == "SELFDESTRUCT";
    TraceEntry {
        kind: &frame.typ,
        depth,
        from: frame.from,
        to: frame.to.unwrap_or_default(),
        value: carries.then(|| frame.value.unwrap_or_default()),
        input: if destroyed { Bytes::new() } else { frame.input.clone() },
        output: frame.output.clone().unwrap_or_default(),
    }
}

/// The frame that created a contract, if any of these did.
pub(super) fn creation<'a>(root: &'a CallFrame, address: &Address) -> Option<&'a CallFrame> {
    let creates = |frame: &CallFrame| matches!(frame.typ.as_str(), "CREATE" | "CREATE2") && frame.error.is_none();
    walk(root).map(|(_, frame)| frame).filter(|frame| creates(frame) && frame.to == Some(*address)).last()
}
