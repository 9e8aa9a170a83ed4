//! The pool's data under its lock: transactions by sender, by hash and by price. It must not recover signatures,
//! check proofs or write files: all that is slow happens outside the lock.

use crate::{
    PoolConfig, PoolError, PoolTx, admission,
    included::Included,
    sender::{SenderCode, SenderState, SenderTxs},
};
use atoll_primitives::{Address, SealedHeader, TransactionExt as _, TxHash};
use atoll_storage::{StateView, StorageError};
use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Instant,
};

/// Cheapest first; among equals the newest first.
pub(crate) type PriceKey = (u128, u128, Reverse<u64>, TxHash);

pub(crate) struct Inner {
    pub config: PoolConfig,
    pub head: Arc<SealedHeader>,
    pub view: StateView,
    pub senders: HashMap<Address, SenderTxs>,
    pub by_hash: HashMap<TxHash, Arc<PoolTx>>,
    /// Transactions that may be evicted for a better one: all but local ones.
    pub prices: BTreeSet<PriceKey>,
    /// Accounts that pooled EIP-7702 transactions delegate, and how many do.
    pub authorities: HashMap<Address, usize>,
    pub included: Included,
    pub pending: usize,
    pub bytes: usize,
    pub blobs: usize,
    pub last_expiry: Instant,
}

pub(crate) fn price_key(tx: &PoolTx) -> PriceKey {
    (tx.tx.max_fee_per_gas(), tx.tx.priority_fee_or_price(), Reverse(tx.sequence), tx.hash())
}

/// A sender's account in a state.
pub(crate) fn sender_state(view: &StateView, sender: &Address) -> Result<SenderState, StorageError> {
    let account = view.account(sender)?.unwrap_or_default();
    let code = if account.has_code() {
        let code = view.code(&account.code_hash)?;
        // EIP-7702: 0xef0100 and an address.
        if code.len() == 23 && code.starts_with(&[0xef, 0x01, 0x00]) {
            SenderCode::Delegated
        } else {
            SenderCode::Contract
        }
    } else {
        SenderCode::None
    };
    Ok(SenderState { account, code })
}

impl Inner {
    pub(crate) fn new(config: PoolConfig, head: Arc<SealedHeader>, view: StateView) -> Self {
        Self {
            config,
            head,
            view,
            senders: HashMap::new(),
            by_hash: HashMap::new(),
            prices: BTreeSet::new(),
            authorities: HashMap::new(),
            included: Included::default(),
            pending: 0,
            bytes: 0,
            blobs: 0,
            last_expiry: Instant::now(),
        }
    }

    pub(crate) fn queued(&self) -> usize {
        self.by_hash.len() - self.pending
    }

    /// Puts in a transaction that passed the rules that need no state. `known` is the sender's account as read
    /// outside the lock from the same head.
    pub(crate) fn insert(&mut self, tx: Arc<PoolTx>, known: Option<SenderState>) -> Result<(), PoolError> {
        let hash = tx.hash();
        if self.by_hash.contains_key(&hash) {
            return Err(PoolError::AlreadyKnown { hash });
        }
        let list = self.senders.get(&tx.sender);
        let state = match (list, known) {
            (Some(list), _) => list.state,
            (None, Some(state)) => state,
            (None, None) => sender_state(&self.view, &tx.sender)?,
        };
        admission::check(&admission::Case { tx: &tx, state, list, inner: self })?;
        self.make_room(&tx)?;
        let gas_limit = self.head.gas_limit;
        let list = self.senders.entry(tx.sender).or_insert_with(|| SenderTxs::new(state, gas_limit));
        let before = list.pending;
        let replaced = list.insert(tx.clone());
        self.pending = self.pending + list.pending - before;
        if let Some(old) = replaced {
            self.forget(&old);
        }
        self.remember(tx);
        Ok(())
    }

    /// Takes a transaction out; later ones of its sender become queued.
    pub(crate) fn remove(&mut self, hash: &TxHash) -> Option<Arc<PoolTx>> {
        let tx = self.by_hash.get(hash)?.clone();
        if let Some(list) = self.senders.get_mut(&tx.sender) {
            let before = list.pending;
            list.remove(tx.nonce());
            self.pending = self.pending + list.pending - before;
            if list.txs.is_empty() {
                self.senders.remove(&tx.sender);
            }
        }
        self.forget(&tx);
        Some(tx)
    }

    /// Gives a sender its account in the new head's state; what became impossible comes back.
    pub(crate) fn update_sender(&mut self, sender: &Address, state: SenderState) -> Vec<Arc<PoolTx>> {
        let Some(list) = self.senders.get_mut(sender) else { return Vec::new() };
        let before = list.pending;
        let dropped = list.update(state, self.head.header.gas_limit);
        self.pending = self.pending + list.pending - before;
        if list.txs.is_empty() {
            self.senders.remove(sender);
        }
        for tx in &dropped {
            self.forget(tx);
        }
        dropped
    }

    /// Puts another encoding in the place of the same transaction, if that is still here.
    pub(crate) fn exchange(&mut self, tx: PoolTx) {
        let (hash, nonce, tx) = (tx.hash(), tx.nonce(), Arc::new(tx));
        let Some(list) = self.senders.get_mut(&tx.sender) else { return };
        if let Some(slot) = list.txs.get_mut(&nonce).filter(|old| old.hash() == hash) {
            *slot = tx.clone();
            self.by_hash.insert(hash, tx);
        }
    }

    fn remember(&mut self, tx: Arc<PoolTx>) {
        self.bytes += tx.size;
        self.blobs += tx.blobs();
        if !tx.is_local() {
            self.prices.insert(price_key(&tx));
        }
        for authority in &tx.authorities {
            *self.authorities.entry(*authority).or_default() += 1;
        }
        self.by_hash.insert(tx.hash(), tx);
    }

    fn forget(&mut self, tx: &PoolTx) {
        if self.by_hash.remove(&tx.hash()).is_none() {
            return;
        }
        self.bytes -= tx.size;
        self.blobs -= tx.blobs();
        self.prices.remove(&price_key(tx));
        for authority in &tx.authorities {
            if let Some(count) = self.authorities.get_mut(authority) {
                *count -= 1;
                if *count == 0 {
                    self.authorities.remove(authority);
                }
            }
        }
    }

    /// The pending transactions of these senders that were never announced.
    pub(crate) fn newly_pending<'a>(&mut self, senders: impl Iterator<Item = &'a Address>) -> Vec<Arc<PoolTx>> {
        let mut found = Vec::new();
        for sender in senders {
            let Some(list) = self.senders.get_mut(sender) else { continue };
            found.extend(list.newly_pending().filter(|tx| tx.announce_once()).cloned());
        }
        found
    }
}
