//! The persisted state under the layers: the log of its nodes, the code, and from which block on it is kept. It must not know
//! segments or which block is the head.

use crate::{
    StorageError,
    statelog::{NodePos, StateLog},
    tables,
};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use atoll_kv::Kv;
use atoll_primitives::{Account, Address, B256, Bytes, U256, keccak256};
use quick_cache::{Weighter, sync::Cache};
use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Weighs code by its bytes, with the cache's own bookkeeping.
#[derive(Clone)]
pub(crate) struct ByBytes;

impl Weighter<B256, Bytes> for ByBytes {
    fn weight(&self, _: &B256, value: &Bytes) -> u64 {
        value.len() as u64 + 96
    }
}

/// The state after one persisted block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateRoot {
    /// Number of the block.
    pub number: u64,
    /// Root of its account trie; absent for a state without accounts.
    pub root: Option<NodePos>,
}

/// The persisted state.
pub(crate) struct Base {
    pub kv: Kv,
    pub log: StateLog,
    /// Entries leave at the bound those not read for long.
    code: Cache<B256, Bytes, ByBytes>,
    /// Accounts of a state, named by its root hash, with the root hashes of their storage; and slots of a storage trie, named
    /// by its own. What is named so never changes. Walking the trie each time would cost a call several times what it does.
    pub accounts: Cache<(B256, Address), Option<(Account, B256)>>,
    pub slots: Cache<(B256, U256), U256>,
    /// Bytes of trie nodes that stay in memory for the next block.
    pub warm_bytes: usize,
    /// Number of the oldest block whose state is kept, raised before those below go.
    oldest_state: AtomicU64,
    /// A flush failed when its batch was to be written: the tables may or may not say how far it swept.
    pub sweep_in_doubt: AtomicBool,
}

impl Base {
    /// Over tables that are there, and the log in `dir`. `cache_bytes` is shared out among the caches.
    pub fn open(kv: Kv, dir: &Path, file_bytes: u64, cache_bytes: usize) -> Result<Self, StorageError> {
        let end = kv.get(tables::META, tables::META_STATE)?;
        let end = end.ok_or_else(|| StorageError::corrupt("row `state` is missing").in_table(tables::META))?;
        let end = tables::decode_u64(&end).map_err(|error| error.in_table(tables::META))?;
        let code_bytes = cache_bytes / 24;
        // An entry takes some 200 bytes.
        let flat_items = (cache_bytes / 24 / 200).max(64);
        Ok(Self {
            kv,
            log: StateLog::open(dir, end, file_bytes, cache_bytes / 3 * 2)?,
            code: Cache::with_weighter((code_bytes / 8192).max(16), (code_bytes as u64).max(1 << 16), ByBytes),
            accounts: Cache::new(flat_items),
            slots: Cache::new(flat_items),
            warm_bytes: cache_bytes / 24 * 7,
            oldest_state: AtomicU64::new(0),
            sweep_in_doubt: AtomicBool::new(false),
        })
    }

    /// The state after the canonical block of this number, which must be persisted.
    pub fn state_root(&self, number: u64) -> Result<StateRoot, StorageError> {
        let row = self.kv.get(tables::STATE_ROOTS, &number.to_be_bytes())?;
        let missing = || StorageError::corrupt(format!("block {number} has no row")).in_table(tables::STATE_ROOTS);
        let root = tables::decode_state_root(&row.ok_or_else(missing)?)
            .map_err(|error| error.in_table(tables::STATE_ROOTS))?;
        Ok(StateRoot { number, root })
    }

    /// Number of the oldest block whose state is kept.
    pub fn oldest_state(&self) -> u64 {
        self.oldest_state.load(Ordering::SeqCst)
    }

    /// Announces it, before older ones go.
    pub fn set_oldest_state(&self, number: u64) {
        self.oldest_state.store(number, Ordering::SeqCst);
    }

    /// Whether the state after this block is kept.
    pub fn check_kept(&self, number: u64) -> Result<(), StorageError> {
        let oldest = self.oldest_state();
        if number < oldest { Err(StorageError::Pruned { number, oldest }) } else { Ok(()) }
    }

    /// What a header has to say of a state.
    pub fn root_hash(&self, state: &StateRoot) -> Result<B256, StorageError> {
        let root = self.kept(state, state.root.map(|root| self.log.node(root)).transpose())?;
        Ok(root.map_or(EMPTY_ROOT_HASH, |root| keccak256(root.rlp())))
    }

    /// Root of the storage trie of the account whose hashed address this is.
    pub fn storage_root(&self, state: &StateRoot, account: &Nibbles) -> Result<Option<NodePos>, StorageError> {
        let leaf = self.kept(state, self.log.leaf(state.root, account))?;
        Ok(leaf.as_ref().and_then(|leaf| leaf.as_leaf()).and_then(|leaf| leaf.storage))
    }

    /// What was read of a state. Without the file it stands in, it may be that it is kept no longer.
    pub fn kept<T>(&self, state: &StateRoot, read: Result<T, StorageError>) -> Result<T, StorageError> {
        self.check_kept(state.number)?;
        read
    }

    /// Code that is persisted; it never changes.
    pub fn code(&self, hash: &B256) -> Result<Option<Bytes>, StorageError> {
        if let Some(code) = self.code.get(hash) {
            return Ok(Some(code));
        }
        let code = self.kv.get(tables::CODE, hash.as_slice())?.map(Bytes::from);
        if let Some(code) = &code {
            self.code.insert(*hash, code.clone());
        }
        Ok(code)
    }
}

/// A leaf of the account trie.
pub(crate) fn decode_account(mut value: &[u8]) -> Result<TrieAccount, StorageError> {
    TrieAccount::decode(&mut value).map_err(|error| StorageError::corrupt(format!("leaf of an account: {error}")))
}

/// A leaf of a storage trie.
pub(crate) fn decode_slot(mut value: &[u8]) -> Result<U256, StorageError> {
    U256::decode(&mut value).map_err(|error| StorageError::corrupt(format!("leaf of a slot: {error}")))
}
