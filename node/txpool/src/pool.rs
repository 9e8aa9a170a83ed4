//! The pool's handle: what the other rooms call. It must not execute transactions or gossip them.

use crate::{
    BestTransactions, Content, Journal, JournalError, Origin, PoolConfig, PoolError, PoolTx, Status, blobs,
    inner::{Inner, price_key, sender_state},
    rules::{self, Rules},
    sender::SenderState,
};
use atoll_primitives::{Address, B256, ChainSpec, PooledTransaction, SealedHeader, SignerRecoverable as _, TxHash};
use atoll_storage::{StateView, Storage};
use parking_lot::{Mutex, RwLock};
use rayon::prelude::*;
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::broadcast;

/// Announcements a slow subscriber may fall behind before it misses some.
const ANNOUNCEMENTS: usize = 32_768;

/// The transaction pool; clones share it. Nothing here is asynchronous, and adding costs CPU time: call `add` and
/// `on_head` off the tokio workers.
#[derive(Clone)]
pub struct TxPool {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub spec: Arc<ChainSpec>,
    pub storage: Storage,
    pub inner: RwLock<Inner>,
    /// Taken before `inner` where both are needed.
    pub journal: Mutex<Option<Journal>>,
    pending: broadcast::Sender<Arc<PoolTx>>,
    sequence: AtomicU64,
}

/// What the slow, lock-free part of an addition worked on.
struct Snapshot {
    head: Arc<SealedHeader>,
    view: StateView,
    config: PoolConfig,
}

impl TxPool {
    /// An empty pool at the chain's head.
    pub fn new(spec: Arc<ChainSpec>, storage: Storage, config: PoolConfig) -> Self {
        let inner = RwLock::new(Inner::new(config, storage.head(), storage.head_state()));
        let (pending, _) = broadcast::channel(ANNOUNCEMENTS);
        let shared = Shared { spec, storage, inner, journal: Mutex::new(None), pending, sequence: AtomicU64::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// Reloads the transactions of a journal and keeps it from now on. Returns how many came back.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn open_journal(&self, path: &Path) -> Result<usize, JournalError> {
        let (journal, txs) = Journal::open(path)?;
        let results = self.add(txs, Origin::Local);
        *self.shared.journal.lock() = Some(journal);
        Ok(results.iter().filter(|result| result.is_ok()).count())
    }

    /// Adds transactions; one answer each, in order. A local one is in the journal when this returns.
    pub fn add(&self, txs: Vec<PooledTransaction>, origin: Origin) -> Vec<Result<TxHash, PoolError>> {
        let shared = &*self.shared;
        let snapshot = shared.snapshot();
        let prepare = |tx| shared.prepare(tx, origin, &snapshot);
        // Waking the workers costs as much as one recovery.
        let prepared: Vec<Result<Arc<PoolTx>, PoolError>> = if txs.len() < 4 {
            txs.into_iter().map(prepare).collect()
        } else {
            txs.into_par_iter().map(prepare).collect()
        };
        let states = shared.states(&prepared, &snapshot);

        let mut inner = shared.inner.write();
        let same_head = inner.head.hash == snapshot.head.hash;
        let mut touched = HashSet::new();
        let mut accepted = Vec::new();
        let mut results = Vec::with_capacity(prepared.len());
        for tx in prepared {
            results.push(tx.and_then(|tx| {
                let known = states.get(&tx.sender).copied().filter(|_| same_head);
                inner.insert(tx.clone(), known)?;
                touched.insert(tx.sender);
                let hash = tx.hash();
                accepted.push(tx);
                Ok(hash)
            }));
        }
        inner.enforce(&touched);
        for result in &mut results {
            if result.as_ref().is_ok_and(|hash| !inner.by_hash.contains_key(hash)) {
                *result = Err(PoolError::PoolFull);
            }
        }
        let promoted = inner.newly_pending(touched.iter());
        drop(inner);
        if origin == Origin::Local {
            shared.journal(&accepted, &mut results);
        }
        shared.announce(promoted);
        shared.report();
        results
    }

    /// The transaction of this hash.
    pub fn get(&self, hash: &TxHash) -> Option<Arc<PoolTx>> {
        self.shared.inner.read().by_hash.get(hash).cloned()
    }

    /// Whether the pool holds this transaction.
    pub fn contains(&self, hash: &TxHash) -> bool {
        self.shared.inner.read().by_hash.contains_key(hash)
    }

    /// The sender of a transaction the pool holds, so that importing its block need not recover it again.
    pub fn sender_of(&self, hash: &TxHash) -> Option<Address> {
        self.shared.inner.read().by_hash.get(hash).map(|tx| tx.sender)
    }

    /// Takes a transaction out; later ones of its sender become queued.
    pub fn remove(&self, hash: &TxHash) -> Option<Arc<PoolTx>> {
        self.shared.inner.write().remove(hash)
    }

    /// The nonce a sender's next transaction should have: after its pending ones.
    pub fn pending_nonce(&self, sender: &Address) -> u64 {
        let pooled = self.shared.inner.read().senders.get(sender).map_or(0, |list| list.next_nonce());
        // The head may be newer than the pool's: the chain is asked first, the pool a moment later.
        let account = self.shared.storage.head_state().account(sender);
        let account = account.inspect_err(|error| tracing::error!(%error, "an account cannot be read"));
        pooled.max(account.ok().flatten().map_or(0, |account| account.nonce))
    }

    /// A snapshot of the pending transactions, best first at this base fee (wei; 0 before London).
    pub fn pending(&self, base_fee: u64) -> BestTransactions {
        let inner = self.shared.inner.read();
        let lists = inner.senders.iter().filter(|(_, list)| list.pending > 0);
        let snapshot = lists.map(|(sender, list)| (*sender, list.pending_txs().cloned().collect())).collect();
        BestTransactions::new(snapshot, base_fee)
    }

    /// Hashes of all pending transactions, in no order: what a new peer is told.
    pub fn pending_hashes(&self) -> Vec<TxHash> {
        let inner = self.shared.inner.read();
        inner.senders.values().flat_map(|list| list.pending_txs()).map(|tx| tx.hash()).collect()
    }

    /// Everything in the pool.
    pub fn content(&self) -> Content {
        let inner = self.shared.inner.read();
        Content::of(&inner, inner.senders.keys())
    }

    /// Everything of one sender.
    pub fn content_from(&self, sender: &Address) -> Content {
        Content::of(&self.shared.inner.read(), std::iter::once(sender))
    }

    /// How much is in the pool.
    pub fn status(&self) -> Status {
        let inner = self.shared.inner.read();
        Status { pending: inner.pending, queued: inner.queued() }
    }

    /// Local transactions in the pool, oldest first.
    pub fn locals(&self) -> Vec<Arc<PoolTx>> {
        let inner = self.shared.inner.read();
        let mut locals: Vec<_> = inner.by_hash.values().filter(|tx| tx.is_local()).cloned().collect();
        locals.sort_unstable_by_key(|tx| tx.sequence);
        locals
    }

    /// Transactions as they become pending, each once. Who falls 32,768 behind misses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<PoolTx>> {
        self.shared.pending.subscribe()
    }

    /// Least tip of remote transactions, in wei per gas.
    pub fn price_limit(&self) -> u128 {
        self.shared.inner.read().config.price_limit
    }

    /// Changes the least tip; remote transactions below it are dropped.
    pub fn set_price_limit(&self, price_limit: u128) {
        let mut inner = self.shared.inner.write();
        inner.config.price_limit = price_limit;
        let cheap = |tx: &&Arc<PoolTx>| price_key(tx).1 < price_limit && !tx.is_local();
        let hashes: Vec<TxHash> = inner.by_hash.values().filter(cheap).map(|tx| tx.hash()).collect();
        hashes.iter().for_each(|hash| drop(inner.remove(hash)));
    }

    /// The block whose state the pool stands on.
    pub fn head(&self) -> B256 {
        self.shared.inner.read().head.hash
    }
}

impl Shared {
    fn snapshot(&self) -> Snapshot {
        let inner = self.inner.read();
        Snapshot { head: inner.head.clone(), view: inner.view.clone(), config: inner.config.clone() }
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// All that needs neither the lock nor the state: rules, signature, blob proofs.
    fn prepare(&self, tx: PooledTransaction, origin: Origin, at: &Snapshot) -> Result<Arc<PoolTx>, PoolError> {
        let hash = *tx.tx_hash();
        if self.inner.read().by_hash.contains_key(&hash) {
            return Err(PoolError::AlreadyKnown { hash });
        }
        let rules = Rules { spec: &self.spec, head: &at.head, config: &at.config, origin };
        let convert = origin == Origin::Local && rules.osaka() && blobs::is_version_0(&tx);
        if convert {
            // Conversion computes proofs: everything cheap comes before it.
            rules::check_before_conversion(&tx, &rules)?;
        } else {
            rules::check(&tx, &rules)?;
        }
        let sender = tx.recover_signer().map_err(|_| PoolError::InvalidSender { hash })?;
        blobs::sidecar_proofs(&tx)?;
        let tx = if convert { blobs::with_cell_proofs(tx)? } else { tx };
        Ok(Arc::new(PoolTx::new(tx, sender, origin, self.next_sequence())))
    }

    /// Accounts of senders the pool does not know yet, each read once. One that cannot be read is left out: the
    /// read under the lock then reports the error.
    fn states(&self, txs: &[Result<Arc<PoolTx>, PoolError>], at: &Snapshot) -> HashMap<Address, SenderState> {
        let senders: HashSet<Address> = {
            let inner = self.inner.read();
            let senders = txs.iter().flatten().map(|tx| tx.sender);
            senders.filter(|sender| !inner.senders.contains_key(sender)).collect()
        };
        senders.into_iter().filter_map(|sender| Some((sender, sender_state(&at.view, &sender).ok()?))).collect()
    }

    /// Writes accepted transactions to the journal; if that fails, their answers become errors.
    fn journal(&self, accepted: &[Arc<PoolTx>], results: &mut [Result<TxHash, PoolError>]) {
        if accepted.is_empty() {
            return;
        }
        let mut journal = self.journal.lock();
        let Some(journal) = journal.as_mut() else { return };
        let Err(error) = journal.append(accepted.iter().map(|tx| &tx.tx)) else { return };
        tracing::error!(%error, "local transactions cannot be journaled");
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(PoolError::Journal(std::io::Error::new(error.kind(), error.to_string())));
        }
    }

    /// Tells subscribers; without any there is no one to tell.
    pub(crate) fn announce(&self, promoted: Vec<Arc<PoolTx>>) {
        for tx in promoted {
            let _ = self.pending.send(tx);
        }
    }

    pub(crate) fn report(&self) {
        let inner = self.inner.read();
        metrics::gauge!("atoll_txpool_pending").set(inner.pending as f64);
        metrics::gauge!("atoll_txpool_queued").set(inner.queued() as f64);
        metrics::gauge!("atoll_txpool_blobs").set(inner.blobs as f64);
    }
}
