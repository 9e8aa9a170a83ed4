//! Listing what a state holds, in the order of hashed keys, and what a block changed: for debugging.

use crate::{
    StateView, Storage, StorageError,
    base::{decode_account, decode_slot},
    layer::Layer,
    statelog::{Leaf, Leaves},
    trie::hashed_path,
};
use atoll_primitives::{Account, Address, B256, U256, keccak256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A part of a listing: entries by hashed key, and the first hashed key after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// Ascending by hash.
    pub entries: BTreeMap<B256, T>,
    /// Where the next part starts; `None` at the end.
    pub next: Option<B256>,
}

/// Leaves of the persisted state, with what the layers change put over them; `limit` entries of both.
fn part<T>(
    mut leaves: Leaves<'_>,
    mut over: BTreeMap<B256, Option<T>>,
    limit: usize,
    entry: impl Fn(&Leaf) -> Result<T, StorageError>,
) -> Result<Listing<T>, StorageError> {
    let mut entries = BTreeMap::new();
    let mut below = leaves.next()?;
    loop {
        let hash = match (below.as_ref().map(|(hash, _)| *hash), over.keys().next().copied()) {
            (None, None) => return Ok(Listing { entries, next: None }),
            (Some(hash), None) | (None, Some(hash)) => hash,
            (Some(below), Some(over)) => below.min(over),
        };
        let mut found = None;
        if let Some((_, node)) = below.as_ref().filter(|(below, _)| *below == hash) {
            if !over.contains_key(&hash) {
                found = node.as_leaf().map(&entry).transpose()?;
            }
            below = leaves.next()?;
        }
        if let Some(changed) = over.remove(&hash) {
            found = changed;
        }
        let Some(found) = found else { continue };
        if entries.len() == limit {
            return Ok(Listing { entries, next: Some(hash) });
        }
        entries.insert(hash, found);
    }
}

fn preimage<T>(leaf: &Leaf, read: impl Fn(&[u8]) -> Option<T>) -> Result<T, StorageError> {
    let damaged = || StorageError::corrupt(format!("a leaf with a key of {} bytes", leaf.preimage.len()));
    read(&leaf.preimage).ok_or_else(damaged)
}

fn address_of(leaf: &Leaf) -> Result<Address, StorageError> {
    preimage(leaf, |bytes| Address::try_from(bytes).ok())
}

fn slot_of(leaf: &Leaf) -> Result<U256, StorageError> {
    preimage(leaf, U256::try_from_be_slice)
}

impl StateView {
    /// The slots of an account whose hashes are `start` or greater, with their values; `limit` of them at most.
    ///
    /// # Errors
    /// As for [`StateView::storage`].
    pub fn list_storage(
        &self,
        address: &Address,
        start: B256,
        limit: usize,
    ) -> Result<Listing<(U256, U256)>, StorageError> {
        // From the oldest layer to the newest: a wipe takes away what those before it set.
        let mut over: BTreeMap<B256, Option<(U256, U256)>> = BTreeMap::new();
        let mut wiped = false;
        for change in self.layers.iter().rev().filter_map(|layer| layer.executed.changes.storage.get(address)) {
            if change.wiped {
                wiped = true;
                over.clear();
            }
            for (slot, value) in &change.slots {
                let hash = keccak256(slot.to_be_bytes::<32>());
                over.insert(hash, (!value.is_zero()).then_some((*slot, *value)));
            }
        }
        let over = over.split_off(&start);
        let storage = self.base.storage_root(&self.state, &hashed_path(address.as_slice()))?;
        let leaves = self.base.log.leaves(storage.filter(|_| !wiped), start);
        let listed = part(leaves, over, limit, |leaf| Ok((slot_of(leaf)?, decode_slot(&leaf.value)?)));
        self.base.kept(&self.state, listed)
    }

    /// The accounts whose hashed addresses are `start` or greater; `limit` of them at most.
    ///
    /// # Errors
    /// As for [`StateView::account`].
    pub fn list_accounts(&self, start: B256, limit: usize) -> Result<Listing<(Address, Account)>, StorageError> {
        let mut over: BTreeMap<B256, Option<(Address, Account)>> = BTreeMap::new();
        for layer in self.layers.iter().rev() {
            for (address, account) in &layer.executed.changes.accounts {
                over.insert(keccak256(address), account.map(|account| (*address, account)));
            }
        }
        let over = over.split_off(&start);
        let leaves = self.base.log.leaves(self.state.root, start);
        let listed = part(leaves, over, limit, |leaf| {
            let account = decode_account(&leaf.value)?;
            let (nonce, balance, code_hash) = (account.nonce, account.balance, account.code_hash);
            Ok((address_of(leaf)?, Account { nonce, balance, code_hash }))
        });
        self.base.kept(&self.state, listed)
    }
}

/// What a block changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedKeys {
    /// Accounts.
    pub accounts: BTreeSet<Address>,
    /// Slots, by account.
    pub slots: BTreeSet<(Address, U256)>,
}

impl ChangedKeys {
    fn of_layer(layer: &Arc<Layer>) -> Self {
        let changes = &layer.executed.changes;
        let slots = changes.storage.iter();
        Self {
            accounts: changes.accounts.keys().copied().collect(),
            slots: slots.flat_map(|(address, change)| change.slots.keys().map(|slot| (*address, *slot))).collect(),
        }
    }
}

impl Storage {
    /// The accounts and slots a canonical block changed, or at least wrote; `None` when that is not known: for the
    /// genesis block, for blocks that are not canonical, and for those whose state or parent's state is not kept.
    ///
    /// # Errors
    /// The failure to read tables or states.
    pub fn changed_keys(&self, hash: &B256) -> Result<Option<ChangedKeys>, StorageError> {
        let layer = self.inner.memory.read().layers.get(hash).cloned();
        if let Some(layer) = layer {
            return Ok(Some(ChangedKeys::of_layer(&layer)));
        }
        let Some(number) = self.number(hash)?.filter(|number| *number > 0) else { return Ok(None) };
        let base = &self.inner.base;
        if self.canonical_hash(number)? != Some(*hash) || number <= base.oldest_state() {
            return Ok(None);
        }
        let states = base.state_root(number - 1).and_then(|before| Ok((before, base.state_root(number)?)));
        // Pruned or unwound in between, perhaps with another block in its place.
        let gone = number <= base.oldest_state() || self.canonical_hash(number)? != Some(*hash);
        let (before, after) = if gone { return Ok(None) } else { states? };
        let (mut keys, mut tries) = (ChangedKeys::default(), Vec::new());
        let accounts = base.log.diff(before.root, after.root, &mut |old, new| {
            let Some(leaf) = new.or(old) else { return Ok(()) };
            let address = address_of(leaf)?;
            keys.accounts.insert(address);
            tries.push((address, old.and_then(|old| old.storage), new.and_then(|new| new.storage)));
            Ok(())
        });
        base.kept(&before, accounts)?;
        for (address, old, new) in tries {
            let slots = base.log.diff(old, new, &mut |old, new| {
                let slot = new.or(old).map(slot_of).transpose()?;
                keys.slots.extend(slot.map(|slot| (address, slot)));
                Ok(())
            });
            base.kept(&before, slots)?;
        }
        Ok(Some(keys))
    }
}
