//! The state of older blocks as a difference to the base: which keys changed since, and what they were. From it and the
//! base's tries come the tries of any block whose history is kept, at the cost of what changed since. It must not know
//! layers.

use crate::{
    AccountProof, Storage, StorageError, TrieChanges,
    tables::{self, ACCOUNT_HISTORY, CHANGE_SETS, ChangeSet, History, SLOT_HISTORY, decode_account, decode_value},
    trie::{self, NodeSource, Parent},
};
use alloy_trie::Nibbles;
use atoll_kv::{Kv, Table};
use atoll_primitives::{Address, B256, Bytes, StateChanges, U256};
use std::{
    collections::BTreeSet,
    ops::Bound,
    time::{Duration, Instant},
};

/// Keys that changed above a block.
pub(crate) struct Past<'a> {
    kv: &'a Kv,
    number: u64,
    accounts: BTreeSet<Address>,
    slots: BTreeSet<(Address, U256)>,
}

impl<'a> Past<'a> {
    /// Of the base, block `number`: nothing has changed since.
    pub fn new(kv: &'a Kv, number: u64) -> Self {
        Self { kv, number, accounts: BTreeSet::new(), slots: BTreeSet::new() }
    }

    /// Goes one block back.
    pub fn step_back(&mut self) -> Result<(), StorageError> {
        let number = self.number;
        let row = self.kv.get(CHANGE_SETS, &number.to_be_bytes())?;
        let missing = || StorageError::corrupt(format!("block {number} has no row")).in_table(CHANGE_SETS);
        let set = ChangeSet::decode(&row.ok_or_else(missing)?).map_err(|error| error.in_table(CHANGE_SETS))?;
        self.accounts.extend(set.accounts);
        self.slots.extend(set.slots);
        self.number = number.saturating_sub(1);
        Ok(())
    }

    /// How many keys there are.
    pub fn keys(&self) -> u64 {
        (self.accounts.len() + self.slots.len()) as u64
    }

    /// What these keys were at the block.
    pub fn changes(&self) -> Result<StateChanges, StorageError> {
        let mut changes = StateChanges::default();
        for address in &self.accounts {
            let key = |block| tables::account_history_key(address, block).to_vec();
            let before = self.before(ACCOUNT_HISTORY, key)?;
            let account = decode_account(&before).map_err(|error| error.in_table(ACCOUNT_HISTORY))?;
            changes.accounts.insert(*address, account);
        }
        for (address, slot) in &self.slots {
            let key = |block| tables::slot_history_key(address, slot, block).to_vec();
            let value = decode_value(&self.before(SLOT_HISTORY, key)?).map_err(|error| error.in_table(SLOT_HISTORY))?;
            changes.storage.entry(*address).or_default().slots.insert(*slot, value);
        }
        Ok(changes)
    }

    /// The value of a key before the first block above this one that changed it.
    fn before(&self, table: Table, key: impl Fn(u64) -> Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let (start, end) = (key(self.number + 1), key(u64::MAX));
        let rows = self.kv.range(table, Bound::Included(&start), Bound::Included(&end), false, 1)?;
        let missing = || StorageError::corrupt(format!("a key changed above block {} has no row", self.number));
        let (_, row) = rows.into_iter().next().ok_or_else(|| missing().in_table(table))?;
        let history = History::decode(&row).map_err(|error| error.in_table(table))?;
        Ok(history.at(self.number + 1).ok_or_else(|| missing().in_table(table))?.to_vec())
    }
}

/// The tries of an older block: its own nodes over those of the base, readable for a limited time.
struct Patched<'a, S> {
    under: &'a S,
    nodes: &'a TrieChanges,
    deadline: Instant,
    limit: Duration,
}

impl<S> Patched<'_, S> {
    fn in_time(&self) -> Result<(), StorageError> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(StorageError::TookTooLong { limit: self.limit }) }
    }
}

impl<S: NodeSource> NodeSource for Patched<'_, S> {
    fn account_node(&self, path: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        self.in_time()?;
        match self.nodes.account_nodes.get(path) {
            Some(node) => Ok(node.clone()),
            None => self.under.account_node(path),
        }
    }

    fn storage_node(&self, account: &B256, path: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        self.in_time()?;
        match self.nodes.storage.get(account).and_then(|trie| trie.node(path)) {
            Some(node) => Ok(node),
            None => self.under.storage_node(account, path),
        }
    }
}

impl Storage {
    /// An account and some of its slots after any canonical block whose history is kept, with the trie nodes that prove
    /// them (EIP-1186). `None` if the block is not canonical, nor a side block still in memory.
    ///
    /// The newest states have their tries at hand. For an older block the base's are changed back in memory: the cost
    /// is that of everything that changed between, in time and memory, and no flush goes on meanwhile; one such call
    /// works at a time. It ends after `limit`.
    ///
    /// # Errors
    /// [`StorageError::TookTooLong`], [`StorageError::Pruned`], the tables' failure to read.
    pub fn proof_at(
        &self,
        block: &B256,
        address: &Address,
        slots: &[U256],
        limit: Duration,
    ) -> Result<Option<AccountProof>, StorageError> {
        let deadline = Instant::now() + limit;
        let Some(view) = self.state_at(block)? else { return Ok(None) };
        match view.proof(address, slots) {
            Err(StorageError::TrieUnavailable { .. }) => {}
            proof => return proof.map(Some),
        }
        let too_long = || StorageError::TookTooLong { limit };
        // The base stands still while this is held.
        let _still = self.inner.flushing.try_lock_until(deadline).ok_or_else(too_long)?;
        let base = self.base();
        let number = view.block_number();
        if self.canonical_hash(number)? != Some(*block) {
            // A side chain that was passed by, or undone.
            return Ok(None);
        }
        if number >= base.number {
            return view.proof(address, slots).map(Some);
        }
        let mut past = Past::new(&self.inner.base.kv, base.number);
        for _ in number..base.number {
            past.step_back()?;
            if Instant::now() >= deadline {
                return Err(too_long());
            }
        }
        let changes = past.changes()?;
        let Some(under) = self.state_at(&base.hash)? else { return Ok(None) };
        let none = TrieChanges::default();
        let source = Patched { under: &under, nodes: &none, deadline, limit };
        let (root, nodes) = trie::state_root(&source, base.state_root, &changes, Parent::Stays)?;
        let expected = view.header().state_root;
        if root != expected {
            let what = format!("history leads to state root {root} of block {number}, not to {expected}");
            return Err(StorageError::corrupt(what).in_table(ACCOUNT_HISTORY));
        }
        trie::prove(&Patched { under: &under, nodes: &nodes, deadline, limit }, root, address, slots).map(Some)
    }
}
