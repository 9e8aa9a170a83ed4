//! Catching up: from the common ancestor on, headers from the best peer, bodies from all, import in order.

use super::{Context, ancestor, blocking, bodies, chain_of};
use atoll_chain::{BatchError, ImportError, Origin};
use atoll_network::{Misbehaviour, PeerId, PeerInfo};
use atoll_primitives::{Block, Header};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Headers in one step; their bodies are held in memory twice over (being fetched, being imported).
const STEP: u64 = 256;
/// Steps fetched ahead of the import.
const AHEAD: usize = 1;
/// Looked at even if nobody reported to be ahead: a lost message heals by then.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A peer that failed is not chosen again for so long, if there is another one.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// Why a download ended before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The peer is at fault, or slow.
    #[error("the peer failed: {0}")]
    Peer(String),
    /// A block of it is invalid.
    #[error("the peer's chain is invalid: {0}")]
    Invalid(String),
    /// We are.
    #[error("this node failed: {0}")]
    Ours(String),
    /// The node is shutting down.
    #[error("shutting down")]
    Stopped,
}

pub(super) async fn run(context: Context) {
    let mut cooling: HashMap<PeerId, Instant> = HashMap::new();
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = context.behind.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        while let Some(peer) = best(&context, &mut cooling) {
            let before = context.chain.head_td();
            let outcome = tokio::select! {
                () = context.stop.cancelled() => return,
                outcome = catch_up(&context, &peer) => outcome,
            };
            let gained = context.chain.head_td() > before;
            match outcome {
                Ok(()) if gained => {}
                // It said to be better and is not (any more): look at others first.
                Ok(()) => {
                    cooling.insert(peer.peer_id, Instant::now() + COOL_DOWN / 5);
                }
                Err(Failure::Stopped) => return,
                Err(failure) => {
                    tracing::warn!(peer = %peer.peer_id, %failure, "catching up was interrupted");
                    cooling.insert(peer.peer_id, Instant::now() + COOL_DOWN);
                }
            }
        }
    }
}

/// The peer with the best chain, if it is better than ours.
fn best(context: &Context, cooling: &mut HashMap<PeerId, Instant>) -> Option<PeerInfo> {
    let now = Instant::now();
    cooling.retain(|_, until| *until > now);
    let ours = context.chain.head_td();
    let better = context.network.peers().into_iter().filter(|peer| peer.total_difficulty > ours);
    better.filter(|peer| !cooling.contains_key(&peer.peer_id)).max_by(|a, b| {
        // Among equals the one that answers faster.
        let rtt = |peer: &PeerInfo| peer.rtt.unwrap_or(Duration::from_secs(1));
        a.total_difficulty.cmp(&b.total_difficulty).then_with(|| rtt(b).cmp(&rtt(a)))
    })
}

/// Downloads and imports until the peer has no more.
async fn catch_up(context: &Context, peer: &PeerInfo) -> Result<(), Failure> {
    let ancestor = ancestor::common(context, peer.peer_id, peer.head_number).await?;
    let behind = peer.head_number.saturating_sub(ancestor);
    if behind > 1 {
        tracing::info!(peer = %peer.peer_id, from = ancestor, to = peer.head_number, "catching up");
    }
    // While one step is imported, the next one is fetched.
    let (ready, steps) = mpsc::channel(AHEAD);
    let (fetched, imported) = tokio::join!(fetch(context, peer, ancestor, ready), import(context, peer.peer_id, steps));
    // What the import says is nearer to the cause: when it stops, fetching has nobody to fetch for.
    imported?;
    fetched
}

async fn fetch(
    context: &Context,
    peer: &PeerInfo,
    ancestor: u64,
    ready: mpsc::Sender<Vec<Block>>,
) -> Result<(), Failure> {
    let mut last: Option<Header> = None;
    let mut next = ancestor + 1;
    loop {
        let headers = ancestor::headers(context, peer.peer_id, next, STEP).await?;
        if let (Some(last), Some(first)) = (&last, headers.first())
            && first.parent_hash != last.hash_slow()
        {
            return Err(Failure::Peer("it changed its chain meanwhile".into()));
        }
        let Some(newest) = headers.last() else { return Ok(()) };
        let whole = headers.len() as u64 == STEP;
        next = newest.number + 1;
        last = Some(newest.clone());
        let blocks = bodies::blocks(context, peer.peer_id, headers).await?;
        if ready.send(blocks).await.is_err() || !whole {
            return Ok(());
        }
    }
}

async fn import(context: &Context, peer: PeerId, mut steps: mpsc::Receiver<Vec<Block>>) -> Result<(), Failure> {
    while let Some(blocks) = steps.recv().await {
        let (chain, count) = (context.chain.clone(), blocks.len());
        let result = blocking(move || chain.import_many(blocks, Origin::Sync)).await.ok_or(Failure::Stopped)?;
        match result {
            Ok(new) => {
                let head = context.chain.head().number;
                if count > 1 {
                    tracing::info!(blocks = new, head, "imported");
                }
            }
            Err(error) => return Err(failed(context, peer, error).await),
        }
    }
    Ok(())
}

async fn failed(context: &Context, peer: PeerId, error: BatchError) -> Failure {
    match &error.source {
        ImportError::Invalid { .. } => {
            context.network.report(peer, Misbehaviour::InvalidBlock).await;
            Failure::Invalid(chain_of(&error.source))
        }
        ImportError::UnknownParent { .. } | ImportError::Future { .. } => Failure::Peer(error.source.to_string()),
        ImportError::Stopped => Failure::Stopped,
        ImportError::Internal { .. } => Failure::Ours(chain_of(&error.source)),
    }
}
