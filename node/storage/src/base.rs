//! The persisted state under the layers: tables read through bounded caches, so that a view stays consistent
//! while a flush moves the base up. It must not know segments or which block is the head.
//!
//! The rule: the flat value is read first, and only then the target of the flush that may be under way. The
//! target is set before the batch commits. So if a flush passed a view by, the view sees it, and the history
//! written in the same batch gives it the value of its own block.

use crate::{
    StorageError,
    tables::{self, History, decode_account, decode_value},
    trie::WarmTries,
};
use alloy_trie::Nibbles;
use atoll_kv::{Kv, Table};
use atoll_primitives::{Account, Address, B256, Bytes, SealedHeader, U256};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use quick_cache::{Weighter, sync::Cache};
use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Weighs a key of this many bytes, with its value and the cache's own bookkeeping.
#[derive(Clone)]
pub(crate) struct ByBytes;

impl Weighter<B256, Bytes> for ByBytes {
    fn weight(&self, _: &B256, value: &Bytes) -> u64 {
        value.len() as u64 + 96
    }
}

impl Weighter<Vec<u8>, Bytes> for ByBytes {
    fn weight(&self, key: &Vec<u8>, value: &Bytes) -> u64 {
        (key.len() + value.len()) as u64 + 96
    }
}

/// Where a view stands: reads are as of block `anchor`, before the unwind `epoch` + 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub anchor: u64,
    pub epoch: u64,
}

/// Deep reorganisations so far.
#[derive(Default)]
pub(crate) struct Unwinds {
    pub epoch: u64,
    /// (epoch, number unwound to), rising in both: an older unwind that a later one went below says nothing more,
    /// and is dropped.
    reached: Vec<(u64, u64)>,
}

impl Unwinds {
    pub fn push(&mut self, to: u64) {
        self.epoch += 1;
        self.reached.retain(|(_, number)| *number < to);
        self.reached.push((self.epoch, to));
    }

    fn check(&self, stamp: &Stamp) -> Result<(), StorageError> {
        let later = self.reached.iter().find(|(epoch, _)| *epoch > stamp.epoch);
        match later {
            Some((_, to)) if *to < stamp.anchor => Err(StorageError::Unwound { number: stamp.anchor, to: *to }),
            _ => Ok(()),
        }
    }
}

/// The persisted state.
pub(crate) struct Base {
    pub kv: Kv,
    /// Entries leave at the bound those not read for long; a flush puts the new values in.
    pub accounts: Cache<Address, Option<Account>>,
    pub slots: Cache<(Address, U256), U256>,
    pub code: Cache<B256, Bytes, ByBytes>,
    /// By the key in their table; those of storage tries are longer than any path.
    pub account_nodes: Cache<Vec<u8>, Bytes, ByBytes>,
    pub storage_nodes: Cache<Vec<u8>, Bytes, ByBytes>,
    /// Named by their content: they need no care when the base moves.
    pub warm: WarmTries,
    /// Readers hold it from the flat read to the history read. Whoever changes the caches, or takes history away,
    /// holds it alone.
    gate: RwLock<Unwinds>,
    /// Number of the block a flush moves, or moved, the base to.
    target_number: AtomicU64,
    target: RwLock<Arc<SealedHeader>>,
    /// Number of the oldest block whose state is kept, raised before the history below goes.
    oldest_state: AtomicU64,
}

impl Base {
    /// `cache_bytes` is shared out among the caches.
    pub fn new(kv: Kv, base: Arc<SealedHeader>, cache_bytes: usize) -> Self {
        // An account or slot takes about this much in a cache.
        let items = cache_bytes / 8 / 160;
        let weighted = |bytes: usize| Cache::with_weighter((bytes / 512).max(16), (bytes as u64).max(1 << 16), ByBytes);
        Self {
            kv,
            accounts: Cache::new(items.max(64)),
            slots: Cache::new(items.max(64)),
            code: Cache::with_weighter(
                (cache_bytes / 16 / 8192).max(16),
                (cache_bytes as u64 / 16).max(1 << 16),
                ByBytes,
            ),
            account_nodes: weighted(cache_bytes / 16),
            storage_nodes: weighted(cache_bytes / 16),
            warm: WarmTries::new(cache_bytes / 2),
            gate: RwLock::new(Unwinds::default()),
            target_number: AtomicU64::new(base.number),
            target: RwLock::new(base),
            oldest_state: AtomicU64::new(0),
        }
    }

    /// Announces where a flush is about to move the base, before it commits.
    pub fn set_target(&self, target: Arc<SealedHeader>) {
        let mut current = self.target.write();
        self.target_number.store(target.number, Ordering::SeqCst);
        *current = target;
    }

    /// Number of the oldest block whose state is kept.
    pub fn oldest_state(&self) -> u64 {
        self.oldest_state.load(Ordering::SeqCst)
    }

    /// Announces it, before the history of older ones goes.
    pub fn set_oldest_state(&self, number: u64) {
        self.oldest_state.store(number, Ordering::SeqCst);
    }

    /// Whether the state after this block is kept. Asked again after history was read: it may have gone meanwhile.
    pub fn check_kept(&self, number: u64) -> Result<(), StorageError> {
        let oldest = self.oldest_state();
        if number < oldest { Err(StorageError::Pruned { number, oldest }) } else { Ok(()) }
    }

    /// Number of the block the base stands on or is moving to.
    pub fn target_number(&self) -> u64 {
        self.target_number.load(Ordering::SeqCst)
    }

    /// Where the base stands or is moving to, if that lies above `anchor`.
    pub fn target_above(&self, anchor: u64) -> Option<Arc<SealedHeader>> {
        (self.target_number() > anchor).then(|| Arc::clone(&self.target.read()))
    }

    /// Keeps readers out, to change the caches and what was unwound.
    pub fn close_gate(&self) -> RwLockWriteGuard<'_, Unwinds> {
        self.gate.write()
    }

    /// How many unwinds there were: goes into a view's stamp.
    pub fn epoch(&self) -> u64 {
        self.gate.read().epoch
    }

    fn enter(&self, stamp: &Stamp) -> Result<RwLockReadGuard<'_, Unwinds>, StorageError> {
        let gate = self.gate.read();
        gate.check(stamp)?;
        Ok(gate)
    }

    /// An account as of the stamp; `passed` says whether a flush to that block changed other keys than the
    /// reader's own layers hold.
    pub fn account(
        &self,
        stamp: &Stamp,
        address: &Address,
        passed: impl Fn(&SealedHeader) -> bool,
    ) -> Result<Option<Account>, StorageError> {
        let _gate = self.enter(stamp)?;
        let flat = self.flat_account(address)?;
        if self.target_above(stamp.anchor).is_some_and(|target| passed(&target)) {
            let start = tables::account_history_key(address, stamp.anchor + 1);
            let end = tables::account_history_key(address, u64::MAX);
            let before = self.before(tables::ACCOUNT_HISTORY, stamp.anchor + 1, &start, &end)?;
            self.check_kept(stamp.anchor)?;
            if let Some(before) = before {
                return decode_account(&before);
            }
        }
        Ok(flat)
    }

    /// A slot as of the stamp; `passed` as for `account`.
    pub fn slot(
        &self,
        stamp: &Stamp,
        address: &Address,
        slot: &U256,
        passed: impl Fn(&SealedHeader) -> bool,
    ) -> Result<U256, StorageError> {
        let _gate = self.enter(stamp)?;
        let flat = self.flat_slot(address, slot)?;
        if self.target_above(stamp.anchor).is_some_and(|target| passed(&target)) {
            let start = tables::slot_history_key(address, slot, stamp.anchor + 1);
            let end = tables::slot_history_key(address, slot, u64::MAX);
            let before = self.before(tables::SLOT_HISTORY, stamp.anchor + 1, &start, &end)?;
            self.check_kept(stamp.anchor)?;
            if let Some(before) = before {
                return decode_value(&before);
            }
        }
        Ok(flat)
    }

    /// The value before the first block from `block` on that changed the key whose rows lie between `start` and `end`.
    fn before(&self, table: Table, block: u64, start: &[u8], end: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.kv.range(table, Bound::Included(start), Bound::Included(end), false, 1)?;
        let Some((_, row)) = found.into_iter().next() else { return Ok(None) };
        let missing = || StorageError::corrupt(format!("a row of history from block {block} on has no such block"));
        Ok(Some(History::decode(&row)?.at(block).ok_or_else(missing)?.to_vec()))
    }

    /// A node of the base's account trie. Whether it is the reader's too is for `trie_passed` to tell afterwards.
    pub fn account_node(&self, stamp: &Stamp, path: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        let _gate = self.enter(stamp)?;
        self.node(&self.account_nodes, tables::ACCOUNT_TRIE, tables::path_key(path))
    }

    /// A node of a storage trie of the base.
    pub fn storage_node(&self, stamp: &Stamp, account: &B256, path: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        let _gate = self.enter(stamp)?;
        self.node(&self.storage_nodes, tables::STORAGE_TRIE, tables::storage_node_key(account, path))
    }

    fn node(
        &self,
        cache: &Cache<Vec<u8>, Bytes, ByBytes>,
        table: Table,
        key: Vec<u8>,
    ) -> Result<Option<Bytes>, StorageError> {
        if let Some(node) = cache.get(&key) {
            return Ok(Some(node));
        }
        let node = self.kv.get(table, &key)?.map(Bytes::from);
        if let Some(node) = &node {
            cache.insert(key, node.clone());
        }
        Ok(node)
    }

    /// An account as of the base. Only under the gate, or where nothing else can move the base.
    pub fn flat_account(&self, address: &Address) -> Result<Option<Account>, StorageError> {
        if let Some(account) = self.accounts.get(address) {
            return Ok(account);
        }
        let account = decode_account(&self.kv.get(tables::ACCOUNTS, address.as_slice())?.unwrap_or_default())?;
        self.accounts.insert(*address, account);
        Ok(account)
    }

    /// A slot as of the base, under the same condition.
    pub fn flat_slot(&self, address: &Address, slot: &U256) -> Result<U256, StorageError> {
        if let Some(value) = self.slots.get(&(*address, *slot)) {
            return Ok(value);
        }
        let value = decode_value(&self.kv.get(tables::SLOTS, &tables::slot_key(address, slot))?.unwrap_or_default())?;
        self.slots.insert((*address, *slot), value);
        Ok(value)
    }

    /// Forgets what was cached of the state. Only behind the closed gate.
    pub fn clear_caches(&self) {
        self.accounts.clear();
        self.slots.clear();
        self.account_nodes.clear();
        self.storage_nodes.clear();
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
