//! The explorer's questions about the chain, asked of one node. Knows no index.

use super::{Answers, Call, RpcClient, RpcError};
use crate::model::{Block, Head, MAX_TRANSACTIONS, Receipt, Transaction};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;

/// Most receipts asked for in one request.
const RECEIPT_BATCH: usize = 64;

/// What a poll of a node tells.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Its newest block.
    pub head: Head,
    /// The rest.
    pub facts: NodeFacts,
}

/// What a node says beside its head; every part may be refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// EIP-155 chain ID.
    pub chain_id: Option<u64>,
    /// Network ID.
    pub network_id: Option<u64>,
    /// How many peers it has.
    pub peers: Option<u64>,
    /// What it would pay for gas, in wei.
    pub gas_price: Option<U256>,
    /// Pending transactions in its pool.
    pub pending: Option<u64>,
}

/// State of an account at a node's head.
#[derive(Debug, Clone)]
pub struct AccountState {
    /// In wei.
    pub balance: U256,
    /// Next nonce, or contracts created.
    pub nonce: u64,
    /// Code; empty for an account of a key.
    pub code: Bytes,
}

#[derive(Deserialize)]
struct PoolStatus {
    pending: U64,
}

fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

impl RpcClient {
    /// The hash of a node's genesis block.
    ///
    /// # Errors
    /// [`RpcError`] when it does not tell.
    pub async fn genesis(&self, url: &str) -> Result<B256, RpcError> {
        let answers = self.batch(url, &[("eth_getBlockByNumber", json!(["0x0", false]))]).await?;
        let head: Head = answers.need(0)?;
        if head.number != 0 {
            return Err(RpcError::OtherBlock { asked: 0, found: head.number });
        }
        Ok(head.hash)
    }

    /// A node's head and facts.
    ///
    /// # Errors
    /// [`RpcError`] when it does not tell its head.
    pub async fn probe(&self, url: &str) -> Result<Probe, RpcError> {
        let calls: [Call; 6] = [
            ("eth_getBlockByNumber", json!(["latest", false])),
            ("eth_chainId", json!([])),
            ("net_version", json!([])),
            ("net_peerCount", json!([])),
            ("eth_gasPrice", json!([])),
            ("txpool_status", json!([])),
        ];
        let answers = self.batch(url, &calls).await?;
        let number = |place| answers.get::<U64>(place).ok().flatten().map(|value| value.to());
        let facts = NodeFacts {
            chain_id: number(1),
            network_id: answers.get::<String>(2).ok().flatten().and_then(|id| id.parse().ok()),
            peers: number(3),
            gas_price: answers.get(4).ok().flatten(),
            pending: answers.get::<PoolStatus>(5).ok().flatten().map(|status| status.pending.to()),
        };
        Ok(Probe { head: answers.need(0)?, facts })
    }

    /// Blocks `from..=to` with transactions and receipts, each the parent of the next.
    ///
    /// # Errors
    /// [`RpcError`] when one is missing, is another, or does not follow.
    pub async fn blocks(&self, url: &str, from: u64, to: u64) -> Result<Vec<Block>, RpcError> {
        let calls: Vec<Call> =
            (from..=to).map(|number| ("eth_getBlockByNumber", json!([quantity(number), true]))).collect();
        let answers = self.batch(url, &calls).await?;
        let mut blocks: Vec<Block> = Vec::with_capacity(calls.len());
        for (place, asked) in (from..=to).enumerate() {
            let block: Block = answers.need(place)?;
            if block.number != asked {
                return Err(RpcError::OtherBlock { asked, found: block.number });
            }
            if blocks.last().is_some_and(|parent| parent.hash != block.parent_hash) {
                return Err(RpcError::Broken(asked));
            }
            if block.transactions.len() > MAX_TRANSACTIONS {
                return Err(RpcError::Oversized { number: asked, count: block.transactions.len() });
            }
            blocks.push(block);
        }
        self.add_receipts(url, &mut blocks).await?;
        blocks.iter_mut().for_each(Block::tame);
        Ok(blocks)
    }

    async fn add_receipts(&self, url: &str, blocks: &mut [Block]) -> Result<(), RpcError> {
        let full: Vec<&mut Block> = blocks.iter_mut().filter(|block| !block.transactions.is_empty()).collect();
        let calls: Vec<Call> = full.iter().map(|block| ("eth_getBlockReceipts", json!([block.hash]))).collect();
        let answers = self.batch(url, &calls).await?;
        for (place, block) in full.into_iter().enumerate() {
            let receipts = match answers.need::<Vec<Receipt>>(place) {
                Ok(receipts) => receipts,
                // Older nodes know only the method for one transaction.
                Err(RpcError::Refused { .. }) => self.receipts_one_by_one(url, block).await?,
                Err(error) => return Err(error),
            };
            let mut by_hash: HashMap<B256, Receipt> = receipts
                .into_iter()
                .filter(|receipt| receipt.block_hash == block.hash)
                .map(|receipt| (receipt.transaction_hash, receipt))
                .collect();
            for transaction in &mut block.transactions {
                transaction.receipt =
                    Some(by_hash.remove(&transaction.hash).ok_or(RpcError::Missing("eth_getBlockReceipts"))?);
            }
        }
        Ok(())
    }

    async fn receipts_one_by_one(&self, url: &str, block: &Block) -> Result<Vec<Receipt>, RpcError> {
        let mut receipts = Vec::with_capacity(block.transactions.len());
        for part in block.transactions.chunks(RECEIPT_BATCH) {
            let ask = |transaction: &Transaction| ("eth_getTransactionReceipt", json!([transaction.hash]));
            let calls: Vec<Call> = part.iter().map(ask).collect();
            let answers = self.batch(url, &calls).await?;
            for place in 0..calls.len() {
                receipts.push(answers.need(place)?);
            }
        }
        Ok(receipts)
    }

    /// The hashes of a node's blocks at these heights; `None` where it has none.
    ///
    /// # Errors
    /// [`RpcError`] when it does not tell.
    pub async fn hashes(&self, url: &str, numbers: &[u64]) -> Result<Vec<Option<B256>>, RpcError> {
        let ask = |number: &u64| ("eth_getBlockByNumber", json!([quantity(*number), false]));
        let calls: Vec<Call> = numbers.iter().map(ask).collect();
        let answers = self.batch(url, &calls).await?;
        (0..calls.len()).map(|place| Ok(answers.get::<Head>(place)?.map(|head| head.hash))).collect()
    }

    /// The state of an account at a node's head.
    ///
    /// # Errors
    /// [`RpcError`] when it does not tell.
    pub async fn account(&self, url: &str, address: Address) -> Result<AccountState, RpcError> {
        let calls: [Call; 3] = [
            ("eth_getBalance", json!([address, "latest"])),
            ("eth_getTransactionCount", json!([address, "latest"])),
            ("eth_getCode", json!([address, "latest"])),
        ];
        let answers: Answers = self.batch(url, &calls).await?;
        Ok(AccountState {
            balance: answers.need(0)?,
            nonce: answers.need::<U64>(1)?.to(),
            code: answers.get(2)?.unwrap_or_default(),
        })
    }

    /// A transaction a node knows, pending ones included.
    ///
    /// # Errors
    /// [`RpcError`] when it does not tell.
    pub async fn transaction(&self, url: &str, hash: B256) -> Result<Option<Transaction>, RpcError> {
        let answers = self.batch(url, &[("eth_getTransactionByHash", json!([hash]))]).await?;
        let mut transaction: Option<Transaction> = answers.get(0)?;
        if let Some(transaction) = &mut transaction {
            transaction.receipt = None;
            transaction.tame();
        }
        Ok(transaction)
    }
}
