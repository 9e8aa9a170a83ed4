//! What peers are told without asking: our status, our blocks, our transactions.

use super::Context;
use atoll_chain::{Chain, ChainEvent, Origin};
use atoll_network::{LocalStatus, MAX_POOLED, PROTOCOL_VERSION, PeerId, Request, Status};
use atoll_primitives::TxHash;
use atoll_txpool::PoolTx;
use std::sync::Arc;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

/// Pending transactions a new peer is told of.
const GREETING: usize = 4096;
/// Transactions handed to the network at once.
const BATCH: usize = 1024;

/// Our status at the chain's head.
pub fn local_status(chain: &Chain) -> LocalStatus {
    let (head, spec) = (chain.head(), chain.spec());
    let genesis_hash = chain.storage().genesis_hash();
    let fork_filter = spec.fork_filter(genesis_hash, head.number, head.timestamp);
    let status = Status {
        version: PROTOCOL_VERSION,
        network_id: spec.network_id,
        genesis_hash,
        fork_id: fork_filter.current(),
        head_number: head.number,
        head_hash: head.hash,
        total_difficulty: chain.head_td(),
        client: crate::CLIENT.to_owned(),
    };
    LocalStatus { status, fork_filter }
}

/// Follows the chain: every head goes into the status, own blocks are gossiped.
pub(super) async fn blocks(context: Context) {
    let mut events = context.chain.events();
    loop {
        let event = tokio::select! {
            () = context.stop.cancelled() => return,
            event = events.recv() => event,
        };
        match event {
            Ok(ChainEvent::Head(change)) => {
                if change.origin == Origin::Own
                    && let Some(block) = change.applied.last()
                {
                    context.network.announce_block(&block.block, change.td).await;
                }
            }
            // A side block of our own lost already; others hear of it as an ommer.
            Ok(ChainEvent::Side(_)) => continue,
            // Missed events: the status below says where we are, and peers fetch what they lack.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
        context.network.set_status(local_status(&context.chain)).await;
    }
}

/// Follows the pool: local transactions are gossiped when they become pending. Those of others were gossiped by
/// them, but blob transactions only travel by announcement, from pool to pool.
pub(super) async fn transactions(context: Context) {
    let mut pending = context.pool.subscribe();
    loop {
        let first = tokio::select! {
            () = context.stop.cancelled() => return,
            first = pending.recv() => first,
        };
        let mut batch = Vec::new();
        let mut missed = false;
        match first {
            Ok(tx) => batch.push(tx),
            Err(RecvError::Lagged(_)) => missed = true,
            Err(RecvError::Closed) => return,
        }
        while batch.len() < BATCH {
            match pending.try_recv() {
                Ok(tx) => batch.push(tx),
                Err(TryRecvError::Lagged(_)) => missed = true,
                Err(_) => break,
            }
        }
        send(&context, &batch).await;
        if missed {
            context.network.announce_hashes(all_pending(&context), None).await;
        }
    }
}

async fn send(context: &Context, batch: &[Arc<PoolTx>]) {
    let blob = |tx: &&Arc<PoolTx>| tx.tx.as_eip4844().is_some();
    let local = batch.iter().filter(|tx| tx.is_local() && !blob(tx)).map(|tx| &tx.tx);
    context.network.announce_transactions(local).await;
    let blobs: Vec<TxHash> = batch.iter().filter(blob).map(|tx| tx.hash()).collect();
    if !blobs.is_empty() {
        context.network.announce_hashes(blobs, None).await;
    }
}

fn all_pending(context: &Context) -> Vec<TxHash> {
    let mut hashes = context.pool.pending_hashes();
    hashes.truncate(GREETING);
    hashes
}

/// Tells a new peer what the pool holds: it may have been away when that was gossiped.
pub(super) fn greet(context: &Context, peer: PeerId) {
    let hashes = all_pending(context);
    let network = context.network.clone();
    if hashes.is_empty() {
        return;
    }
    tokio::spawn(async move {
        for chunk in hashes.chunks(MAX_POOLED) {
            // A peer that does not answer is not worth the rest.
            if network.request(peer, Request::Announce(chunk.to_vec())).await.is_err() {
                return;
            }
        }
    });
}
