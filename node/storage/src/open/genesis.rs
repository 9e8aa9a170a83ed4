//! The first block and its state as rows and as a record. It must not know files.

use super::{put_base, put_block};
use crate::{
    StorageError,
    segment::{Position, encode_block},
    tables::{self, encode_account, encode_value},
    trie::{self, NodeSource, Parent},
};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use atoll_kv::Batch;
use atoll_primitives::{
    B256, Block, BlockBody, Bytes, ChainSpec, RecoveredBlock, SealedHeader, StateChanges, StorageChanges,
    genesis_accounts,
};

/// The state before the genesis block.
struct Nothing;

impl NodeSource for Nothing {
    fn account_node(&self, _: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        Ok(None)
    }

    fn storage_node(&self, _: &B256, _: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        Ok(None)
    }
}

/// The block's record in the segments.
pub(crate) fn record(genesis: &SealedHeader) -> Vec<u8> {
    let body = BlockBody { withdrawals: genesis.withdrawals_root.map(|_| Default::default()), ..Default::default() };
    let block = Block { header: genesis.header.clone(), body };
    let block = RecoveredBlock { hash: genesis.hash, block, senders: Vec::new() };
    encode_block(&block, &genesis.difficulty, &[])
}

/// Everything the tables of a chain hold that has no other block.
pub(crate) fn rows(
    spec: &ChainSpec,
    genesis: &SealedHeader,
    position: Position,
    journal: Position,
) -> Result<Batch, StorageError> {
    let mut batch = state(spec, genesis)?;
    batch.extend(block_rows(genesis, position));
    batch.put(tables::META, tables::META_SCHEMA, tables::SCHEMA.to_be_bytes());
    batch.put(tables::META, tables::META_GENESIS, genesis.hash.as_slice());
    put_base(&mut batch, genesis, journal);
    Ok(batch)
}

/// The rows by which it is found.
pub(crate) fn block_rows(genesis: &SealedHeader, position: Position) -> Batch {
    let mut batch = Batch::new();
    put_block(&mut batch, genesis, &genesis.difficulty, position);
    batch.put(tables::CANONICAL, genesis.number.to_be_bytes(), genesis.hash.as_slice());
    batch
}

/// Its state, flat and as tries.
fn state(spec: &ChainSpec, genesis: &SealedHeader) -> Result<Batch, StorageError> {
    let mut batch = Batch::new();
    let mut changes = StateChanges::default();
    for (address, account, code, slots) in genesis_accounts(&spec.genesis) {
        batch.put(tables::ACCOUNTS, address.as_slice(), encode_account(Some(&account)));
        for (slot, value) in &slots {
            batch.put(tables::SLOTS, tables::slot_key(&address, slot), encode_value(value));
        }
        if let Some(code) = code {
            batch.put(tables::CODE, account.code_hash.as_slice(), code.as_ref());
        }
        changes.accounts.insert(address, Some(account));
        changes.storage.insert(address, StorageChanges { wiped: false, slots: slots.into_iter().collect() });
    }
    let (root, trie) = trie::state_root(&Nothing, EMPTY_ROOT_HASH, &changes, Parent::Passes)?;
    if root != genesis.state_root {
        return Err(StorageError::corrupt(format!("genesis state root {root}, not {}", genesis.state_root)));
    }
    for (path, node) in trie.account_nodes {
        batch.put(tables::ACCOUNT_TRIE, tables::path_key(&path), node.unwrap_or_default());
    }
    for (account, storage) in trie.storage {
        for (path, node) in storage.nodes {
            batch.put(tables::STORAGE_TRIE, tables::storage_node_key(&account, &path), node.unwrap_or_default());
        }
    }
    Ok(batch)
}
