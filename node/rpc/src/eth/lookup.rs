//! Transactions and receipts by hash or place, in the canonical chain or the pool.

use crate::{
    RpcError,
    block_id::BlockView,
    context::{Json, Node, json},
    render::{Placement, ReceiptJson, TransactionJson, receipt},
};
use alloy_rpc_types_eth::BlockId;
use atoll_primitives::{Address, B256, Bytes, eip2718::Encodable2718 as _};

impl Node {
    /// A canonical transaction's block and position.
    pub(crate) fn locate(&self, hash: &B256) -> Result<Option<(BlockView, usize)>, RpcError> {
        let Some(location) = self.storage().transaction_location(hash)? else { return Ok(None) };
        Ok(self.block_by_hash(&location.block_hash)?.map(|view| (view, location.index as usize)))
    }

    pub(super) fn transaction_json(&self, hash: &B256) -> Result<Json, RpcError> {
        if let Some((view, index)) = self.locate(hash)? {
            return json(&in_block(&view, index));
        }
        match self.pool.get(hash) {
            Some(tx) => json(&TransactionJson::new(&tx.transaction(), tx.sender, None)),
            None => json(&()),
        }
    }

    pub(super) fn transaction_at_json(&self, id: BlockId, index: usize) -> Result<Json, RpcError> {
        let view = self.block(id)?;
        json(&view.as_ref().and_then(|view| in_block(view, index)))
    }

    /// A sender's transaction by its nonce: from the pool, or mined.
    pub(super) fn transaction_of_json(&self, sender: &Address, nonce: u64) -> Result<Json, RpcError> {
        let content = self.pool.content_from(sender);
        let lists = [content.pending.get(sender), content.queued.get(sender)];
        match lists.into_iter().flatten().find_map(|list| list.get(&nonce)) {
            Some(tx) => json(&TransactionJson::new(&tx.transaction(), tx.sender, None)),
            None => match self.by_sender_and_nonce(sender, nonce)? {
                Some(hash) => self.transaction_json(&hash),
                None => json(&()),
            },
        }
    }

    /// Transactions in the pool that this node can sign for (geth's `eth_pendingTransactions`).
    pub(super) fn own_transactions_json(&self) -> Result<Json, RpcError> {
        let content: Vec<_> = self.accounts.addresses().iter().map(|own| self.pool.content_from(own)).collect();
        let lists = content.iter().flat_map(|content| content.pending.values());
        let own: Vec<_> = lists.flat_map(|list| list.values()).map(|tx| (tx.transaction(), tx.sender)).collect();
        json(&own.iter().map(|(tx, from)| TransactionJson::new(tx, *from, None)).collect::<Vec<_>>())
    }

    pub(crate) fn raw_transaction(&self, hash: &B256) -> Result<Option<Bytes>, RpcError> {
        if let Some((view, index)) = self.locate(hash)? {
            return Ok(raw(&view, index));
        }
        Ok(self.pool.get(hash).map(|tx| tx.tx.encoded_2718().into()))
    }

    pub(super) fn raw_transaction_at(&self, id: BlockId, index: usize) -> Result<Option<Bytes>, RpcError> {
        Ok(self.block(id)?.and_then(|view| raw(&view, index)))
    }

    pub(super) fn receipt(&self, hash: &B256) -> Result<Option<ReceiptJson>, RpcError> {
        Ok(self.locate(hash)?.and_then(|(view, index)| receipt(&self.spec, &view, index)))
    }
}

fn in_block(view: &BlockView, index: usize) -> Option<TransactionJson<'_>> {
    let (transaction, from) = view.block.transactions().nth(index)?;
    let hash = (!view.pending).then_some(view.block.hash);
    Some(TransactionJson::new(transaction, from, Some(Placement { hash, header: view.block.header(), index })))
}

fn raw(view: &BlockView, index: usize) -> Option<Bytes> {
    Some(view.block.block.body.transactions.get(index)?.encoded_2718().into())
}
