//! The state root after a set of changes, and the nodes that change with it.

use super::{
    NodeChanges, NodeSource, StorageTrieChanges, TrieChanges, WarmTries, hashed_path, path_of,
    tree::{Committed, ReadNode, Trie},
};
use crate::{StorageError, parallel};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use atoll_primitives::{Address, B256, StateChanges, StorageChanges, U256, keccak256, primitives::map::B256Map};
use rayon::prelude::*;

/// From this many changed accounts on the account trie is changed on all cores.
const PARALLEL_ACCOUNTS: usize = 128;
/// Below this many changed slots waking other threads costs more than it saves.
const PARALLEL_SLOTS: usize = 32;

/// An account that changes, and its leaf before.
struct Touched {
    address: Address,
    hash: B256,
    old: Option<TrieAccount>,
}

/// Whether a state is needed again after its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parent {
    /// Others may build on it: its loaded nodes are copied where they change.
    Stays,
    /// The chain moves on: its loaded nodes are changed in place.
    Passes,
}

/// Applies `changes` to the state with root `root`.
pub(crate) fn state_root(
    source: &dyn NodeSource,
    root: B256,
    changes: &StateChanges,
    parent: Parent,
) -> Result<(B256, TrieChanges), StorageError> {
    let read = |path: &_| source.account_node(path);
    let mut accounts = open(source, root, parent, &read);
    let mut touched = touched(changes);
    let change = Change { source, changes, parent };
    let parts = if touched.len() >= PARALLEL_ACCOUNTS { accounts.split(&read)? } else { None };
    let (storage, mut nodes) = match parts {
        Some(parts) => change.side_by_side(&mut accounts, parts, touched)?,
        None => (change.accounts(&mut accounts, &mut touched)?, NodeChanges::default()),
    };
    let (root, own) = keep(source, root, accounts.commit());
    nodes.extend(own);
    Ok((root, TrieChanges { account_nodes: nodes, storage }))
}

/// What is done to the tries of one state.
struct Change<'c> {
    source: &'c dyn NodeSource,
    changes: &'c StateChanges,
    parent: Parent,
}

impl Change<'_> {
    /// Changes the parts of the account trie on all cores, and puts them together again.
    fn side_by_side(
        &self,
        accounts: &mut Trie<'_>,
        parts: Vec<Trie<'_>>,
        touched: Vec<Touched>,
    ) -> Result<(B256Map<StorageTrieChanges>, NodeChanges), StorageError> {
        let mut groups: Vec<Vec<Touched>> = (0..parts.len()).map(|_| Vec::new()).collect();
        for account in touched {
            groups[usize::from(account.hash[0] >> 4)].push(account);
        }
        let work = |(mut part, mut touched): (Trie<'_>, Vec<Touched>)| -> Result<_, StorageError> {
            let storage = self.accounts(&mut part, &mut touched)?;
            Ok((part.finish(), storage))
        };
        let mut storage = B256Map::default();
        let mut changed = Vec::with_capacity(16);
        for done in parallel::each(parts.into_iter().zip(groups).collect(), work) {
            let (part, of_part) = done?;
            changed.push(part);
            storage.extend(of_part);
        }
        Ok((storage, accounts.join(changed)?))
    }

    /// Changes these accounts in a trie that holds them, and the tries of their storage.
    fn accounts(
        &self,
        accounts: &mut Trie<'_>,
        touched: &mut [Touched],
    ) -> Result<B256Map<StorageTrieChanges>, StorageError> {
        for account in touched.iter_mut() {
            let leaf = accounts.get(&path_of(&account.hash))?;
            account.old = leaf.map(|mut rlp| TrieAccount::decode(&mut rlp)).transpose().map_err(|err| {
                StorageError::corrupt(format!("leaf of account {} in the account trie: {err}", account.address))
            })?;
        }
        let changes = self.changes;
        let changed = touched.iter().filter_map(|account| changes.storage.get(&account.address));
        let (tries, slots) = changed.fold((0, 0), |(tries, slots), change| (tries + 1, slots + change.slots.len()));
        let storage_of = |account: &Touched| storage_root(self.source, account, changes, self.parent);
        let storages: Vec<_> = if slots >= PARALLEL_SLOTS && tries > 1 {
            touched.par_iter().map(storage_of).collect::<Result<_, _>>()?
        } else {
            touched.iter().map(storage_of).collect::<Result<_, _>>()?
        };
        let mut trie = B256Map::default();
        for (account, (storage_root, storage)) in touched.iter().zip(storages) {
            if storage.wiped || !storage.nodes.is_empty() {
                trie.insert(account.hash, storage);
            }
            let key = path_of(&account.hash);
            match leaf(account, storage_root, changes)? {
                Some(leaf) => accounts.insert(key, alloy_rlp::encode(leaf))?,
                None => accounts.remove(&key)?,
            }
        }
        Ok(trie)
    }
}

/// The trie with this root, as far as it is loaded from the block before.
fn open<'a>(source: &dyn NodeSource, root: B256, parent: Parent, read: &'a ReadNode<'a>) -> Trie<'a> {
    let find = |warm: &WarmTries| if parent == Parent::Stays { warm.get(&root) } else { warm.take(&root) };
    match source.warm().and_then(find) {
        Some((link, weight)) => Trie::warm(link, weight, read),
        None => Trie::open(root, read),
    }
}

/// Keeps the new trie for the next block.
fn keep(source: &dyn NodeSource, before: B256, committed: Committed) -> (B256, NodeChanges) {
    if let (Some(warm), Some((link, weight))) = (source.warm(), committed.loaded) {
        warm.put(committed.root, before, link, weight);
    }
    (committed.root, committed.nodes)
}

fn touched(changes: &StateChanges) -> Vec<Touched> {
    let storage_only = changes.storage.keys().filter(|address| !changes.accounts.contains_key(*address));
    let mut touched = Vec::with_capacity(changes.accounts.len());
    for address in changes.accounts.keys().chain(storage_only) {
        touched.push(Touched { address: *address, hash: keccak256(address), old: None });
    }
    // In key order nodes that lie together load together.
    touched.sort_unstable_by_key(|account| account.hash);
    touched
}

/// The account's new leaf; `None` when there is no account any more.
fn leaf(account: &Touched, storage_root: B256, changes: &StateChanges) -> Result<Option<TrieAccount>, StorageError> {
    match changes.accounts.get(&account.address) {
        Some(None) => Ok(None),
        Some(Some(new)) => Ok(Some(TrieAccount::new(new.nonce, new.balance, storage_root, new.code_hash))),
        None => match account.old {
            Some(old) => Ok(Some(TrieAccount { storage_root, ..old })),
            None if storage_root == EMPTY_ROOT_HASH => Ok(None),
            None => Err(StorageError::corrupt(format!("storage of {} changes without an account", account.address))),
        },
    }
}

fn storage_root(
    source: &dyn NodeSource,
    account: &Touched,
    changes: &StateChanges,
    parent: Parent,
) -> Result<(B256, StorageTrieChanges), StorageError> {
    let old_root = account.old.as_ref().map_or(EMPTY_ROOT_HASH, |old| old.storage_root);
    let removed = matches!(changes.accounts.get(&account.address), Some(None));
    let none = StorageChanges::default();
    let storage = changes.storage.get(&account.address).unwrap_or(&none);
    // Where no storage was there is nothing to wipe, and no range of nodes to look for.
    let wiped = (removed || storage.wiped) && old_root != EMPTY_ROOT_HASH;
    if removed {
        return Ok((EMPTY_ROOT_HASH, StorageTrieChanges { wiped, ..Default::default() }));
    }
    let read = |path: &_| source.storage_node(&account.hash, path);
    let before = if wiped { EMPTY_ROOT_HASH } else { old_root };
    let mut trie = open(source, before, parent, &read);
    for (slot, value) in &storage.slots {
        let key = hashed_path(&slot.to_be_bytes::<32>());
        if *value == U256::ZERO { trie.remove(&key)? } else { trie.insert(key, alloy_rlp::encode(value))? }
    }
    let (root, nodes) = keep(source, before, trie.commit());
    Ok((root, StorageTrieChanges { wiped, nodes }))
}
