//! Transactions that left the pool into a block and may have to come back after a reorganisation: local ones,
//! because their users were promised they are not lost, and blob ones, because blocks do not hold their sidecars.
//! It must not know blocks.

use crate::PoolTx;
use atoll_primitives::TxHash;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Transactions kept; the oldest go first.
const MAX_TXS: usize = 16_384;
/// Blobs kept; the oldest transactions go first.
const MAX_BLOBS: usize = 128;

#[derive(Debug, Default)]
pub(crate) struct Included {
    order: VecDeque<TxHash>,
    txs: HashMap<TxHash, Arc<PoolTx>>,
    blobs: usize,
}

impl Included {
    pub(crate) fn keep(&mut self, tx: Arc<PoolTx>) {
        if !tx.is_local() && tx.blobs() == 0 {
            return;
        }
        self.blobs += tx.blobs();
        let hash = tx.hash();
        if let Some(old) = self.txs.insert(hash, tx) {
            self.blobs -= old.blobs();
        } else {
            self.order.push_back(hash);
        }
        while self.order.len() > MAX_TXS || (self.blobs > MAX_BLOBS && self.order.len() > 1) {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(old) = self.txs.remove(&oldest) {
                self.blobs -= old.blobs();
            }
        }
    }

    pub(crate) fn get(&self, hash: &TxHash) -> Option<&Arc<PoolTx>> {
        self.txs.get(hash)
    }

    pub(crate) fn locals(&self) -> impl Iterator<Item = &Arc<PoolTx>> {
        self.txs.values().filter(|tx| tx.is_local())
    }
}
