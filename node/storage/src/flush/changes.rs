//! The state changes of several blocks as rows: final values, and for each block the values before it. It must
//! not know which blocks are canonical.

use crate::{
    StorageError, TrieChanges,
    base::Base,
    tables::{self, ChangeSet, History, encode_account, encode_value},
};
use atoll_kv::{Batch, Kv, Table};
use atoll_primitives::{
    Account, Address, Bytes, StateChanges, U256,
    primitives::map::{AddressMap, B256Map, HashMap},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

/// Rows read at once when everything below a prefix is wanted.
const CHUNK: usize = 4096;

/// All keys of a table that begin with `prefix`.
fn keys_below(kv: &Kv, table: Table, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StorageError> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    loop {
        let start = keys.last().map_or(Bound::Included(prefix), |last| Bound::Excluded(last.as_slice()));
        let rows = kv.range(table, start, Bound::Unbounded, false, CHUNK)?;
        let (count, before) = (rows.len(), keys.len());
        keys.extend(rows.into_iter().map(|(key, _)| key).take_while(|key| key.starts_with(prefix)));
        if count < CHUNK || keys.len() - before < count {
            return Ok(keys);
        }
    }
}

/// Flat values on their way into the tables, block after block.
pub(crate) struct Flat<'a> {
    base: &'a Base,
    accounts: AddressMap<Option<Account>>,
    slots: AddressMap<BTreeMap<U256, U256>>,
    code: B256Map<Bytes>,
    account_history: AddressMap<History>,
    slot_history: HashMap<(Address, U256), History>,
}

impl<'a> Flat<'a> {
    pub fn new(base: &'a Base) -> Self {
        Self {
            base,
            accounts: AddressMap::default(),
            slots: AddressMap::default(),
            code: B256Map::default(),
            account_history: AddressMap::default(),
            slot_history: HashMap::default(),
        }
    }

    /// Takes in the changes of block `number`, with their history, and writes its change set.
    pub fn apply(&mut self, number: u64, changes: &StateChanges, batch: &mut Batch) -> Result<(), StorageError> {
        let mut set = ChangeSet::default();
        for (address, new) in &changes.accounts {
            let before = match self.accounts.get(address) {
                Some(account) => *account,
                None => self.base.flat_account(address)?,
            };
            if before != *new {
                let history = self.account_history.entry(*address).or_default();
                history.push(number, encode_account(before.as_ref()));
                set.accounts.push(*address);
                self.accounts.insert(*address, *new);
            }
        }
        for (address, storage) in &changes.storage {
            let mut slots: BTreeSet<U256> = storage.slots.keys().copied().collect();
            if storage.wiped {
                slots.extend(self.slots_of(address)?);
            }
            for slot in slots {
                let new = storage.slots.get(&slot).copied().unwrap_or_default();
                let before = match self.slots.get(address).and_then(|slots| slots.get(&slot)) {
                    Some(value) => *value,
                    None => self.base.flat_slot(address, &slot)?,
                };
                if before != new {
                    let history = self.slot_history.entry((*address, slot)).or_default();
                    history.push(number, encode_value(&before));
                    set.slots.push((*address, slot));
                    self.slots.entry(*address).or_default().insert(slot, new);
                }
            }
        }
        self.code.extend(changes.code.iter().map(|(hash, code)| (*hash, code.clone())));
        batch.put(tables::CHANGE_SETS, number.to_be_bytes(), set.encode());
        Ok(())
    }

    /// Every slot an account may have: those of the tables, and those of the blocks before.
    fn slots_of(&self, address: &Address) -> Result<BTreeSet<U256>, StorageError> {
        let keys = keys_below(&self.base.kv, tables::SLOTS, address.as_slice())?;
        let mut slots: BTreeSet<U256> = keys.iter().filter_map(|key| U256::try_from_be_slice(key.get(20..)?)).collect();
        slots.extend(self.slots.get(address).into_iter().flat_map(|slots| slots.keys()));
        Ok(slots)
    }

    /// Sets a value without history: for putting back what was.
    pub fn set_account(&mut self, address: Address, account: Option<Account>) {
        self.accounts.insert(address, account);
    }

    /// The same for a slot.
    pub fn set_slot(&mut self, address: Address, slot: U256, value: U256) {
        self.slots.entry(address).or_default().insert(slot, value);
    }

    /// Writes the final values and the history.
    pub fn put(&self, batch: &mut Batch) {
        for (address, history) in &self.account_history {
            let Some(last) = history.last() else { continue };
            batch.put(tables::ACCOUNT_HISTORY, tables::account_history_key(address, last), history.encode());
        }
        for ((address, slot), history) in &self.slot_history {
            let Some(last) = history.last() else { continue };
            batch.put(tables::SLOT_HISTORY, tables::slot_history_key(address, slot, last), history.encode());
        }
        for (address, account) in &self.accounts {
            match account {
                Some(account) => batch.put(tables::ACCOUNTS, address.as_slice(), encode_account(Some(account))),
                None => batch.delete(tables::ACCOUNTS, address.as_slice()),
            }
        }
        for (address, slots) in &self.slots {
            for (slot, value) in slots {
                let key = tables::slot_key(address, slot);
                if value.is_zero() {
                    batch.delete(tables::SLOTS, key);
                } else {
                    batch.put(tables::SLOTS, key, encode_value(value));
                }
            }
        }
        for (hash, code) in &self.code {
            batch.put(tables::CODE, hash.as_slice(), code.as_ref());
        }
    }

    /// Puts the final values into the caches, once they are committed. Only behind the closed gate.
    pub fn publish(self) {
        for (address, account) in self.accounts {
            self.base.accounts.insert(address, account);
        }
        for (address, slots) in self.slots {
            for (slot, value) in slots {
                self.base.slots.insert((address, slot), value);
            }
        }
    }
}

/// Writes trie nodes; returns the keys of nodes that fell to a wipe.
pub(crate) fn put_nodes(kv: &Kv, trie: &TrieChanges, batch: &mut Batch) -> Result<Vec<Vec<u8>>, StorageError> {
    let mut put = |table: Table, key: Vec<u8>, node: &Option<Bytes>| match node {
        Some(node) => batch.put(table, key, node.as_ref()),
        None => batch.delete(table, key),
    };
    let mut wiped = Vec::new();
    for (path, node) in &trie.account_nodes {
        put(tables::ACCOUNT_TRIE, tables::path_key(path), node);
    }
    for (account, storage) in &trie.storage {
        if storage.wiped {
            for key in keys_below(kv, tables::STORAGE_TRIE, account.as_slice())? {
                put(tables::STORAGE_TRIE, key.clone(), &None);
                wiped.push(key);
            }
        }
        for (path, node) in &storage.nodes {
            put(tables::STORAGE_TRIE, tables::storage_node_key(account, path), node);
        }
    }
    Ok(wiped)
}

/// Brings the node caches up to what was committed. Only behind the closed gate.
pub(crate) fn publish_nodes(base: &Base, trie: TrieChanges, wiped: Vec<Vec<u8>>) {
    for key in wiped {
        base.storage_nodes.remove(&key);
    }
    for (path, node) in trie.account_nodes {
        let key = tables::path_key(&path);
        match node {
            Some(node) => base.account_nodes.insert(key, node),
            None => drop(base.account_nodes.remove(&key)),
        }
    }
    for (account, storage) in trie.storage {
        for (path, node) in storage.nodes {
            let key = tables::storage_node_key(&account, &path);
            match node {
                Some(node) => base.storage_nodes.insert(key, node),
                None => drop(base.storage_nodes.remove(&key)),
            }
        }
    }
}
