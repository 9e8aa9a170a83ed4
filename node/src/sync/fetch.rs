//! Transactions a peer announced by hash: those the pool lacks are fetched, and announced further.

use super::transactions::never_valid;
use super::{Context, blocking};
use atoll_network::{MAX_POOLED, Misbehaviour, PeerId, Request, Response};
use atoll_primitives::{PooledTransaction, TxHash};
use atoll_txpool::Origin;
use std::collections::HashSet;
use std::sync::Arc;

/// An answer holds some 2 MiB, a dozen blob transactions: so many answers for one announcement.
const ROUNDS: usize = 24;

pub(super) fn announced(context: &Context, peer: PeerId, hashes: Vec<TxHash>) {
    let Ok(slot) = Arc::clone(&context.fetching).try_acquire_owned() else { return };
    let context = context.clone();
    tokio::spawn(async move {
        let _slot = slot;
        fetch(&context, peer, hashes).await;
    });
}

async fn fetch(context: &Context, peer: PeerId, mut missing: Vec<TxHash>) {
    missing.truncate(MAX_POOLED);
    for _ in 0..ROUNDS {
        missing.retain(|hash| !context.pool.contains(hash));
        if missing.is_empty() || context.stop.is_cancelled() {
            return;
        }
        let asked: HashSet<TxHash> = missing.iter().copied().collect();
        let Ok(Response::PooledTransactions(transactions)) =
            context.network.request(peer, Request::PooledTransactions(missing.clone())).await
        else {
            return;
        };
        if transactions.is_empty() {
            return;
        }
        if transactions.iter().any(|tx| !asked.contains(tx.hash())) {
            return context.network.report(peer, Misbehaviour::WrongAnswer).await;
        }
        let given: HashSet<TxHash> = transactions.iter().map(|tx| *tx.hash()).collect();
        // Asked for once: what the pool refuses now it would refuse again.
        missing.retain(|hash| !given.contains(hash));
        if !add(context, peer, transactions).await {
            return;
        }
    }
}

async fn add(context: &Context, peer: PeerId, transactions: Vec<PooledTransaction>) -> bool {
    let pool = context.pool.clone();
    let Some(results) = blocking(move || pool.add(transactions, Origin::External)).await else { return false };
    if results.iter().any(|result| result.as_ref().is_err_and(never_valid)) {
        context.network.report(peer, Misbehaviour::InvalidTransactions).await;
    }
    let accepted: Vec<TxHash> = results.into_iter().filter_map(Result::ok).collect();
    if !accepted.is_empty() {
        // Gossip carries a transaction once, when it is new: what came this way the others may lack as well.
        context.network.announce_hashes(accepted, Some(peer)).await;
    }
    true
}
