//! Rules of a block's body that need no execution: one function each, assembled as a list.

use crate::ConsensusError;
use atoll_primitives::{
    Block, ChainSpec, Hardfork, TransactionExt,
    consensus::proofs::{calculate_ommers_root, calculate_withdrawals_root},
    eips::eip4844::DATA_GAS_PER_BLOB,
    rlp::Encodable,
};

/// Bytes of RLP a block may have from Osaka on: 10 MiB less 2 MiB for the consensus layer's part (EIP-7934).
const MAX_BLOCK_RLP: usize = 10 * 1024 * 1024 - 2 * 1024 * 1024;

type Rule = fn(&ChainSpec, &Block) -> Result<(), ConsensusError>;

const RULES: &[Rule] =
    &[size, ommers_hash, transactions_root, withdrawals_root, no_withdrawals_without_beacon_chain, blob_gas];

/// Applies all rules.
pub(crate) fn check(spec: &ChainSpec, block: &Block) -> Result<(), ConsensusError> {
    RULES.iter().try_for_each(|rule| rule(spec, block))
}

fn size(spec: &ChainSpec, block: &Block) -> Result<(), ConsensusError> {
    if !spec.is_active(Hardfork::Osaka, block.header.number, block.header.timestamp) {
        return Ok(());
    }
    let found = block.length();
    if found <= MAX_BLOCK_RLP { Ok(()) } else { Err(ConsensusError::BlockSize { found, max: MAX_BLOCK_RLP }) }
}

fn ommers_hash(_: &ChainSpec, block: &Block) -> Result<(), ConsensusError> {
    let (found, expected) = (block.header.ommers_hash, calculate_ommers_root(&block.body.ommers));
    if found == expected { Ok(()) } else { Err(ConsensusError::OmmersHash { found, expected }) }
}

fn transactions_root(_: &ChainSpec, block: &Block) -> Result<(), ConsensusError> {
    let expected = atoll_primitives::transactions_root(&block.body.transactions);
    let found = block.header.transactions_root;
    if found == expected { Ok(()) } else { Err(ConsensusError::TransactionsRoot { found, expected }) }
}

fn withdrawals_root(_: &ChainSpec, block: &Block) -> Result<(), ConsensusError> {
    let expected = block.body.withdrawals.as_ref().map(|list| calculate_withdrawals_root(list));
    let found = block.header.withdrawals_root;
    if found == expected { Ok(()) } else { Err(ConsensusError::WithdrawalsRoot { found, expected }) }
}

fn no_withdrawals_without_beacon_chain(spec: &ChainSpec, block: &Block) -> Result<(), ConsensusError> {
    let found = block.body.withdrawals.as_ref().map_or(0, |list| list.len());
    let allowed = found == 0 || spec.is_post_merge(&block.header);
    if allowed { Ok(()) } else { Err(ConsensusError::Withdrawals { found }) }
}

fn blob_gas(_: &ChainSpec, block: &Block) -> Result<(), ConsensusError> {
    let blobs: usize = block.body.transactions.iter().map(|tx| tx.blob_versioned_hashes().map_or(0, <[_]>::len)).sum();
    let expected = (blobs as u64).saturating_mul(DATA_GAS_PER_BLOB);
    // Before Cancun the field is absent, and no blob may be either.
    let found = block.header.blob_gas_used.unwrap_or(0);
    if found == expected { Ok(()) } else { Err(ConsensusError::BlobGasMismatch { found, expected }) }
}
