//! Pending transactions in the order a miner wants them. It must not know the pool: it works on a snapshot.

use crate::PoolTx;
use atoll_primitives::{Address, TransactionExt as _};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
    vec,
};

/// Best effective tip first, oldest first among equals; a sender's transactions in nonce order.
#[derive(Debug)]
pub struct BestTransactions {
    /// The next transaction of each sender not yet exhausted: tip, age, place in `senders`.
    heap: BinaryHeap<(u128, Reverse<u64>, usize)>,
    senders: Vec<SenderRun>,
    places: HashMap<Address, usize>,
    /// The sender of the last transaction given out; its next one enters the heap only when asked for, so that
    /// `mark_invalid` comes in time.
    last: Option<usize>,
    base_fee: u64,
    blob_fee: Option<u128>,
}

#[derive(Debug)]
struct SenderRun {
    next: Option<Arc<PoolTx>>,
    rest: vec::IntoIter<Arc<PoolTx>>,
}

impl BestTransactions {
    /// Over the pending transactions of each sender, in nonce order.
    pub(crate) fn new(snapshot: Vec<(Address, Vec<Arc<PoolTx>>)>, base_fee: u64) -> Self {
        let mut this = Self {
            heap: BinaryHeap::with_capacity(snapshot.len()),
            senders: Vec::with_capacity(snapshot.len()),
            places: HashMap::with_capacity(snapshot.len()),
            last: None,
            base_fee,
            blob_fee: None,
        };
        for (place, (sender, txs)) in snapshot.into_iter().enumerate() {
            this.places.insert(sender, place);
            this.senders.push(SenderRun { next: None, rest: txs.into_iter() });
            this.advance(place);
        }
        this
    }

    /// Leaves out blob transactions that do not pay this blob base fee (wei per blob gas).
    #[must_use]
    pub fn with_blob_fee(mut self, fee: u128) -> Self {
        self.blob_fee = Some(fee);
        self
    }

    /// Gives no further transactions of this sender: one of them failed, and the later ones build on it.
    pub fn mark_invalid(&mut self, sender: &Address) {
        if let Some(place) = self.places.get(sender).copied() {
            self.close(place);
        }
    }

    fn close(&mut self, place: usize) {
        if let Some(run) = self.senders.get_mut(place) {
            (run.next, run.rest) = (None, Vec::new().into_iter());
        }
        if self.last == Some(place) {
            self.last = None;
        }
    }

    /// Puts the sender's next transaction into the heap. One that does not pay the base fee ends the sender's run.
    fn advance(&mut self, place: usize) {
        let Some(run) = self.senders.get_mut(place) else { return };
        run.next = run.rest.next();
        if let Some(tx) = &run.next
            && let Some(tip) = tx.effective_tip(self.base_fee)
        {
            self.heap.push((tip, Reverse(tx.sequence), place));
        }
    }

    fn pays_blob_fee(&self, tx: &PoolTx) -> bool {
        match (tx.tx.max_fee_per_blob_gas(), self.blob_fee) {
            (Some(cap), Some(fee)) => cap >= fee,
            _ => true,
        }
    }
}

impl Iterator for BestTransactions {
    type Item = Arc<PoolTx>;

    fn next(&mut self) -> Option<Arc<PoolTx>> {
        if let Some(place) = self.last.take() {
            self.advance(place);
        }
        loop {
            let (.., place) = self.heap.pop()?;
            let Some(tx) = self.senders.get_mut(place).and_then(|run| run.next.take()) else { continue };
            if self.pays_blob_fee(&tx) {
                self.last = Some(place);
                return Some(tx);
            }
            self.close(place);
        }
    }
}
