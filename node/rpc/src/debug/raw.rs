//! Blocks and their parts in their binary encodings.

use crate::{RpcError, block_id::BlockView, context::Node};
use alloy_rlp::Encodable as _;
use alloy_rpc_types_eth::BlockId;
use atoll_primitives::{Bytes, eip2718::Encodable2718 as _};

impl Node {
    /// A block that must exist.
    pub(crate) fn existing_block(&self, id: BlockId) -> Result<BlockView, RpcError> {
        self.block(id)?.ok_or(RpcError::UnknownBlock)
    }

    pub(super) fn raw_header(&self, id: BlockId) -> Result<Bytes, RpcError> {
        Ok(alloy_rlp::encode(self.existing_block(id)?.block.header()).into())
    }

    pub(super) fn raw_block(&self, id: BlockId) -> Result<Bytes, RpcError> {
        let view = self.existing_block(id)?;
        let mut out = Vec::with_capacity(view.block.block.length());
        view.block.block.encode(&mut out);
        Ok(out.into())
    }

    pub(super) fn raw_receipts(&self, id: BlockId) -> Result<Vec<Bytes>, RpcError> {
        let view = self.existing_block(id)?;
        Ok(view.receipts.iter().map(|receipt| receipt.encoded_2718().into()).collect())
    }
}
