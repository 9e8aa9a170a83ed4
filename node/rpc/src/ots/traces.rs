//! What happens inside a transaction, from its call frames.

use crate::{
    RpcError,
    block_id::BlockView,
    context::{Json, Node, json},
    debug::trace_error,
};
use atoll_executor::{Frame, TraceOptions, trace_block_frames, trace_frames};
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

/// The frames with their depths, in the order of execution: a frame stands behind the one it was made in.
fn walk(frames: &[Frame]) -> impl Iterator<Item = (usize, &Frame)> {
    let mut depths: Vec<usize> = Vec::with_capacity(frames.len());
    frames.iter().map(move |frame| {
        let depth = frame.parent.and_then(|parent| depths.get(parent)).map_or(0, |depth| depth + 1);
        depths.push(depth);
        (depth, frame)
    })
}

fn operation(frame: &Frame) -> Option<InternalOperation> {
    let value = frame.value.unwrap_or_default();
    let kind = match frame.kind_name() {
        "CALL" if !value.is_zero() => 0,
        "SELFDESTRUCT" => 1,
        "CREATE" => 2,
        "CREATE2" => 3,
        _ => return None,
    };
    Some(InternalOperation { kind, from: frame.from, to: frame.to.unwrap_or_default(), value })
}

impl Node {
    /// The call frames of a transaction that is on the chain.
    fn frames_of(&self, hash: &B256) -> Result<Vec<Frame>, RpcError> {
        let (view, index) = self.locate(hash)?.ok_or(RpcError::TransactionNotFound)?;
        let limits = self.trace_limits(&TraceOptions::default())?;
        let db = self.parent_state(&view.block)?;
        let frames = trace_frames(&self.spec, db, &view.block, index, limits);
        frames.map_err(|error| trace_error(self, error))
    }

    /// The call frames of a block's transactions, with their hashes.
    pub(super) fn block_frames(&self, view: &BlockView) -> Result<Vec<(B256, Vec<Frame>)>, RpcError> {
        let limits = self.trace_limits(&TraceOptions::default())?;
        let db = self.parent_state(&view.block)?;
        let frames = trace_block_frames(&self.spec, db, &view.block, limits);
        let frames = frames.map_err(|error| trace_error(self, error))?;
        let hashes = view.block.block.body.transactions.iter().map(|tx| *tx.tx_hash());
        Ok(hashes.zip(frames).collect())
    }

    pub(super) fn internal_operations(&self, hash: &B256) -> Result<Json, RpcError> {
        let frames = self.frames_of(hash)?;
        json(&frames.iter().skip(1).filter_map(operation).collect::<Vec<_>>())
    }

    /// What a transaction reverted with; empty if it did not.
    pub(super) fn transaction_error(&self, hash: &B256) -> Result<Bytes, RpcError> {
        let frames = self.frames_of(hash)?;
        let reverted = frames.first().filter(|root| root.error.as_deref() == Some(REVERTED));
        Ok(reverted.map(|root| root.output.clone()).unwrap_or_default())
    }

    pub(super) fn ots_trace(&self, hash: &B256) -> Result<Json, RpcError> {
        let frames = self.frames_of(hash)?;
        // A transaction to a precompile is a transaction nevertheless.
        let shown = walk(&frames).filter(|(depth, frame)| *depth == 0 || !frame.precompile);
        json(&shown.map(|(depth, frame)| entry(depth, frame)).collect::<Vec<_>>())
    }
}

fn entry(depth: usize, frame: &Frame) -> TraceEntry<'_> {
    let kind = frame.kind_name();
    let carries = !matches!(kind, "STATICCALL" | "DELEGATECALL");
    let destroyed = kind == "SELFDESTRUCT";
    TraceEntry {
        kind,
        depth,
        from: frame.from,
        to: frame.to.unwrap_or_default(),
        value: carries.then(|| frame.value.unwrap_or_default()),
        input: if destroyed { Bytes::new() } else { frame.input.clone() },
        output: frame.output.clone(),
    }
}

/// The frame that created a contract, if any of these did.
pub(super) fn creation<'a>(frames: &'a [Frame], address: &Address) -> Option<&'a Frame> {
    let creates = |frame: &&Frame| frame.is_create() && frame.error.is_none();
    frames.iter().filter(creates).filter(|frame| frame.to == Some(*address)).last()
}
