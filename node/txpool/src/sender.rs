//! The transactions of one sender, by nonce. It must not know prices, limits or the other senders.

use crate::PoolTx;
use atoll_primitives::{Account, U256};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// What the pool needs to know of a sender's account.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SenderState {
    pub account: Account,
    pub code: SenderCode,
}

/// What kind of code stands at a sender's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum SenderCode {
    #[default]
    None,
    /// An EIP-7702 delegation.
    Delegated,
    /// A contract: it cannot sign (EIP-3607).
    Contract,
}

/// Pending are the transactions from the account's nonce on, without gap, whose costs together the balance
/// covers; all others are queued.
#[derive(Debug)]
pub(crate) struct SenderTxs {
    pub state: SenderState,
    pub txs: BTreeMap<u64, Arc<PoolTx>>,
    /// How many are pending.
    pub pending: usize,
    /// What the pending ones cost together.
    pub pending_cost: U256,
    /// When a transaction of this sender last arrived or became pending.
    pub beat: Instant,
    /// The block gas limit: what exceeds it waits.
    gas_limit: u64,
    /// Below this nonce every pending transaction was announced. A sender may have thousands: they are not all looked
    /// at for each that comes.
    announced: u64,
}

impl SenderTxs {
    pub(crate) fn new(state: SenderState, gas_limit: u64) -> Self {
        let (txs, beat) = (BTreeMap::new(), Instant::now());
        Self { state, txs, pending: 0, pending_cost: U256::ZERO, beat, gas_limit, announced: 0 }
    }

    /// The first nonce not pending.
    pub(crate) fn next_nonce(&self) -> u64 {
        self.state.account.nonce + self.pending as u64
    }

    pub(crate) fn queued(&self) -> usize {
        self.txs.len() - self.pending
    }

    pub(crate) fn pending_txs(&self) -> impl Iterator<Item = &Arc<PoolTx>> {
        self.txs.values().take(self.pending)
    }

    /// The pending ones that may not have been announced; asked again they are taken for announced.
    pub(crate) fn newly_pending(&mut self) -> impl Iterator<Item = &Arc<PoolTx>> {
        let next = self.next_nonce();
        let from = std::mem::replace(&mut self.announced, next).min(next);
        self.txs.range(from..next).map(|(_, tx)| tx)
    }

    pub(crate) fn queued_txs(&self) -> impl DoubleEndedIterator<Item = &Arc<PoolTx>> {
        self.txs.range(self.next_nonce()..).map(|(_, tx)| tx)
    }

    /// Puts a transaction in; the one it replaces comes back.
    pub(crate) fn insert(&mut self, tx: Arc<PoolTx>) -> Option<Arc<PoolTx>> {
        self.beat = Instant::now();
        self.announced = self.announced.min(tx.nonce());
        let replaced = self.txs.insert(tx.nonce(), tx);
        if replaced.is_some() {
            self.restart();
        } else {
            self.extend();
        }
        replaced
    }

    pub(crate) fn remove(&mut self, nonce: u64) -> Option<Arc<PoolTx>> {
        let was_pending = nonce < self.next_nonce();
        let removed = self.txs.remove(&nonce)?;
        if was_pending {
            self.restart();
        }
        Some(removed)
    }

    /// A new head: what its state makes impossible comes back, the rest is sorted anew. A transaction the balance
    /// no longer covers goes, unless it is local: then it waits.
    pub(crate) fn update(&mut self, state: SenderState, gas_limit: u64) -> Vec<Arc<PoolTx>> {
        (self.state, self.gas_limit) = (state, gas_limit);
        let keep = self.txs.split_off(&state.account.nonce);
        let mut dropped: Vec<_> = std::mem::replace(&mut self.txs, keep).into_values().collect();
        let hopeless = |tx: &PoolTx| !tx.is_local() && tx.cost() > state.account.balance;
        self.txs.retain(|_, tx| {
            let drop = hopeless(tx);
            if drop {
                dropped.push(tx.clone());
            }
            !drop
        });
        self.restart();
        dropped
    }

    fn restart(&mut self) {
        (self.pending, self.pending_cost) = (0, U256::ZERO);
        self.extend();
    }

    fn extend(&mut self) {
        let before = self.pending;
        let mut cost = self.pending_cost;
        for (next, (nonce, tx)) in (self.next_nonce()..).zip(self.txs.range(self.next_nonce()..)) {
            let total = cost.saturating_add(tx.cost());
            let too_big = atoll_primitives::TransactionExt::gas_limit(&tx.tx) > self.gas_limit;
            if *nonce != next || total > self.state.account.balance || too_big {
                break;
            }
            cost = total;
            self.pending += 1;
        }
        self.pending_cost = cost;
        if self.pending > before {
            self.beat = Instant::now();
        }
    }
}
