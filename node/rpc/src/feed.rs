//! Turns changes of the head and the pool into what filters and subscriptions want, once for all of them.

use crate::{
    context::{Json, Node, json},
    render::{HeaderJson, block_logs},
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

/// Head changes a slow subscriber may be behind before it is cut off.
const BACKLOG: usize = 256;
/// How often filters that nobody polls are looked for.
const SWEEP: Duration = Duration::from_secs(30);

type WithReceipts = (Arc<RecoveredBlock>, Arc<Vec<Receipt>>);

/// A change of the head; headers and logs are rendered when the first subscriber asks.
pub(crate) struct HeadUpdate {
    /// Newest first.
    reverted: Vec<WithReceipts>,
    /// Oldest first.
    applied: Vec<WithReceipts>,
    headers: OnceLock<Vec<Json>>,
    logs: OnceLock<Vec<Log>>,
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
    pub(crate) fn logs(&self) -> &[Log] {
        self.logs.get_or_init(|| {
            let removed = self.reverted.iter().flat_map(|(block, receipts)| block_logs(block, receipts, true));
            let new = self.applied.iter().flat_map(|(block, receipts)| block_logs(block, receipts, false));
            removed.chain(new).collect()
        })
    }
}

/// What subscribers hear.
#[derive(Clone)]
pub(crate) enum FeedItem {
    /// The head changed.
    Head(Arc<HeadUpdate>),
    /// Changes were missed: whoever needs them all has to start again.
    Gap,
}

/// Where subscriptions listen.
pub(crate) struct Feed {
    sender: broadcast::Sender<FeedItem>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::channel(BACKLOG).0 }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<FeedItem> {
        self.sender.subscribe()
    }
}

/// Runs until the chain closes its events or `stop` changes.
pub(crate) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    let mut events = node.chain.events();
    let mut pending = node.pool.subscribe();
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(ChainEvent::Head(change)) => on_head(&node, change).await,
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "missed changes of the head; filters and subscriptions are closed");
                    node.filters.clear();
                    // Nobody listening is not an error.
                    let _ = node.feed.sender.send(FeedItem::Gap);
                }
                Err(RecvError::Closed) => return,
            },
            tx = pending.recv() => match tx {
                Ok(tx) => on_transactions(&node, tx, &mut pending),
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "missed pending transactions"),
                Err(RecvError::Closed) => return,
            },
            _ = sweep.tick() => node.filters.expire(Instant::now()),
            _ = stop.changed() => return,
        }
    }
}

async fn on_head(node: &Arc<Node>, change: Arc<HeadChange>) {
    if node.filters.is_empty() && node.feed.sender.receiver_count() == 0 {
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
        node.filters.on_head(&update);
        let _ = node.feed.sender.send(FeedItem::Head(update));
    };
    if tokio::task::spawn_blocking(work).await.is_err() {
        tracing::error!("a change of the head could not be passed on");
    }
}

fn on_transactions(node: &Node, first: Arc<PoolTx>, rest: &mut broadcast::Receiver<Arc<PoolTx>>) {
    let mut batch = vec![first];
    while batch.len() < 1024
        && let Ok(tx) = rest.try_recv()
    {
        batch.push(tx);
    }
    node.filters.on_transactions(&batch);
}
