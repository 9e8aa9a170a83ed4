//! Gossiped blocks: imported one after the other, and the network told what became of each.

use super::{Context, blocking, chain_of};
use atoll_chain::{Import, ImportError, Origin};
use atoll_network::{Acceptance, GossipId};
use atoll_primitives::{Block, U256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Blocks kept until their time has come; more are ignored.
const EARLY: usize = 8;
/// A block further ahead of our clock is ignored.
const PATIENCE_SECONDS: u64 = 20;

/// A block that awaits its verdict.
pub(super) struct Gossiped {
    pub id: GossipId,
    pub block: Box<Block>,
    /// As the message claims it.
    pub total_difficulty: U256,
}

pub(super) async fn ignore(context: &Context, id: GossipId) {
    context.network.validated(id, Acceptance::Ignore).await;
}

pub(super) async fn run(context: Context, mut queue: mpsc::Receiver<Gossiped>) {
    let early = Arc::new(Semaphore::new(EARLY));
    while let Some(gossiped) = queue.recv().await {
        if context.stop.is_cancelled() {
            return;
        }
        if let Some((gossiped, seconds)) = judge(&context, gossiped).await {
            wait(&context, gossiped, seconds, &early).await;
        }
    }
}

/// Imports a block and reports; gives back a block that is too early, with the seconds it is.
async fn judge(context: &Context, gossiped: Gossiped) -> Option<(Gossiped, u64)> {
    let Gossiped { id, block, total_difficulty } = gossiped;
    let chain = context.chain.clone();
    let copy = block.clone();
    let result = blocking(move || chain.import(*copy, Origin::Peer)).await;
    let acceptance = match result {
        Some(Ok(import)) => {
            if import != Import::AlreadyKnown {
                let header = &block.header;
                tracing::debug!(number = header.number, ?import, peer = %id.source(), "block from gossip");
            }
            claim(context, &id, &block, total_difficulty)
        }
        Some(Err(ImportError::UnknownParent { .. })) => {
            context.behind.notify_one();
            Acceptance::Ignore
        }
        Some(Err(ImportError::Future { timestamp, now, .. })) => {
            return Some((Gossiped { id, block, total_difficulty }, timestamp.saturating_sub(now)));
        }
        Some(Err(error @ ImportError::Invalid { .. })) => {
            tracing::warn!(peer = %id.source(), error = chain_of(&error), "invalid block from gossip");
            Acceptance::Reject
        }
        Some(Err(ImportError::Stopped)) | None => Acceptance::Ignore,
        Some(Err(error @ ImportError::Internal { .. })) => {
            tracing::error!(error = chain_of(&error), "a gossiped block could not be imported");
            Acceptance::Ignore
        }
    };
    context.network.validated(id, acceptance).await;
    None
}

/// A block that was imported is passed on only if the total difficulty beside it is right: receivers take it for that
/// of whoever passes it on.
fn claim(context: &Context, id: &GossipId, block: &Block, claimed: U256) -> Acceptance {
    match context.chain.total_difficulty(&block.header.hash_slow()) {
        Ok(Some(actual)) if actual != claimed => {
            tracing::warn!(peer = %id.source(), %claimed, %actual, "gossiped block with a false total difficulty");
            Acceptance::Reject
        }
        Ok(_) => Acceptance::Accept,
        Err(error) => {
            tracing::error!(error = chain_of(&error), "a gossiped block's total difficulty cannot be read");
            Acceptance::Ignore
        }
    }
}

/// A clock that is a little ahead of ours is no fault: the block is tried again each second until its time.
async fn wait(context: &Context, gossiped: Gossiped, seconds: u64, early: &Arc<Semaphore>) {
    let slot = Arc::clone(early).try_acquire_owned().ok().filter(|_| seconds <= PATIENCE_SECONDS);
    let Some(slot) = slot else {
        tracing::debug!(peer = %gossiped.id.source(), seconds, "block too far in the future ignored");
        return ignore(context, gossiped.id).await;
    };
    let context = context.clone();
    tokio::spawn(async move {
        let _slot = slot;
        let mut waiting = Some(gossiped);
        for _ in 0..=PATIENCE_SECONDS {
            tokio::select! {
                () = context.stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            let Some(gossiped) = waiting.take() else { return };
            waiting = judge(&context, gossiped).await.map(|(gossiped, _)| gossiped);
        }
        if let Some(gossiped) = waiting {
            ignore(&context, gossiped.id).await;
        }
    });
}
