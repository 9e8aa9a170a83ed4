//! One of the newest blocks with what it changes, held in memory. It must not know tables.

use crate::{StateTrie, segment::Position};
use atoll_primitives::{Receipt, RecoveredBlock, SealedHeader, StateChanges, TransactionExt, U256};
use std::sync::Arc;

/// A block that was executed: everything storage keeps of it.
#[derive(Debug, Clone)]
pub struct ExecutedBlock {
    /// The block.
    pub block: Arc<RecoveredBlock>,
    /// One for each transaction.
    pub receipts: Arc<Vec<Receipt>>,
    /// Difficulty of the chain up to and with this block.
    pub total_difficulty: U256,
    /// What it changes against its parent's state.
    pub changes: Arc<StateChanges>,
    /// The tries after it: the second half of `StateView::state_root` of the parent's view.
    pub trie: Arc<StateTrie>,
}

/// An [`ExecutedBlock`] in its place.
pub(crate) struct Layer {
    pub executed: ExecutedBlock,
    pub header: Arc<SealedHeader>,
    pub position: Position,
    /// [`Layer::weight`], worked out once.
    pub bytes: usize,
}

impl Layer {
    pub fn new(executed: ExecutedBlock, position: Position) -> Self {
        let header = Arc::new(executed.block.sealed_header());
        let mut layer = Self { executed, header, position, bytes: 0 };
        layer.bytes = layer.weight();
        layer
    }

    pub fn number(&self) -> u64 {
        self.header.number
    }

    /// About what it takes in memory, in bytes: bodies and receipts, flat values, trie nodes, with what maps add.
    fn weight(&self) -> usize {
        let ExecutedBlock { block, receipts, changes, trie, .. } = &self.executed;
        let transactions = block.block.body.transactions.iter();
        let inputs: usize = transactions.map(|tx| 512 + tx.input().len()).sum();
        let logs: usize = receipts.iter().flat_map(|receipt| receipt.logs()).map(|log| 256 + log.data.data.len()).sum();
        let slots: usize = changes.storage.values().map(|change| 128 + change.slots.len() * 96).sum();
        let code: usize = changes.code.values().map(|code| code.len()).sum();
        inputs + receipts.len() * 384 + logs + changes.accounts.len() * 160 + slots + code + trie.fresh()
    }
}
