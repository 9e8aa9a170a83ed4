//! Blocks, transactions, receipts and logs: the shape of the JSON-RPC answers (execution-apis) and, at the same time, of
//! the rows of the index. Everything here came from a node and is bounded by [`Block::tame`] before it is kept.

use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};
use alloy_serde::quantity;
use serde::{Deserialize, Serialize};

/// More transactions than the largest block of any chain; a node that claims more is refused.
pub const MAX_TRANSACTIONS: usize = 65_536;
const MAX_UNCLES: usize = 16;
const MAX_WITHDRAWALS: usize = 64;
const MAX_EXTRA: usize = 8 << 10;
/// Larger than any transaction a pool accepts (128 KiB, geth's `txMaxSize`).
const MAX_INPUT: usize = 256 << 10;
const MAX_LOGS: usize = 4_096;
const MAX_LOG_DATA: usize = 512 << 10;
const MAX_LIST: usize = 1_024;

/// A block, without transactions when read from the index.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// Height.
    #[serde(with = "quantity")]
    pub number: u64,
    /// Hash of the header.
    pub hash: B256,
    /// Hash of the block before.
    pub parent_hash: B256,
    /// Hash of the list of uncles.
    pub sha3_uncles: B256,
    /// Who gets the reward and the tips.
    pub miner: Address,
    /// Root of the state after the block.
    pub state_root: B256,
    /// Root of the transactions.
    pub transactions_root: B256,
    /// Root of the receipts.
    pub receipts_root: B256,
    /// Bloom filter of all logs.
    #[serde(default)]
    pub logs_bloom: Bloom,
    /// Difficulty of this block.
    #[serde(default)]
    pub difficulty: U256,
    /// Difficulty up to this block, if the node tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_difficulty: Option<U256>,
    /// Most gas the block may use.
    #[serde(with = "quantity")]
    pub gas_limit: u64,
    /// Gas used.
    #[serde(with = "quantity")]
    pub gas_used: u64,
    /// Seconds since 1970.
    #[serde(with = "quantity")]
    pub timestamp: u64,
    /// What the block's maker wrote.
    #[serde(default)]
    pub extra_data: Bytes,
    /// Proof of work's mix digest, or `PREVRANDAO`.
    #[serde(default)]
    pub mix_hash: B256,
    /// Proof of work's nonce.
    #[serde(default)]
    pub nonce: B64,
    /// Base fee in wei (EIP-1559).
    #[serde(default, with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    pub base_fee_per_gas: Option<u128>,
    /// Root of the withdrawals (EIP-4895).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawals_root: Option<B256>,
    /// Blob gas used (EIP-4844).
    #[serde(default, with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    pub blob_gas_used: Option<u64>,
    /// Excess blob gas (EIP-4844).
    #[serde(default, with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    pub excess_blob_gas: Option<u64>,
    /// Parent beacon block root (EIP-4788).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_beacon_block_root: Option<B256>,
    /// Hash of the requests (EIP-7685).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_hash: Option<B256>,
    /// Size in bytes, if the node tells.
    #[serde(default, with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Hashes of the uncles.
    #[serde(default)]
    pub uncles: Vec<B256>,
    /// Withdrawals (EIP-4895).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawals: Vec<Withdrawal>,
    /// How many transactions it has.
    #[serde(default)]
    pub transaction_count: u32,
    /// The transactions as the node gave them; kept in rows of their own.
    #[serde(default, skip_serializing)]
    pub transactions: Vec<Transaction>,
}

/// A withdrawal (EIP-4895).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawal {
    /// Its number.
    #[serde(with = "quantity")]
    pub index: u64,
    /// Who gets it.
    pub address: Address,
    /// In gwei.
    #[serde(with = "quantity")]
    pub amount: u64,
}

/// A transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// Its hash.
    pub hash: B256,
    /// Sender's nonce.
    #[serde(with = "quantity")]
    pub nonce: u64,
    /// Block it is in; absent while pending.
    #[serde(default, skip_serializing)]
    pub block_number: Option<U256>,
    /// Sender.
    pub from: Address,
    /// Receiver; absent for a contract creation.
    #[serde(default)]
    pub to: Option<Address>,
    /// In wei.
    pub value: U256,
    /// Gas limit.
    #[serde(with = "quantity")]
    pub gas: u64,
    /// In wei; of a mined EIP-1559 transaction the effective price.
    #[serde(default, with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    pub gas_price: Option<u128>,
    /// In wei (EIP-1559).
    #[serde(default, with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    pub max_fee_per_gas: Option<u128>,
    /// In wei (EIP-1559).
    #[serde(default, with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    pub max_priority_fee_per_gas: Option<u128>,
    /// In wei (EIP-4844).
    #[serde(default, with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    pub max_fee_per_blob_gas: Option<u128>,
    /// Call data, or the code that creates a contract.
    #[serde(default)]
    pub input: Bytes,
    /// EIP-2718 type.
    #[serde(default, rename = "type", with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    pub kind: Option<u64>,
    /// Blobs (EIP-4844).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blob_versioned_hashes: Vec<B256>,
    /// Announced accesses (EIP-2930).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_list: Option<Vec<AccessListItem>>,
    /// What came of it; absent while pending, or when the node did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Whether input, logs or lists were longer than the index keeps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// One entry of an access list (EIP-2930).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessListItem {
    /// The account.
    pub address: Address,
    /// Its storage slots.
    #[serde(default)]
    pub storage_keys: Vec<B256>,
}

/// What came of a transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Of which transaction.
    pub transaction_hash: B256,
    /// In which block.
    pub block_hash: B256,
    /// 1 for success (EIP-658); absent before Byzantium.
    #[serde(default, with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    pub status: Option<u64>,
    /// Gas used by this transaction.
    #[serde(with = "quantity")]
    pub gas_used: u64,
    /// Price per gas that was paid, in wei.
    #[serde(default, with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    pub effective_gas_price: Option<u128>,
    /// The contract created.
    #[serde(default)]
    pub contract_address: Option<Address>,
    /// Logs.
    #[serde(default)]
    pub logs: Vec<Log>,
}

/// A log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// The contract that wrote it.
    pub address: Address,
    /// At most four.
    #[serde(default)]
    pub topics: Vec<B256>,
    /// The rest.
    #[serde(default)]
    pub data: Bytes,
}

/// The head of a node: what a poll asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// Height.
    #[serde(with = "quantity")]
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Difficulty up to it, if the node tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_difficulty: Option<U256>,
}

impl Block {
    /// Cuts what is larger than the index keeps.
    pub fn tame(&mut self) {
        self.uncles.truncate(MAX_UNCLES);
        self.withdrawals.truncate(MAX_WITHDRAWALS);
        cut(&mut self.extra_data, MAX_EXTRA);
        self.transactions.truncate(MAX_TRANSACTIONS);
        self.transaction_count = u32::try_from(self.transactions.len()).unwrap_or(u32::MAX);
        self.transactions.iter_mut().for_each(Transaction::tame);
    }

    /// The block as a head.
    pub fn head(&self) -> Head {
        Head { number: self.number, hash: self.hash, total_difficulty: self.total_difficulty }
    }
}

impl Transaction {
    /// Cuts what is larger than the index keeps.
    pub fn tame(&mut self) {
        let mut truncated = cut(&mut self.input, MAX_INPUT);
        truncated |= self.blob_versioned_hashes.len() > MAX_LIST;
        self.blob_versioned_hashes.truncate(MAX_LIST);
        if let Some(list) = &mut self.access_list {
            truncated |= list.len() > MAX_LIST;
            list.truncate(MAX_LIST);
            list.iter_mut().for_each(|item| item.storage_keys.truncate(MAX_LIST));
        }
        if let Some(receipt) = &mut self.receipt {
            truncated |= receipt.tame();
        }
        self.truncated |= truncated;
    }

    /// Whether it went well; `None` while that is unknown.
    pub fn succeeded(&self) -> Option<bool> {
        self.receipt.as_ref()?.status.map(|status| status == 1)
    }

    /// The contract it created.
    pub fn created(&self) -> Option<Address> {
        if self.to.is_some() || self.succeeded() == Some(false) {
            return None;
        }
        self.receipt.as_ref()?.contract_address
    }
}

impl Receipt {
    fn tame(&mut self) -> bool {
        let mut truncated = self.logs.len() > MAX_LOGS;
        self.logs.truncate(MAX_LOGS);
        let mut room = MAX_LOG_DATA;
        for log in &mut self.logs {
            truncated |= log.topics.len() > 4;
            log.topics.truncate(4);
            truncated |= cut(&mut log.data, room);
            room -= log.data.len();
        }
        truncated
    }
}

/// Whether something was cut off. The rest is copied, so that the whole can be freed.
fn cut(bytes: &mut Bytes, most: usize) -> bool {
    let Some(kept) = bytes.get(..most).filter(|_| bytes.len() > most) else { return false };
    *bytes = Bytes::copy_from_slice(kept);
    true
}
