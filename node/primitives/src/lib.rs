//! The vocabulary of the node: blocks, transactions, receipts, accounts, the chain specification.
//!
//! Everything here is plain data and pure functions. This room must not know disks, sockets,
//! the clock or tokio; the rooms above agree on its types.

mod account;
mod block;
mod dialect;
mod error;
mod forks;
mod genesis;
mod header_reader;
mod known;
mod ordered_root;
mod spec;
mod tx_hashes;

pub use account::{Account, StateChanges, StorageChanges};
pub use alloy_consensus::{
    self as consensus, BlockHeader as BlockHeaderExt, Header, Transaction as TransactionExt, Typed2718,
    transaction::{Recovered, SignerRecoverable},
};
pub use alloy_eip2124::{ForkFilter, ForkHash, ForkId, Head as ForkHead, ValidationError as ForkIdError};
pub use alloy_eips::{self as eips, eip2718, eip7840::BlobParams};
pub use alloy_genesis::{self as genesis_types, Genesis, GenesisAccount};
pub use alloy_hardforks::{EthereumHardfork as Hardfork, ForkCondition};
pub use alloy_primitives::{
    self as primitives, Address, B64, B256, BlockHash, BlockNumber, Bloom, Bytes, Log, TxHash, U64, U256, address,
    b256, bytes, hex, keccak256,
};
pub use alloy_rlp as rlp;
pub use block::{RecoveredBlock, SealedHeader, TxLocation, recover_senders};
pub use error::{GenesisError, RecoveryError};
pub use genesis::{genesis_accounts, genesis_state_root, storage_root};
pub use header_reader::HeaderReader;
pub use ordered_root::{ordered_root, receipts_root, transactions_root};
pub use spec::{ChainSpec, CliqueConfig, EngineConfig, EthashConfig, QbftConfig};
pub use tx_hashes::hash_transactions;

/// A transaction as it stands in a block: EIP-2718 envelope, blob transactions without their sidecar.
pub type Transaction = alloy_consensus::EthereumTxEnvelope<alloy_consensus::TxEip4844>;
/// A transaction as it travels between pools: blob transactions carry their sidecar, of version 0 (EIP-4844) before
/// Osaka and of version 1 (EIP-7594) from then on; alloy's own alias knows the second only.
pub type PooledTransaction = alloy_consensus::EthereumTxEnvelope<
    alloy_consensus::TxEip4844WithSidecar<alloy_eips::eip7594::BlobTransactionSidecarVariant>,
>;
/// A block: header, transactions, ommers, withdrawals.
pub type Block = alloy_consensus::Block<Transaction>;
/// The part of a block outside its header.
pub type BlockBody = alloy_consensus::BlockBody<Transaction>;
/// A receipt with its bloom, in its EIP-2718 envelope; before Byzantium it carries a state root (EIP-658).
pub type Receipt = alloy_consensus::ReceiptEnvelope;
