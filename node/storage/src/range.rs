//! Listing what a state holds, in the order of hashed keys, and what a block changed: for debugging. It must not know
//! the trie: any state that can be read can be listed.
//!
//! Keys are not stored by their hashes, so a listing looks at every key of the account (or every account), hashes and
//! sorts. That is bounded: whoever holds more keys cannot be listed.

use crate::{StateView, Storage, StorageError, layer::Layer, tables};
use atoll_kv::Table;
use atoll_primitives::{Account, Address, B256, U256, keccak256};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

/// Most keys a listing looks at: some 20 MB of memory.
pub const MAX_LISTED_KEYS: usize = 200_000;

/// Rows read at a time.
const PAGE: usize = 1024;

/// A part of a listing: entries by hashed key, and the first hashed key after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// Ascending by hash.
    pub entries: BTreeMap<B256, T>,
    /// Where the next part starts; `None` at the end.
    pub next: Option<B256>,
}

fn part<K, T>(
    keys: BTreeSet<K>,
    hash: impl Fn(&K) -> B256,
    start: B256,
    limit: usize,
    read: impl Fn(&K) -> Result<Option<T>, StorageError>,
) -> Result<Listing<T>, StorageError> {
    let mut sorted: Vec<(B256, K)> = keys.into_iter().map(|key| (hash(&key), key)).collect();
    sorted.retain(|(hash, _)| *hash >= start);
    sorted.sort_unstable_by_key(|(hash, _)| *hash);
    let mut entries = BTreeMap::new();
    for (hash, key) in sorted {
        let Some(value) = read(&key)? else { continue };
        if entries.len() == limit {
            return Ok(Listing { entries, next: Some(hash) });
        }
        entries.insert(hash, value);
    }
    Ok(Listing { entries, next: None })
}

/// The distinct keys of `len` bytes that the rows of a table with this prefix begin with. All rows of a key after the
/// first (its history) are passed over.
fn keys_of(view: &StateView, table: Table, prefix: &[u8], len: usize) -> Result<Vec<Vec<u8>>, StorageError> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut start = prefix.to_vec();
    let mut end = prefix.to_vec();
    end.resize(len + 9, 0xff);
    loop {
        let rows = view.base.kv.range(table, Bound::Included(&start), Bound::Included(&end), false, PAGE)?;
        let Some((last, _)) = rows.last() else { return Ok(found) };
        // Behind every row of the last key.
        let mut after = last.get(..len).unwrap_or(last).to_vec();
        after.resize(len + 9, 0xff);
        start = after;
        for (row, _) in &rows {
            let Some(key) = row.get(..len) else { continue };
            if found.last().is_none_or(|last| last != key) {
                found.push(key.to_vec());
            }
        }
        if found.len() > MAX_LISTED_KEYS {
            return Err(StorageError::TooManyKeys { limit: MAX_LISTED_KEYS });
        }
    }
}

impl StateView {
    /// The slots of an account whose hashes are `start` or greater, with their values; `limit` of them at most.
    ///
    /// # Errors
    /// [`StorageError::TooManyKeys`]; as for [`StateView::storage`].
    pub fn list_storage(
        &self,
        address: &Address,
        start: B256,
        limit: usize,
    ) -> Result<Listing<(U256, U256)>, StorageError> {
        let mut slots = BTreeSet::new();
        for table in [tables::SLOTS, tables::SLOT_HISTORY] {
            let keys = keys_of(self, table, address.as_slice(), 52)?;
            slots.extend(keys.iter().filter_map(|key| key.get(20..)).map(U256::from_be_slice));
        }
        for change in self.layers.iter().filter_map(|layer| layer.executed.changes.storage.get(address)) {
            slots.extend(change.slots.keys().copied());
        }
        let hash = |slot: &U256| keccak256(slot.to_be_bytes::<32>());
        part(slots, hash, start, limit, |slot| {
            let value = self.storage(address, slot)?;
            Ok((!value.is_zero()).then_some((*slot, value)))
        })
    }

    /// The accounts whose hashed addresses are `start` or greater; `limit` of them at most.
    ///
    /// # Errors
    /// [`StorageError::TooManyKeys`]; as for [`StateView::account`].
    pub fn list_accounts(&self, start: B256, limit: usize) -> Result<Listing<(Address, Account)>, StorageError> {
        let mut addresses = BTreeSet::new();
        for table in [tables::ACCOUNTS, tables::ACCOUNT_HISTORY] {
            addresses.extend(keys_of(self, table, &[], 20)?.iter().map(|key| Address::from_slice(key)));
        }
        for layer in self.layers.iter() {
            addresses.extend(layer.executed.changes.accounts.keys().copied());
        }
        part(
            addresses,
            |address| keccak256(address),
            start,
            limit,
            |address| Ok(self.account(address)?.map(|account| (*address, account))),
        )
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
    /// genesis block, and for blocks that are not canonical.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn changed_keys(&self, hash: &B256) -> Result<Option<ChangedKeys>, StorageError> {
        let layer = self.inner.memory.read().layers.get(hash).cloned();
        if let Some(layer) = layer {
            return Ok(Some(ChangedKeys::of_layer(&layer)));
        }
        let Some(number) = self.number(hash)? else { return Ok(None) };
        if self.canonical_hash(number)? != Some(*hash) {
            return Ok(None);
        }
        let row = self.inner.base.kv.get(tables::CHANGE_SETS, &number.to_be_bytes())?;
        let set = row.map(|row| tables::ChangeSet::decode(&row)).transpose()?;
        Ok(set.map(|set| ChangedKeys {
            accounts: set.accounts.into_iter().collect(),
            slots: set.slots.into_iter().collect(),
        }))
    }
}
