//! Blocks, headers, uncles and the receipts of a block.

use crate::{
    RpcError,
    context::{Json, Node, json},
    render::{BlockJson, HeaderJson, ReceiptJson, UncleJson, receipts},
};
use alloy_rpc_types_eth::BlockId;
use atoll_primitives::U64;

impl Node {
    pub(super) fn block_json(&self, id: BlockId, full: bool) -> Result<Json, RpcError> {
        let view = self.block(id)?;
        json(&view.as_ref().map(|view| BlockJson::new(view, full)))
    }

    pub(super) fn header_json(&self, id: BlockId) -> Result<Json, RpcError> {
        let view = self.block(id)?;
        let header = view.as_ref().map(|view| {
            let hash = (!view.pending).then_some(view.block.hash);
            HeaderJson { hash, header: view.block.header() }
        });
        json(&header)
    }

    pub(super) fn block_transaction_count(&self, id: BlockId) -> Result<Option<U64>, RpcError> {
        Ok(self.block(id)?.map(|view| U64::from(view.block.senders.len())))
    }

    pub(super) fn uncle_count(&self, id: BlockId) -> Result<Option<U64>, RpcError> {
        Ok(self.block(id)?.map(|view| U64::from(view.block.block.body.ommers.len())))
    }

    pub(super) fn uncle_json(&self, id: BlockId, index: usize) -> Result<Json, RpcError> {
        let view = self.block(id)?;
        let ommer = view.as_ref().and_then(|view| view.block.block.body.ommers.get(index));
        json(&ommer.map(UncleJson::new))
    }

    pub(super) fn block_receipts(&self, id: BlockId) -> Result<Option<Vec<ReceiptJson>>, RpcError> {
        Ok(self.block(id)?.map(|view| receipts(&self.spec, &view)))
    }
}
