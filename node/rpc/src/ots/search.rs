//! The transactions of an address, page by page, from the index.

use crate::{
    RpcError,
    context::{Json, Node, json},
    params::Number,
    render::{Placement, ReceiptJson, TransactionJson, receipt},
};
use atoll_chain::{AddressPage, Direction};
use atoll_primitives::Address;
use serde::Serialize;
use serde_json::value::RawValue;

/// The newest transaction first; each with its receipt at the same place.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    txs: Vec<Box<RawValue>>,
    receipts: Vec<TimedReceipt>,
    first_page: bool,
    last_page: bool,
}

/// A receipt with the time of its block, in seconds since 1970.
#[derive(Serialize)]
struct TimedReceipt {
    #[serde(flatten)]
    receipt: ReceiptJson,
    timestamp: u64,
}

impl Node {
    /// Pages larger than this are refused: each entry is a transaction with its receipt.
    pub(super) fn check_page(&self, size: usize) -> Result<(), RpcError> {
        let limit = self.config.ots_page_limit;
        if size > limit { Err(RpcError::PageTooLarge { size, limit }) } else { Ok(()) }
    }

    /// Block 0 stands for the end from which to search: the newest block, or the first.
    pub(super) fn search_transactions(
        &self,
        address: &Address,
        direction: Direction,
        block: Number,
        page_size: usize,
    ) -> Result<Json, RpcError> {
        self.check_page(page_size)?;
        let index = self.chain.addresses().ok_or(RpcError::NoAddressIndex)?;
        let from = Some(block.0).filter(|block| *block > 0);
        let found = index.search(address, direction, from, page_size, self.deadline())?;
        // The pages are told in descending order: the first one is the newest.
        let (at_end, ended) = (from.is_none(), !found.more);
        let (first_page, last_page) = match direction {
            Direction::Before => (at_end, ended),
            Direction::After => (ended, at_end),
        };
        let (txs, receipts) = self.rendered_page(&found)?;
        json(&Page { txs, receipts, first_page, last_page })
    }

    fn rendered_page(&self, found: &AddressPage) -> Result<(Vec<Json>, Vec<TimedReceipt>), RpcError> {
        let (mut txs, mut receipts) = (Vec::new(), Vec::new());
        for places in found.places.chunk_by(|a, b| a.block == b.block) {
            let number = places.first().map_or(0, |place| place.block);
            // A block that a reorganisation took away meanwhile has no transactions any more.
            let Some(hash) = self.storage().canonical_hash(number)? else { continue };
            let Some(view) = self.block_by_hash(&hash)? else { continue };
            for place in places {
                let index = place.index as usize;
                let Some((tx, from)) = view.block.transactions().nth(index) else { continue };
                let Some(receipt) = receipt(&self.spec, &view, index) else { continue };
                let placement = Placement { hash: Some(hash), header: view.block.header(), index };
                txs.push(json(&TransactionJson::new(tx, from, Some(placement)))?);
                receipts.push(TimedReceipt { receipt, timestamp: view.block.header().timestamp });
            }
        }
        Ok((txs, receipts))
    }
}
