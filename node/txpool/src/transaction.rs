//! A transaction in the pool, with what admission worked out about it. It must not know the other ones.

use atoll_primitives::{
    Address, PooledTransaction, Transaction, TransactionExt as _, TxHash, U256, eip2718::Encodable2718 as _,
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

/// Where a transaction came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This node's own users: exempt from the price floor and from eviction by price, kept in the journal.
    Local,
    /// Another node.
    External,
}

/// A transaction in the pool.
#[derive(Debug)]
pub struct PoolTx {
    /// The transaction, with its blob sidecar if it has one.
    pub tx: PooledTransaction,
    /// Who signed it.
    pub sender: Address,
    /// Where it came from.
    pub origin: Origin,
    /// When the pool first saw it.
    pub added: SystemTime,
    /// Order of arrival: older ones go first among equal tips.
    pub(crate) sequence: u64,
    pub(crate) cost: U256,
    pub(crate) size: usize,
    /// Signers of the EIP-7702 authorizations.
    pub(crate) authorities: Vec<Address>,
    announced: AtomicBool,
}

impl PoolTx {
    /// With sender and authorities known; `sequence` is the order of arrival.
    pub(crate) fn new(tx: PooledTransaction, sender: Address, origin: Origin, sequence: u64) -> Self {
        let authorities = tx.authorization_list().unwrap_or_default();
        let authorities = authorities.iter().filter_map(|auth| auth.recover_authority().ok()).collect();
        let (cost, size) = (cost(&tx), size_without_sidecar(&tx));
        let (added, announced) = (SystemTime::now(), AtomicBool::new(false));
        Self { tx, sender, origin, added, sequence, cost, size, authorities, announced }
    }

    /// Its hash.
    pub fn hash(&self) -> TxHash {
        *self.tx.tx_hash()
    }

    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.tx.nonce()
    }

    /// Most it can take from the sender's balance: gas, blob gas and value, in wei.
    pub fn cost(&self) -> U256 {
        self.cost
    }

    /// The transaction as a block holds it: without the sidecar.
    pub fn transaction(&self) -> Transaction {
        without_sidecar(&self.tx)
    }

    /// Wei per gas for the miner at this base fee; `None` if the fee cap is below it.
    pub fn effective_tip(&self, base_fee: u64) -> Option<u128> {
        self.tx.effective_tip_per_gas(base_fee)
    }

    /// Whether it came from this node's own users.
    pub fn is_local(&self) -> bool {
        self.origin == Origin::Local
    }

    pub(crate) fn blobs(&self) -> usize {
        self.tx.blob_versioned_hashes().map_or(0, <[_]>::len)
    }

    /// True the first time it is asked: a transaction is announced once.
    pub(crate) fn announce_once(&self) -> bool {
        !self.announced.swap(true, Ordering::Relaxed)
    }

    /// The same transaction with another sidecar encoding.
    pub(crate) fn with_envelope(&self, tx: PooledTransaction) -> Self {
        Self {
            tx,
            sender: self.sender,
            origin: self.origin,
            added: self.added,
            sequence: self.sequence,
            cost: self.cost,
            size: self.size,
            authorities: self.authorities.clone(),
            announced: AtomicBool::new(self.announced.load(Ordering::Relaxed)),
        }
    }
}

/// A block's form of a pooled transaction; copies no blob.
pub(crate) fn without_sidecar(tx: &PooledTransaction) -> Transaction {
    match tx {
        PooledTransaction::Legacy(tx) => Transaction::Legacy(tx.clone()),
        PooledTransaction::Eip2930(tx) => Transaction::Eip2930(tx.clone()),
        PooledTransaction::Eip1559(tx) => Transaction::Eip1559(tx.clone()),
        PooledTransaction::Eip7702(tx) => Transaction::Eip7702(tx.clone()),
        PooledTransaction::Eip4844(tx) => {
            let inner = tx.tx().tx.clone();
            Transaction::Eip4844(atoll_primitives::consensus::Signed::new_unchecked(inner, *tx.signature(), *tx.hash()))
        }
    }
}

/// gas × fee cap + blob gas × blob fee cap + value; saturating, since no balance reaches the top anyway.
fn cost(tx: &PooledTransaction) -> U256 {
    let gas = U256::from(tx.gas_limit()).saturating_mul(U256::from(tx.max_fee_per_gas()));
    let blob_gas = tx.blob_gas_used().unwrap_or_default();
    let blobs = U256::from(blob_gas).saturating_mul(U256::from(tx.max_fee_per_blob_gas().unwrap_or_default()));
    gas.saturating_add(blobs).saturating_add(tx.value())
}

/// Length of the EIP-2718 encoding a block would hold, in bytes.
fn size_without_sidecar(tx: &PooledTransaction) -> usize {
    match tx {
        PooledTransaction::Eip4844(_) => without_sidecar(tx).encode_2718_len(),
        other => other.encode_2718_len(),
    }
}
