//! A new head: what was included goes, what was reverted comes back, the rest is sorted anew. It must not know how
//! the chain chose the head.

use crate::{
    Origin, PoolError, PoolTx, TxPool, blobs,
    inner::sender_state,
    pool::Shared,
    rules::{self, Rules},
    sender::SenderState,
};
use atoll_primitives::{Address, Hardfork, PooledTransaction, RecoveredBlock, SealedHeader, Transaction, TxHash};
use atoll_storage::{StateView, StorageError};
use rayon::prelude::*;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

impl TxPool {
    /// Follows the chain to `head`: `reverted` and `applied` are the blocks that left and joined the canonical
    /// chain. Call it from one place, in the order of the chain's events.
    ///
    /// # Errors
    /// The head's state cannot be read; the pool then still stands at the head before.
    pub fn on_head(
        &self,
        head: &SealedHeader,
        reverted: &[Arc<RecoveredBlock>],
        applied: &[Arc<RecoveredBlock>],
    ) -> Result<(), PoolError> {
        let shared = &*self.shared;
        let view = match shared.storage.state_at(&head.hash)? {
            Some(view) => view,
            // Already buried by newer blocks, whose events are on their way.
            None => shared.storage.head_state(),
        };
        let included: HashSet<TxHash> = hashes(applied).collect();
        let returning = self.returning(reverted, &included);
        let states = self.states(&view, &returning)?;
        let converted = self.convert_sidecars(head);

        let mut inner = shared.inner.write();
        for tx in included.iter().filter_map(|hash| inner.by_hash.get(hash).cloned()).collect::<Vec<_>>() {
            inner.included.keep(tx);
        }
        inner.head = Arc::new(head.clone());
        inner.view = view;
        let senders: Vec<Address> = inner.senders.keys().copied().collect();
        for sender in &senders {
            let state = match states.get(sender) {
                Some(state) => *state,
                // Came in while the states were read.
                None => sender_state(&inner.view, sender)?,
            };
            inner.update_sender(sender, state);
        }
        for tx in converted {
            inner.exchange(tx);
        }
        for tx in returning {
            let (hash, known) = (tx.hash(), states.get(&tx.sender).copied());
            if let Err(reason) = inner.insert(tx, known) {
                tracing::debug!(%hash, %reason, "a transaction of a reverted block does not return to the pool");
            }
        }
        let touched: HashSet<Address> = inner.senders.keys().copied().collect();
        inner.enforce(&touched);
        inner.expire(Instant::now());
        let promoted = inner.newly_pending(touched.iter());
        drop(inner);
        shared.announce(promoted);
        shared.rotate_journal();
        shared.report();
        Ok(())
    }

    /// Transactions of reverted blocks that no applied block holds, ready to go in.
    fn returning(&self, reverted: &[Arc<RecoveredBlock>], included: &HashSet<TxHash>) -> Vec<Arc<PoolTx>> {
        let shared = &*self.shared;
        let inner = shared.inner.read();
        let mut returning = Vec::new();
        for (tx, sender) in reverted.iter().flat_map(|block| block.transactions()) {
            if included.contains(tx.tx_hash()) {
                continue;
            }
            let kept = inner.included.get(tx.tx_hash());
            let origin = kept.map_or(Origin::External, |kept| kept.origin);
            let Some(pooled) = pooled(tx, kept) else { continue };
            // They paid enough for a block already: the price floor is not asked again.
            let rules = Rules { spec: &shared.spec, head: &inner.head, config: &inner.config, origin: Origin::Local };
            if rules::check(&pooled, &rules).is_ok() {
                returning.push(Arc::new(PoolTx::new(pooled, sender, origin, shared.next_sequence())));
            }
        }
        returning
    }

    /// The accounts of all senders, read in parallel outside the lock.
    fn states(
        &self,
        view: &StateView,
        returning: &[Arc<PoolTx>],
    ) -> Result<HashMap<Address, SenderState>, StorageError> {
        let mut senders: HashSet<Address> = self.shared.inner.read().senders.keys().copied().collect();
        senders.extend(returning.iter().map(|tx| tx.sender));
        let senders: Vec<Address> = senders.into_iter().collect();
        senders.into_par_iter().map(|sender| Ok((sender, sender_state(view, &sender)?))).collect()
    }

    /// When Osaka starts, sidecars of version 0 get cell proofs: peers accept nothing else from then on.
    fn convert_sidecars(&self, head: &SealedHeader) -> Vec<PoolTx> {
        let shared = &*self.shared;
        let osaka = |header: &SealedHeader| shared.spec.is_active(Hardfork::Osaka, header.number + 1, header.timestamp);
        let old: Vec<Arc<PoolTx>> = {
            let inner = shared.inner.read();
            if !osaka(head) || osaka(&inner.head) {
                return Vec::new();
            }
            inner.by_hash.values().filter(|tx| blobs::is_version_0(&tx.tx)).cloned().collect()
        };
        let convert = |tx: &Arc<PoolTx>| Some(tx.with_envelope(blobs::with_cell_proofs(tx.tx.clone()).ok()?));
        old.par_iter().filter_map(convert).collect()
    }
}

fn hashes(blocks: &[Arc<RecoveredBlock>]) -> impl Iterator<Item = TxHash> {
    blocks.iter().flat_map(|block| block.transactions()).map(|(tx, _)| *tx.tx_hash())
}

/// The pool's form of a block's transaction; a blob transaction's sidecar comes from `kept` or it is lost.
fn pooled(tx: &Transaction, kept: Option<&Arc<PoolTx>>) -> Option<PooledTransaction> {
    Some(match tx {
        Transaction::Legacy(tx) => PooledTransaction::Legacy(tx.clone()),
        Transaction::Eip2930(tx) => PooledTransaction::Eip2930(tx.clone()),
        Transaction::Eip1559(tx) => PooledTransaction::Eip1559(tx.clone()),
        Transaction::Eip7702(tx) => PooledTransaction::Eip7702(tx.clone()),
        Transaction::Eip4844(_) => kept?.tx.clone(),
    })
}

impl Shared {
    /// Rewrites the journal when most of it is history. Local transactions in recent blocks stay in it: a
    /// reorganisation may return them.
    fn rotate_journal(&self) {
        /// Below this many records a rewrite is not worth its fsync.
        const SLACK: usize = 4096;
        let mut journal = self.journal.lock();
        let Some(journal) = journal.as_mut() else { return };
        if journal.records() < SLACK {
            return;
        }
        let keep: Vec<Arc<PoolTx>> = {
            let inner = self.inner.read();
            let locals = inner.by_hash.values().filter(|tx| tx.is_local());
            let mut keep: Vec<_> = inner.included.locals().chain(locals).cloned().collect();
            keep.sort_unstable_by_key(|tx| tx.sequence);
            keep
        };
        if journal.records() < SLACK + 2 * keep.len() {
            return;
        }
        if let Err(error) = journal.rotate(keep.iter().map(|tx| &tx.tx)) {
            tracing::error!(%error, "the transaction journal cannot be rewritten; it keeps growing");
        }
    }
}
