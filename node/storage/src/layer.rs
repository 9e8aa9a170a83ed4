//! One of the newest blocks with what it changes, held in memory. It must not know tables.

use crate::{TrieChanges, filter::Filter, segment::Position};
use alloy_trie::Nibbles;
use atoll_primitives::{Address, B256, Receipt, RecoveredBlock, SealedHeader, StateChanges, TransactionExt, U256};
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
    /// What it changes in its parent's tries: the second half of `StateView::state_root` of the parent's view.
    pub trie: Arc<TrieChanges>,
}

/// An [`ExecutedBlock`] in its place.
pub(crate) struct Layer {
    pub executed: ExecutedBlock,
    pub header: Arc<SealedHeader>,
    pub position: Position,
    /// [`Layer::weight`], worked out once.
    pub bytes: usize,
}

/// What a [`Filter`] holds of a layer.
#[derive(Hash)]
pub(crate) enum Key<'a> {
    Account(&'a Address),
    Slot(&'a Address, &'a U256),
    /// All slots of an account at once.
    Wipe(&'a Address),
    Code(&'a B256),
    AccountNode(&'a Nibbles),
    StorageNode(&'a B256, &'a Nibbles),
    /// All nodes of an account's storage trie at once.
    NodeWipe(&'a B256),
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
        let storage_nodes = trie.storage.values().flat_map(|change| change.nodes.values());
        let nodes = trie.account_nodes.values().chain(storage_nodes);
        let nodes: usize = nodes.map(|node| 160 + node.as_ref().map_or(0, |rlp| rlp.len())).sum();
        inputs + receipts.len() * 384 + logs + changes.accounts.len() * 160 + slots + code + nodes
    }

    pub fn key_count(&self) -> usize {
        let ExecutedBlock { changes, trie, .. } = &self.executed;
        let slots: usize = changes.storage.values().map(|change| change.slots.len() + 1).sum();
        let nodes: usize = trie.storage.values().map(|change| change.nodes.len() + 1).sum();
        changes.accounts.len() + changes.code.len() + slots + trie.account_nodes.len() + nodes
    }

    pub fn fill(&self, filter: &Filter) {
        let ExecutedBlock { changes, trie, .. } = &self.executed;
        changes.accounts.keys().for_each(|address| filter.insert(&Key::Account(address)));
        changes.code.keys().for_each(|hash| filter.insert(&Key::Code(hash)));
        for (address, change) in &changes.storage {
            change.slots.keys().for_each(|slot| filter.insert(&Key::Slot(address, slot)));
            if change.wiped {
                filter.insert(&Key::Wipe(address));
            }
        }
        trie.account_nodes.keys().for_each(|path| filter.insert(&Key::AccountNode(path)));
        for (account, change) in &trie.storage {
            change.nodes.keys().for_each(|path| filter.insert(&Key::StorageNode(account, path)));
            if change.wiped {
                filter.insert(&Key::NodeWipe(account));
            }
        }
    }
}
