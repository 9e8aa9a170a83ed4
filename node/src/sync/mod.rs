//! Connects network, chain and pool: imports what peers gossip, answers what they ask, and catches up with them.
//!
//! It carries things from room to room and decides nothing about validity: the chain and the pool judge, the
//! network is told the verdict.
//!
//! ```text
//! network ─ gossip ─→ blocks, transactions ─→ chain, pool ─→ verdict ─→ network
//!         ─ requests ─→ serve ─→ network
//!         ─ status ─→ download (ancestor, headers, bodies) ─→ chain::import_many
//! chain, pool ─ events ─→ outbound ─→ network
//! ```

mod ancestor;
mod blocks;
mod bodies;
mod download;
mod fetch;
mod outbound;
mod serve;
mod state;
#[cfg(test)]
mod tests;
mod transactions;

use atoll_chain::Chain;
use atoll_network::{NetworkEvent, NetworkHandle};
use atoll_txpool::TxPool;
pub use outbound::local_status;
pub use state::SyncState;
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Gossiped blocks that may wait for the one before to be imported; beyond, they are ignored and fetched later.
const BLOCK_QUEUE: usize = 64;
/// Gossiped batches of transactions that may wait; beyond, they are ignored.
const TRANSACTION_QUEUE: usize = 256;
/// Requests of peers answered at once; beyond, they are refused.
const SERVING: usize = 8;
/// Announcements of peers followed up at once; beyond, they are dropped: the peer announces anew on reconnecting.
const FETCHING: usize = 8;

/// What the tasks of this module share.
#[derive(Clone)]
pub(crate) struct Context {
    chain: Chain,
    pool: TxPool,
    network: NetworkHandle,
    stop: CancellationToken,
    /// Wakes the downloader.
    behind: Arc<Notify>,
    /// Held by whoever answers a peer's request.
    serving: Arc<Semaphore>,
    /// Held by whoever fetches announced transactions.
    fetching: Arc<Semaphore>,
}

/// Starts to follow the network until `stop` is cancelled. Ends early only if the network does.
pub fn start(
    chain: Chain,
    pool: TxPool,
    network: NetworkHandle,
    events: mpsc::Receiver<NetworkEvent>,
    stop: CancellationToken,
) -> (watch::Receiver<SyncState>, JoinHandle<()>) {
    let (state, watch) = watch::channel(SyncState::starting(&chain));
    let context = Context {
        chain,
        pool,
        network,
        stop,
        behind: Arc::new(Notify::new()),
        serving: Arc::new(Semaphore::new(SERVING)),
        fetching: Arc::new(Semaphore::new(FETCHING)),
    };
    (watch, tokio::spawn(run(context, events, state)))
}

async fn run(context: Context, mut events: mpsc::Receiver<NetworkEvent>, state: watch::Sender<SyncState>) {
    let (blocks, block_queue) = mpsc::channel(BLOCK_QUEUE);
    let (transactions, transaction_queue) = mpsc::channel(TRANSACTION_QUEUE);
    let tasks = [
        tokio::spawn(blocks::run(context.clone(), block_queue)),
        tokio::spawn(transactions::run(context.clone(), transaction_queue)),
        tokio::spawn(outbound::blocks(context.clone())),
        tokio::spawn(outbound::transactions(context.clone())),
        tokio::spawn(download::run(context.clone())),
        tokio::spawn(state::run(context.clone(), state)),
    ];
    loop {
        let event = tokio::select! {
            () = context.stop.cancelled() => break,
            event = events.recv() => event,
        };
        let Some(event) = event else { break };
        dispatch(&context, event, &blocks, &transactions).await;
    }
    // The queues close, and each task ends after the import it is at.
    context.stop.cancel();
    drop((blocks, transactions));
    for task in tasks {
        if let Err(error) = task.await {
            tracing::error!(%error, "a sync task died");
        }
    }
}

async fn dispatch(
    context: &Context,
    event: NetworkEvent,
    blocks: &mpsc::Sender<blocks::Gossiped>,
    transactions: &mpsc::Sender<transactions::Gossiped>,
) {
    match event {
        NetworkEvent::Block { id, block, total_difficulty } => {
            if let Err(full) = blocks.try_send(blocks::Gossiped { id, block, total_difficulty }) {
                blocks::ignore(context, full.into_inner().id).await;
            }
        }
        NetworkEvent::Transactions { id, transactions: txs } => {
            if let Err(full) = transactions.try_send(transactions::Gossiped { id, transactions: txs }) {
                blocks::ignore(context, full.into_inner().id).await;
            }
        }
        NetworkEvent::Announced { peer, hashes } => fetch::announced(context, peer, hashes),
        NetworkEvent::Request { request, responder, .. } => serve::spawn(context, request, responder),
        NetworkEvent::PeerReady { peer, status } => {
            if status.total_difficulty > context.chain.head_td() {
                context.behind.notify_one();
            }
            outbound::greet(context, peer);
        }
        NetworkEvent::PeerStatus { status, .. } => {
            if status.total_difficulty > context.chain.head_td() {
                context.behind.notify_one();
            }
        }
        NetworkEvent::PeerGone { .. } => {}
    }
}

/// Runs CPU or disk work off the async workers; `None` when the program is ending or the work panicked.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::error!(%error, "blocking work was lost");
            None
        }
    }
}

/// An error with its causes, each once.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
