//! Blocks as Otterscan shows them: without what it does not, with issuance and fees. A block that does not exist is
//! `null`.

use crate::{
    RpcError,
    block_id::BlockView,
    context::{Json, Node, json},
    render::{BlockJson, Placement, TransactionJson, receipts},
};
use alloy_rpc_types_eth::BlockId;
use atoll_primitives::{Address, Bytes, TransactionExt as _, U256};
use serde::Serialize;
use serde_json::{Value, json as value};

/// Bytes of the call data that name the method called.
const SELECTOR: usize = 4;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Issuance {
    block_reward: U256,
    uncle_reward: U256,
    issuance: U256,
}

fn rendered(view: &impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(view).map_err(|_| RpcError::Internal("an answer could not be rendered"))
}

/// Takes out the bloom, which nobody looks at, and puts the number of transactions in.
fn slim(view: &BlockView) -> Result<Value, RpcError> {
    let mut block = rendered(&BlockJson::new(view, false))?;
    block["logsBloom"] = Value::Null;
    block["transactionCount"] = view.block.block.body.transactions.len().into();
    Ok(block)
}

impl Node {
    pub(super) fn block_details(&self, id: BlockId) -> Result<Json, RpcError> {
        let Some(view) = self.block(id)? else { return json(&()) };
        let mut block = slim(&view)?;
        if let Some(fields) = block.as_object_mut() {
            fields.remove("transactions");
        }
        json(&value!({ "block": block, "issuance": self.issuance(&view), "totalFees": total_fees(&view) }))
    }

    /// What the block brings into the world: nothing after the merge.
    fn issuance(&self, view: &BlockView) -> Issuance {
        let block = &view.block.block;
        let mut rewards = self.chain.engine().rewards(&block.header, &block.body.ommers);
        // The engine pays the ommers first and the block's own beneficiary last.
        let block_reward = rewards.pop().map_or(U256::ZERO, |(_, amount)| amount);
        let uncle_reward = rewards.iter().map(|(_, amount): &(Address, U256)| *amount).sum();
        Issuance { block_reward, uncle_reward, issuance: block_reward + uncle_reward }
    }

    /// A page of a block's transactions, counted from the last one, and their receipts.
    pub(super) fn block_transactions(&self, id: BlockId, page: usize, page_size: usize) -> Result<Json, RpcError> {
        self.check_page(page_size)?;
        let Some(view) = self.block(id)? else { return json(&()) };
        let count = view.block.block.body.transactions.len();
        let end = count.saturating_sub(page.saturating_mul(page_size));
        let shown = end.saturating_sub(page_size)..end;
        let mut block = slim(&view)?;
        let hash = (!view.pending).then_some(view.block.hash);
        let mut transactions = Vec::with_capacity(shown.len());
        for index in shown.clone() {
            let Some((transaction, from)) = view.block.transactions().nth(index) else { break };
            let place = Placement { hash, header: view.block.header(), index };
            let mut shown = rendered(&TransactionJson::new(transaction, from, Some(place)))?;
            let input = transaction.input();
            shown["input"] = rendered(&Bytes::copy_from_slice(&input[..input.len().min(SELECTOR)]))?;
            transactions.push(shown);
        }
        block["transactions"] = transactions.into();
        let mut slim_receipts = Vec::with_capacity(shown.len());
        for receipt in receipts(&self.spec, &view).get(shown).unwrap_or_default() {
            let mut receipt = rendered(receipt)?;
            (receipt["logs"], receipt["logsBloom"]) = (Value::Null, Value::Null);
            slim_receipts.push(receipt);
        }
        json(&value!({ "fullblock": block, "receipts": slim_receipts }))
    }
}

/// What the senders paid for gas, the part that was burnt included.
fn total_fees(view: &BlockView) -> U256 {
    let base_fee = view.block.header().base_fee_per_gas;
    let mut before = 0;
    let transactions = view.block.block.body.transactions.iter().zip(view.receipts.iter());
    let fee = |(tx, receipt): (&atoll_primitives::Transaction, &atoll_primitives::Receipt)| {
        let gas = receipt.cumulative_gas_used().saturating_sub(before);
        before = receipt.cumulative_gas_used();
        U256::from(gas) * U256::from(tx.effective_gas_price(base_fee))
    };
    transactions.map(fee).sum()
}
