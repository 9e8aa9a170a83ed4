//! Questions about one account's past, answered by halving the chain: its history is read at a block, not walked.

use super::traces::creation;
use crate::{
    RpcError,
    context::{Json, Node, json},
};
use atoll_primitives::{Account, Address, B256, TransactionExt as _};
use serde::Serialize;

/// Who created a contract, and in which transaction.
#[derive(Serialize)]
struct ContractCreator {
    hash: B256,
    creator: Address,
}

impl Node {
    fn account_at(&self, number: u64, address: &Address) -> Result<Option<Account>, RpcError> {
        self.state(Some(number.into()))?.account(address)
    }

    /// The first block after which `holds` is true of an account, if it is true of the newest; it must not become false
    /// again in between, or the block found is one of several.
    fn first_block(&self, address: &Address, holds: impl Fn(Option<Account>) -> bool) -> Result<Option<u64>, RpcError> {
        let mut end = self.head().number;
        if !holds(self.account_at(end, address)?) {
            return Ok(None);
        }
        let mut start = 0;
        while start < end {
            let middle = start + (end - start) / 2;
            if holds(self.account_at(middle, address)?) {
                end = middle;
            } else {
                start = middle + 1;
            }
        }
        Ok(Some(end))
    }

    /// The hash of a sender's mined transaction.
    pub(crate) fn by_sender_and_nonce(&self, sender: &Address, nonce: u64) -> Result<Option<B256>, RpcError> {
        let used = |account: Option<Account>| account.is_some_and(|account| account.nonce > nonce);
        let Some(number) = self.first_block(sender, used)? else { return Ok(None) };
        let Some(view) = self.block(number.into())? else { return Ok(None) };
        let found = view.block.transactions().find(|&(tx, from)| from == *sender && tx.nonce() == nonce);
        Ok(found.map(|(tx, _)| *tx.tx_hash()))
    }

    /// `null` for accounts without code and for contracts of the genesis file.
    pub(super) fn contract_creator(&self, address: &Address) -> Result<Json, RpcError> {
        let created = |account: Option<Account>| account.is_some_and(|account| account.has_code());
        let Some(number) = self.first_block(address, created)?.filter(|number| *number > 0) else { return json(&()) };
        let Some(view) = self.block(number.into())? else { return json(&()) };
        // Mostly a transaction that says so; else the frames of all of them tell.
        let mut transactions = view.block.transactions();
        let deployed = transactions.find(|&(tx, from)| tx.to().is_none() && from.create(tx.nonce()) == *address);
        if let Some((tx, creator)) = deployed {
            return json(&ContractCreator { hash: *tx.tx_hash(), creator });
        }
        let found = self
            .block_frames(&view)?
            .into_iter()
            .find_map(|(hash, frames)| Some(ContractCreator { hash, creator: creation(&frames, address)?.from }));
        json(&found)
    }
}
