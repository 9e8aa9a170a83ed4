//! Blocks with their hash and with the senders of their transactions.

use crate::{Block, Header, RecoveryError, Transaction};
use alloy_consensus::transaction::SignerRecoverable;
use alloy_primitives::{Address, B256, BlockNumber};
use rayon::prelude::*;

/// A header with its hash, computed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedHeader {
    /// Keccak-256 of the RLP of `header`.
    pub hash: B256,
    /// The header.
    pub header: Header,
}

impl SealedHeader {
    /// Hashes a header.
    pub fn new(header: Header) -> Self {
        Self { hash: header.hash_slow(), header }
    }
}

impl std::ops::Deref for SealedHeader {
    type Target = Header;

    fn deref(&self) -> &Header {
        &self.header
    }
}

/// A block with its hash and the sender of every transaction, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredBlock {
    /// Hash of the header.
    pub hash: B256,
    /// The block.
    pub block: Block,
    /// As many as `block.body.transactions`.
    pub senders: Vec<Address>,
}

impl RecoveredBlock {
    /// Hashes the header and recovers all senders, in parallel.
    ///
    /// # Errors
    /// The first transaction whose signature is invalid.
    pub fn recover(block: Block) -> Result<Self, RecoveryError> {
        let senders = recover_senders(&block.body.transactions)?;
        Ok(Self { hash: block.header.hash_slow(), block, senders })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.block.header
    }

    /// The block number.
    pub fn number(&self) -> BlockNumber {
        self.block.header.number
    }

    /// Each transaction with its sender.
    pub fn transactions(&self) -> impl ExactSizeIterator<Item = (&Transaction, Address)> {
        self.block.body.transactions.iter().zip(self.senders.iter().copied())
    }

    /// The header with its hash.
    pub fn sealed_header(&self) -> SealedHeader {
        SealedHeader { hash: self.hash, header: self.block.header.clone() }
    }
}

/// Recovers the senders of transactions, in parallel when there are several. EIP-2's low-s rule is the
/// executor's to check by fork: Frontier allows high values, so recovery here does too.
///
/// # Errors
/// The first transaction whose signature is invalid.
pub fn recover_senders(transactions: &[Transaction]) -> Result<Vec<Address>, RecoveryError> {
    let recover = |(index, tx): (usize, &Transaction)| {
        tx.recover_signer_unchecked().map_err(|_| RecoveryError { index, hash: *tx.tx_hash() })
    };
    // One recovery takes about as long as waking a worker thread, so a handful is done in place.
    if transactions.len() < 4 {
        return transactions.iter().enumerate().map(recover).collect();
    }
    transactions.par_iter().enumerate().map(recover).collect()
}

/// Where a canonical transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxLocation {
    /// Its block's hash.
    pub block_hash: B256,
    /// Its block's number.
    pub block_number: BlockNumber,
    /// Its position in the block, from 0.
    pub index: u32,
}
