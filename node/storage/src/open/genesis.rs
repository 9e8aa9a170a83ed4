//! The first block as rows and as a record, and its state in the log. It must not know files.

use super::{put_base, put_block};
use crate::{
    StateTrie, StorageError,
    segment::{Position, encode_block},
    statelog::StateLog,
    tables, trie,
};
use atoll_kv::Batch;
use atoll_primitives::{
    Block, BlockBody, ChainSpec, RecoveredBlock, SealedHeader, StateChanges, StorageChanges, genesis_accounts,
};

/// The block's record in the segments.
pub(crate) fn record(genesis: &SealedHeader) -> Vec<u8> {
    let body = BlockBody { withdrawals: genesis.withdrawals_root.map(|_| Default::default()), ..Default::default() };
    let block = Block { header: genesis.header.clone(), body };
    let block = RecoveredBlock { hash: genesis.hash, block, senders: Vec::new() };
    encode_block(&block, &genesis.difficulty, &[])
}

/// Everything the tables of a chain hold that has no other block; its state is in the log then, on the disk.
pub(crate) fn rows(
    spec: &ChainSpec,
    genesis: &SealedHeader,
    log: &StateLog,
    position: Position,
    journal: Position,
) -> Result<Batch, StorageError> {
    let mut batch = state(spec, genesis, log)?;
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

/// Its state: into the log, and what the tables say of it.
fn state(spec: &ChainSpec, genesis: &SealedHeader, log: &StateLog) -> Result<Batch, StorageError> {
    let mut batch = Batch::new();
    let mut changes = StateChanges::default();
    for (address, account, code, slots) in genesis_accounts(&spec.genesis) {
        if let Some(code) = code {
            batch.put(tables::CODE, account.code_hash.as_slice(), code.as_ref());
        }
        changes.accounts.insert(address, Some(account));
        changes.storage.insert(address, StorageChanges { wiped: false, slots: slots.into_iter().collect() });
    }
    let trie = trie::state_root(&trie::Nothing, &StateTrie::default(), &changes)?;
    let root = trie.root_hash();
    if root != genesis.state_root {
        return Err(StorageError::corrupt(format!("genesis state root {root}, not {}", genesis.state_root)));
    }
    let mut appender = log.appender(None);
    let pos = appender.block(&trie)?;
    let end = appender.sync()?;
    appender.commit();
    batch.put(tables::STATE_ROOTS, genesis.number.to_be_bytes(), tables::state_root_row(pos));
    batch.put(tables::META, tables::META_STATE, end.to_be_bytes());
    Ok(batch)
}
