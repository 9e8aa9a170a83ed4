//! The tries after a set of changes, with their roots. It must not know where nodes are loaded from.

use super::{
    Source, StateTrie, hashed_all,
    node::{Entry, Link, Preimage, encode_value},
    path_of,
    tree::Trie,
};
use crate::{StorageError, base::decode_account, parallel};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use atoll_primitives::{Address, B256, StateChanges, StorageChanges, U256};
use std::sync::atomic::{AtomicUsize, Ordering};

/// From this many changed keys on a trie is changed on all cores: below, waking other threads costs more than it saves.
const PARALLEL_KEYS: usize = 128;

/// A key that changes.
struct Touched<K> {
    hash: B256,
    key: K,
}

/// Applies `changes` to a state.
///
/// # Errors
/// [`StorageError::Corrupt`] if they do not fit it; the source's failure.
pub(crate) fn state_root(
    source: &dyn Source,
    before: &StateTrie,
    changes: &StateChanges,
) -> Result<StateTrie, StorageError> {
    let storage_only = changes.storage.keys().filter(|address| !changes.accounts.contains_key(*address));
    let touched: Vec<Address> = changes.accounts.keys().chain(storage_only).copied().collect();
    let hashes = hashed_all(touched.iter().map(|address| address.as_slice()));
    let touched = hashes.into_iter().zip(touched).map(|(hash, key)| Touched { hash, key }).collect();
    let change = Change { source, changes, loaded: AtomicUsize::new(0), fresh: AtomicUsize::new(0) };
    let accounts = Trie::new(source, None, before.root().cloned());
    let (root, fresh, loaded) = on_all_cores(accounts, touched, &|trie, account| change.account(trie, &account))?;
    let (fresh, loaded) = (fresh + change.fresh.into_inner(), loaded + change.loaded.into_inner());
    Ok(StateTrie::after(before, root, loaded, fresh, source))
}

/// Changes a trie in many keys and hashes it. Returns its root, the bytes that changed, and those loaded or made.
fn on_all_cores<'t, K: Send>(
    mut trie: Trie<'t>,
    mut touched: Vec<Touched<K>>,
    change: &(impl Fn(&mut Trie<'t>, Touched<K>) -> Result<(), StorageError> + Sync),
) -> Result<(Option<Link>, usize, usize), StorageError> {
    // In key order nodes that lie together load together.
    touched.sort_unstable_by_key(|touched| touched.hash);
    let parts = if touched.len() >= PARALLEL_KEYS { trie.split()? } else { None };
    let mut fresh = 0;
    match parts {
        None => touched.into_iter().try_for_each(|touched| change(&mut trie, touched))?,
        Some(parts) => {
            let mut groups: Vec<Vec<Touched<K>>> = parts.iter().map(|_| Vec::new()).collect();
            for touched in touched {
                groups[usize::from(touched.hash[0] >> 4)].push(touched);
            }
            let work = |(mut part, touched): (Trie<'t>, Vec<Touched<K>>)| -> Result<_, StorageError> {
                touched.into_iter().try_for_each(|touched| change(&mut part, touched))?;
                let fresh = part.hash();
                Ok((part, fresh))
            };
            let done = parallel::each(parts.into_iter().zip(groups).collect(), work);
            let mut changed = Vec::with_capacity(16);
            for part in done {
                let (part, of_part) = part?;
                changed.push(part);
                fresh += of_part;
            }
            trie.join(changed)?;
        }
    }
    fresh += trie.hash();
    let loaded = trie.loaded;
    Ok((trie.into_root(), fresh, loaded))
}

/// What is done to the tries of one state.
struct Change<'c> {
    source: &'c dyn Source,
    changes: &'c StateChanges,
    /// Bytes of storage tries, as those of [`StateTrie`].
    loaded: AtomicUsize,
    fresh: AtomicUsize,
}

impl Change<'_> {
    /// Changes an account in a trie that holds it, and the trie of its storage.
    fn account(&self, accounts: &mut Trie<'_>, account: &Touched<Address>) -> Result<(), StorageError> {
        let (address, path) = (account.key, path_of(&account.hash));
        let preimage = Preimage::Address(address);
        match self.changes.accounts.get(&address) {
            Some(None) => accounts.remove(&path),
            Some(Some(new)) => accounts.set(&path, |old| {
                let (storage, root) = self.storage(account, old.and_then(|old| old.storage.as_deref()))?;
                let value = encode_value(&TrieAccount::new(new.nonce, new.balance, root, new.code_hash));
                Ok(Entry { value, preimage, storage })
            }),
            None => {
                let old = accounts.get(&path)?;
                let (storage, root) = self.storage(account, old.as_ref().and_then(|old| old.storage.as_deref()))?;
                match old {
                    Some(old) => {
                        let value = TrieAccount { storage_root: root, ..decode_account(&old.value)? };
                        accounts.set(&path, |_| Ok(Entry { value: encode_value(&value), preimage, storage }))
                    }
                    None if storage.is_none() => Ok(()),
                    None => Err(StorageError::corrupt(format!("storage of {address} changes without an account"))),
                }
            }
        }
    }

    /// The account's storage trie after its changes, with its root hash.
    fn storage(
        &self,
        account: &Touched<Address>,
        before: Option<&Link>,
    ) -> Result<(Option<Box<Link>>, B256), StorageError> {
        let none = StorageChanges::default();
        let storage = self.changes.storage.get(&account.key).unwrap_or(&none);
        let before = before.filter(|_| !storage.wiped);
        let root = if storage.slots.is_empty() {
            before.cloned()
        } else {
            let slots: Vec<_> = storage.slots.iter().map(|(slot, value)| (B256::from(*slot), *value)).collect();
            let hashes = hashed_all(slots.iter().map(|(slot, _)| slot.as_slice()));
            let slots = hashes.into_iter().zip(slots).map(|(hash, key)| Touched { hash, key }).collect();
            let trie = Trie::new(self.source, Some(account.hash), before.cloned());
            let (root, fresh, loaded) = on_all_cores(trie, slots, &change_slot)?;
            self.fresh.fetch_add(fresh, Ordering::Relaxed);
            self.loaded.fetch_add(loaded, Ordering::Relaxed);
            root
        };
        let hash = root.as_ref().and_then(Link::hash).unwrap_or(EMPTY_ROOT_HASH);
        Ok((root.map(Box::new), hash))
    }
}

fn change_slot(trie: &mut Trie<'_>, slot: Touched<(B256, U256)>) -> Result<(), StorageError> {
    let (path, (key, value)) = (path_of(&slot.hash), slot.key);
    if value.is_zero() {
        return trie.remove(&path);
    }
    let value = encode_value(&value);
    trie.set(&path, |_| Ok(Entry { value, preimage: Preimage::Slot(key), storage: None }))
}
