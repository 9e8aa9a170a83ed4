//! What the pool gives up when it is full. Local transactions are exempt from all but the pool's own size.
//! It must not know rules of transactions.

use crate::{PoolError, PoolTx, inner::Inner};
use atoll_primitives::{Address, TransactionExt as _, TxHash};
use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

/// How often queued transactions are looked through for old ones.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

impl Inner {
    fn is_full(&self, tx: &PoolTx) -> bool {
        let count = self.by_hash.len() + 1 > self.config.global_slots + self.config.global_queue;
        count || self.bytes + tx.size > self.config.max_bytes
    }

    /// Evicts the cheapest transactions until `tx` fits. A remote one must pay more than those it displaces.
    pub(crate) fn make_room(&mut self, tx: &PoolTx) -> Result<(), PoolError> {
        while self.is_full(tx) {
            let Some((fee_cap, .., hash)) = self.prices.first().copied() else { return Err(PoolError::PoolFull) };
            let pays_more = tx.tx.max_fee_per_gas() > fee_cap;
            if !tx.is_local() && !pays_more {
                return Err(PoolError::CheapestInPool { fee_cap });
            }
            self.remove(&hash);
        }
        Ok(())
    }

    /// Brings pending and queued counts under their limits again, after additions by these senders.
    pub(crate) fn enforce(&mut self, senders: &HashSet<Address>) {
        senders.iter().for_each(|sender| self.trim_sender_queue(sender));
        self.trim_pending();
        self.trim_queue();
    }

    /// The highest nonces go first: they would run last.
    fn trim_sender_queue(&mut self, sender: &Address) {
        let Some(list) = self.senders.get(sender) else { return };
        let excess = list.queued().saturating_sub(self.config.account_queue);
        let remote = list.queued_txs().rev().filter(|tx| !tx.is_local()).take(excess);
        let hashes: Vec<TxHash> = remote.map(|tx| tx.hash()).collect();
        hashes.iter().for_each(|hash| drop(self.remove(hash)));
    }

    /// Senders with most pending transactions give up their last ones, down to the slots each may keep.
    fn trim_pending(&mut self) {
        while self.pending > self.config.global_slots {
            let excess = self.pending - self.config.global_slots;
            let slots = self.config.account_slots;
            let removable = |sender: &Address| -> usize {
                self.senders.get(sender).map_or(0, |list| {
                    let over = list.pending.saturating_sub(slots);
                    list.pending_txs().skip(list.pending - over).filter(|tx| !tx.is_local()).count()
                })
            };
            let worst = self.senders.keys().map(|sender| (removable(sender), *sender)).max();
            let Some((count @ 1.., sender)) = worst else { return };
            // A tenth at a time: other senders become the worst in between.
            let step = count.min(excess).div_ceil(10);
            let Some(list) = self.senders.get(&sender) else { return };
            let last = list.txs.values().take(list.pending).rev().filter(|tx| !tx.is_local()).take(step);
            let hashes: Vec<TxHash> = last.map(|tx| tx.hash()).collect();
            hashes.iter().for_each(|hash| drop(self.remove(hash)));
        }
    }

    /// Senders not heard of for longest lose their queued transactions first.
    fn trim_queue(&mut self) {
        let mut excess = self.queued().saturating_sub(self.config.global_queue);
        if excess == 0 {
            return;
        }
        let waiting = self.senders.iter().filter(|(_, list)| list.queued() > 0);
        let mut by_age: Vec<(Instant, Address)> = waiting.map(|(sender, list)| (list.beat, *sender)).collect();
        by_age.sort_unstable();
        for (_, sender) in by_age {
            let Some(list) = self.senders.get(&sender) else { continue };
            let remote = list.queued_txs().rev().filter(|tx| !tx.is_local()).take(excess);
            let hashes: Vec<TxHash> = remote.map(|tx| tx.hash()).collect();
            excess -= hashes.len();
            hashes.iter().for_each(|hash| drop(self.remove(hash)));
            if excess == 0 {
                return;
            }
        }
    }

    /// Drops queued transactions of senders not heard of for the configured lifetime.
    pub(crate) fn expire(&mut self, now: Instant) {
        if now.duration_since(self.last_expiry) < EXPIRY_INTERVAL.min(self.config.lifetime) {
            return;
        }
        self.last_expiry = now;
        let old = self.senders.values().filter(|list| now.duration_since(list.beat) >= self.config.lifetime);
        let remote = old.flat_map(|list| list.queued_txs()).filter(|tx| !tx.is_local());
        let hashes: Vec<TxHash> = remote.map(|tx| tx.hash()).collect();
        if !hashes.is_empty() {
            tracing::debug!(count = hashes.len(), "queued transactions expired");
        }
        hashes.iter().for_each(|hash| drop(self.remove(hash)));
    }
}
