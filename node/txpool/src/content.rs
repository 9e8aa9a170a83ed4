//! What the pool holds, for `txpool_*`. It must not know JSON.

use crate::{PoolTx, inner::Inner};
use atoll_primitives::Address;
use std::{collections::BTreeMap, sync::Arc};

/// Transactions by sender and nonce.
pub type BySender = BTreeMap<Address, BTreeMap<u64, Arc<PoolTx>>>;

/// Everything in the pool.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Executable in the next blocks.
    pub pending: BySender,
    /// Waiting for a nonce or for balance.
    pub queued: BySender,
}

/// How much is in the pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// Pending transactions.
    pub pending: usize,
    /// Queued transactions.
    pub queued: usize,
}

impl Content {
    pub(crate) fn of<'a>(inner: &'a Inner, senders: impl Iterator<Item = &'a Address>) -> Self {
        let mut content = Self::default();
        for sender in senders {
            let Some(list) = inner.senders.get(sender) else { continue };
            let collect = |txs: &mut dyn Iterator<Item = &Arc<PoolTx>>| -> BTreeMap<u64, Arc<PoolTx>> {
                txs.map(|tx| (tx.nonce(), tx.clone())).collect()
            };
            let (pending, queued) = (collect(&mut list.pending_txs()), collect(&mut list.queued_txs()));
            if !pending.is_empty() {
                content.pending.insert(*sender, pending);
            }
            if !queued.is_empty() {
                content.queued.insert(*sender, queued);
            }
        }
        content
    }
}
