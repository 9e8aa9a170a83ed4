//! Turns changes of the head, the pool and the sync into what filters and subscriptions want: rendered once, for all of
//! them. It must not know who listens.

use crate::{
    SyncProgress,
    context::{Json, Node, json},
    eth::SyncStatus,
    render::{HeaderJson, TransactionJson, block_logs},
};
use alloy_rpc_types_eth::Log;
use atoll_chain::{ChainEvent, HeadChange};
use atoll_primitives::{Receipt, RecoveredBlock};
use atoll_txpool::PoolTx;
use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

/// Head changes a slow subscriber may be behind before it is cut off. They hold their blocks.
const BACKLOG: usize = 128;
/// Lists of transactions a slow subscriber may be behind before it is cut off.
const TRANSACTION_BACKLOG: usize = 256;
/// Most transactions of one such list.
const TRANSACTIONS: usize = 128;
/// How often filters that nobody polls are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// How often the sync status is looked at.
const SYNC_POLL: Duration = Duration::from_secs(1);

type WithReceipts = (Arc<RecoveredBlock>, Arc<Vec<Receipt>>);

/// A log, with its text from the first subscriber who asks.
pub(crate) struct FeedLog {
    pub(crate) log: Log,
    text: OnceLock<Option<Json>>,
}

impl FeedLog {
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.get_or_init(|| json(&self.log).ok()).as_deref().map(|json| json.get())
    }
}

/// A change of the head; headers and logs are rendered when the first subscriber asks.
pub(crate) struct HeadUpdate {
    /// Newest first.
    reverted: Vec<WithReceipts>,
    /// Oldest first.
    applied: Vec<WithReceipts>,
    headers: OnceLock<Vec<Json>>,
    logs: OnceLock<Vec<Arc<FeedLog>>>,
}

impl HeadUpdate {
    pub(crate) fn new(reverted: Vec<WithReceipts>, applied: Vec<WithReceipts>) -> Self {
        Self { reverted, applied, headers: OnceLock::new(), logs: OnceLock::new() }
    }

    /// The new blocks, oldest first.
    pub(crate) fn applied(&self) -> impl Iterator<Item = &RecoveredBlock> {
        self.applied.iter().map(|(block, _)| &**block)
    }

    /// Their headers, rendered.
    pub(crate) fn headers(&self) -> &[Json] {
        self.headers.get_or_init(|| {
            let render = |block: &RecoveredBlock| json(&HeaderJson { hash: Some(block.hash), header: block.header() });
            self.applied().filter_map(|block| render(block).ok()).collect()
        })
    }

    /// Logs of the blocks taken out, marked as removed, then those of the new ones.
    pub(crate) fn logs(&self) -> &[Arc<FeedLog>] {
        self.logs.get_or_init(|| {
            let removed = self.reverted.iter().flat_map(|(block, receipts)| block_logs(block, receipts, true));
            let new = self.applied.iter().flat_map(|(block, receipts)| block_logs(block, receipts, false));
            removed.chain(new).map(|log| Arc::new(FeedLog { log, text: OnceLock::new() })).collect()
        })
    }
}

/// New transactions of the pool.
pub(crate) struct TransactionsUpdate {
    transactions: Vec<Arc<PoolTx>>,
    hashes: OnceLock<Vec<Json>>,
    full: OnceLock<Vec<Json>>,
}

impl TransactionsUpdate {
    /// Rendered, as hashes or in full.
    pub(crate) fn texts(&self, full: bool) -> &[Json] {
        let render = |tx: &Arc<PoolTx>| match full {
            true => json(&TransactionJson::new(&tx.transaction(), tx.sender, None)).ok(),
            false => json(&tx.hash()).ok(),
        };
        let rendered = if full { &self.full } else { &self.hashes };
        rendered.get_or_init(|| self.transactions.iter().filter_map(render).collect())
    }
}

/// What listeners hear.
#[derive(Clone)]
pub(crate) enum FeedItem {
    /// The head changed.
    Head(Arc<HeadUpdate>),
    /// The node began or ended to catch up; rendered.
    Syncing(Arc<Json>),
    /// Changes were missed: whoever needs them all has to start again.
    Gap,
}

/// Where subscriptions listen.
pub(crate) struct Feed {
    heads: broadcast::Sender<FeedItem>,
    /// Apart from the heads: on a busy network they would wake every other subscriber too.
    transactions: broadcast::Sender<Arc<TransactionsUpdate>>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { heads: broadcast::channel(BACKLOG).0, transactions: broadcast::channel(TRANSACTION_BACKLOG).0 }
    }

    /// Heads and sync status.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<FeedItem> {
        self.heads.subscribe()
    }

    /// Transactions that enter the pool.
    pub(crate) fn transactions(&self) -> broadcast::Receiver<Arc<TransactionsUpdate>> {
        self.transactions.subscribe()
    }
}

/// Runs until the chain closes its events or `stop` changes.
pub(crate) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    let mut events = node.chain.events();
    let mut pending = node.pool.subscribe();
    let mut sweep = tokio::time::interval(SWEEP);
    let mut sync_poll = tokio::time::interval(SYNC_POLL);
    let mut syncing = node.control.syncing().is_some();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(ChainEvent::Head(change)) => on_head(&node, change).await,
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "missed changes of the head; filters and subscriptions are closed");
                    node.filters.clear();
                    // Nobody listening is not an error.
                    let _ = node.feed.heads.send(FeedItem::Gap);
                }
                Err(RecvError::Closed) => return,
            },
            tx = pending.recv() => match tx {
                Ok(tx) => on_transactions(&node, tx, &mut pending),
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "missed pending transactions"),
                Err(RecvError::Closed) => return,
            },
            _ = sweep.tick() => node.filters.expire(Instant::now()),
            _ = sync_poll.tick() => on_sync(&node, &mut syncing),
            _ = stop.changed() => return,
        }
    }
}

async fn on_head(node: &Arc<Node>, change: Arc<HeadChange>) {
    if node.filters.is_empty() && node.feed.heads.receiver_count() == 0 {
        return;
    }
    let node = node.clone();
    let work = move || {
        let pairs = |blocks: &[Arc<RecoveredBlock>], receipts: &[Arc<Vec<Receipt>>]| {
            blocks.iter().cloned().zip(receipts.iter().cloned()).collect()
        };
        let reverted = pairs(&change.reverted, &change.reverted_receipts);
        let applied = pairs(&change.applied, &change.applied_receipts);
        let update = Arc::new(HeadUpdate::new(reverted, applied));
        // Filters first: who hears of a head from a subscription and asks a filter finds it there.
        node.filters.on_head(&update);
        if node.feed.heads.receiver_count() > 0 {
            // Here, where waiting disturbs nobody: the subscribers would all wait for the first of them.
            update.headers();
            let _ = node.feed.heads.send(FeedItem::Head(update));
        }
    };
    if tokio::task::spawn_blocking(work).await.is_err() {
        tracing::error!("a change of the head could not be passed on");
    }
}

fn on_transactions(node: &Node, first: Arc<PoolTx>, rest: &mut broadcast::Receiver<Arc<PoolTx>>) {
    let mut transactions = vec![first];
    while transactions.len() < TRANSACTIONS
        && let Ok(tx) = rest.try_recv()
    {
        transactions.push(tx);
    }
    node.filters.on_transactions(&transactions);
    if node.feed.transactions.receiver_count() > 0 {
        let update = TransactionsUpdate { transactions, hashes: OnceLock::new(), full: OnceLock::new() };
        let _ = node.feed.transactions.send(Arc::new(update));
    }
}

/// Tells of the change from one state to the other, as geth does; not of every step between.
fn on_sync(node: &Node, was: &mut bool) {
    let now = node.control.syncing();
    if now.is_some() != *was {
        *was = now.is_some();
        if let Some(text) = sync_status(now) {
            let _ = node.feed.heads.send(FeedItem::Syncing(Arc::new(text)));
        }
    }
}

/// The sync status as subscribers get it.
pub(crate) fn sync_status(progress: Option<SyncProgress>) -> Option<Json> {
    json(&SyncStatus::from(progress)).ok()
}
