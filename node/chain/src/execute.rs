//! The third stage: a recovered block over its parent's state. It must not choose heads or write.

use crate::{
    ImportError, InternalError, InvalidBlock,
    chain::{Shared, internal},
    check::{Recovered, invalid},
};
use atoll_executor::{ExecutionError, StateDb, execute_block_ahead, validate_output};
use atoll_primitives::{Address, B256, RecoveredBlock, StateChanges, TransactionExt as _};
use atoll_storage::{ExecutedBlock, StateView, StorageError};
use std::sync::Arc;

/// Transactions from which on a block's accounts are read ahead: below, waking a thread costs more.
const READ_AHEAD: usize = 64;

/// A block that executed to exactly what its header says.
pub(crate) struct Executed(pub ExecutedBlock);

impl Shared {
    /// The state a block starts from, with its trie; `None` if it is older than the base or was dropped.
    fn parent_state(&self, block: &RecoveredBlock) -> Result<Option<StateView>, StorageError> {
        let header = block.header();
        if header.number.saturating_sub(1) < self.base_number() {
            return Ok(None);
        }
        self.storage.state_at(&header.parent_hash)
    }

    /// Executes a block. `Ok(None)` if its parent's state is not at hand.
    pub(crate) fn execute(&self, recovered: &Recovered) -> Result<Option<Executed>, ImportError> {
        self.run(recovered).inspect_err(|error| self.keep_bad(error, || recovered.block.block.clone()))
    }

    fn run(&self, recovered: &Recovered) -> Result<Option<Executed>, ImportError> {
        let block = &recovered.block;
        let (number, hash) = (block.number(), block.hash);
        let state = self.parent_state(block).map_err(|source| internal(number, hash, source))?;
        let Some(view) = state else { return Ok(None) };
        let header = block.header();
        let ahead = view.accounts(&involved(block)).map_err(|source| internal(number, hash, source))?;
        let db = StateDb::new(view.clone(), Arc::new(self.storage.clone()));
        let rewards = self.engine.rewards(header, &block.block.body.ommers);
        let root =
            |changes: &StateChanges| -> Result<B256, atoll_executor::BoxError> { Ok(view.state_root(changes)?.0) };
        let output = execute_block_ahead(&self.spec, db, block, &rewards, Some(&root), ahead)
            .map_err(|error| self.remember(failed(number, hash, error)))?;
        validate_output(self.spec.hardfork(header), header, &output)
            .map_err(|error| self.remember(invalid(number, hash, InvalidBlock::Output(error))))?;
        let (execution, trie) = view.state_root(&output.changes).map_err(|error| internal(number, hash, error))?;
        if execution != header.state_root {
            let reason = InvalidBlock::StateRoot { header: header.state_root, execution };
            return Err(self.remember(invalid(number, hash, reason)));
        }
        Ok(Some(Executed(ExecutedBlock {
            block: block.clone(),
            receipts: Arc::new(output.receipts),
            total_difficulty: recovered.td,
            changes: Arc::new(output.changes),
            trie: Arc::new(trie),
        })))
    }

    /// Executes a block whose parent's state must be at hand.
    pub(crate) fn execute_here(&self, recovered: &Recovered) -> Result<Executed, ImportError> {
        let block = &recovered.block;
        let gone = || InternalError::NoState { parent: block.header().parent_hash };
        self.execute(recovered)?.ok_or_else(|| internal(block.number(), block.hash, gone()))
    }
}

/// Senders and receivers of a block's transactions, if they are so many that reading them ahead is worth it.
fn involved(block: &RecoveredBlock) -> Vec<Address> {
    let transactions = &block.block.body.transactions;
    if transactions.len() < READ_AHEAD {
        return Vec::new();
    }
    let receivers = transactions.iter().filter_map(|tx| tx.to());
    let mut involved: Vec<Address> = block.senders.iter().copied().chain(receivers).collect();
    involved.sort_unstable();
    involved.dedup();
    involved
}

fn failed(number: u64, hash: B256, error: ExecutionError) -> ImportError {
    if error.is_invalid_block() {
        invalid(number, hash, InvalidBlock::Execution(error))
    } else {
        internal(number, hash, InternalError::Execution(Box::new(error)))
    }
}
