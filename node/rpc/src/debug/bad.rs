//! Blocks that the chain refused, and their traces.

use super::trace::entries;
use crate::{
    RpcError,
    block_id::BlockView,
    context::{Json, Node, json},
    render::BlockJson,
};
use atoll_executor::TraceOptions;
use atoll_primitives::{Address, B256, Block, Bytes, RecoveredBlock, SignerRecoverable as _};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct BadBlockJson<'a> {
    hash: B256,
    block: BlockJson<'a>,
    rlp: Bytes,
}

/// With the senders there are: a signature may be what is wrong with the block. geth shows no sender as zero.
fn shown(hash: B256, block: &Block) -> BlockView {
    let sender = |tx: &atoll_primitives::Transaction| tx.recover_signer_unchecked().unwrap_or(Address::ZERO);
    let senders = block.body.transactions.iter().map(sender).collect();
    let block = RecoveredBlock { hash, block: block.clone(), senders };
    BlockView { block: Arc::new(block), receipts: Arc::default(), pending: false }
}

impl Node {
    /// The blocks that were refused last, the newest first.
    pub(super) fn bad_blocks(&self) -> Result<Json, RpcError> {
        let blocks = self.chain.bad_blocks();
        let views: Vec<BlockView> = blocks.iter().map(|bad| shown(bad.hash, &bad.block)).collect();
        let shown = views.iter().map(|view| BadBlockJson {
            hash: view.block.hash,
            block: BlockJson::new(view, true),
            rlp: alloy_rlp::encode(&view.block.block).into(),
        });
        json(&shown.collect::<Vec<_>>())
    }

    /// Traces of the transactions of a refused block, as far as they can run.
    pub(super) fn trace_bad_block(&self, hash: B256, options: &TraceOptions) -> Result<Json, RpcError> {
        let bad = self.chain.bad_blocks().into_iter().find(|bad| bad.hash == hash);
        let block = Block::clone(&bad.ok_or(RpcError::BadBlockNotFound { hash })?.block);
        let invalid = |reason: String| RpcError::InvalidArgument { index: 0, reason };
        let block = RecoveredBlock::recover(block).map_err(|error| invalid(error.to_string()))?;
        json(&entries(&self.traces_of(&block, options)?))
    }
}
