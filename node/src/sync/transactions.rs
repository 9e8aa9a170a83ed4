//! Gossiped transactions: added to the pool in large batches, and the network told what became of each message.

use super::{Context, blocking};
use atoll_network::{Acceptance, GossipId};
use atoll_primitives::{PooledTransaction, TxHash};
use atoll_txpool::{Origin, PoolError};
use tokio::sync::mpsc;

/// Messages added at once: signatures are recovered in parallel, and more of them keep the cores busier.
const MESSAGES: usize = 16;

/// A batch that awaits its verdict.
pub(super) struct Gossiped {
    pub id: GossipId,
    pub transactions: Vec<PooledTransaction>,
}

pub(super) async fn run(context: Context, mut queue: mpsc::Receiver<Gossiped>) {
    let mut messages = Vec::with_capacity(MESSAGES);
    while queue.recv_many(&mut messages, MESSAGES).await > 0 {
        if context.stop.is_cancelled() {
            return;
        }
        let mut ids = Vec::with_capacity(messages.len());
        let mut all = Vec::new();
        for message in messages.drain(..) {
            ids.push((message.id, message.transactions.len()));
            all.extend(message.transactions);
        }
        let pool = context.pool.clone();
        let Some(results) = blocking(move || pool.add(all, Origin::External)).await else { return };
        let mut results = results.into_iter();
        for (id, count) in ids {
            let verdict = verdict(results.by_ref().take(count));
            context.network.validated(id, verdict).await;
        }
    }
}

/// One good transaction makes the message worth forwarding; one that no honest node would hold makes it not.
fn verdict(results: impl Iterator<Item = Result<TxHash, PoolError>>) -> Acceptance {
    let mut acceptance = Acceptance::Ignore;
    for result in results {
        match result {
            Ok(_) => acceptance = Acceptance::Accept,
            Err(error) if never_valid(&error) => {
                tracing::debug!(%error, "invalid transaction from gossip");
                return Acceptance::Reject;
            }
            Err(_) => {}
        }
    }
    acceptance
}

/// Whether a transaction could not have stood in any honest node's pool. What depends on state, price, limits or
/// the fork at the head may differ from node to node, and blames nobody.
pub(super) fn never_valid(error: &PoolError) -> bool {
    matches!(
        error,
        PoolError::InvalidSender { .. }
            | PoolError::InvalidChainId { .. }
            | PoolError::TipAboveFeeCap { .. }
            | PoolError::NonceMax { .. }
            | PoolError::IntrinsicGas { .. }
            | PoolError::EmptyAuthorizationList
            | PoolError::Blobless
            | PoolError::BlobCreate
            | PoolError::SidecarLengths { .. }
            | PoolError::InvalidSidecar { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_primitives::B256;

    #[test]
    fn only_what_no_honest_node_holds_is_blamed() {
        let good = || Ok(B256::ZERO);
        let known = || Err(PoolError::AlreadyKnown { hash: B256::ZERO });
        let low = || Err(PoolError::NonceTooLow { next: 2, nonce: 1 });
        let bad = || Err(PoolError::InvalidSender { hash: B256::ZERO });
        assert_eq!(verdict([good(), known(), low()].into_iter()), Acceptance::Accept);
        assert_eq!(verdict([known(), low()].into_iter()), Acceptance::Ignore);
        assert_eq!(verdict([good(), bad()].into_iter()), Acceptance::Reject);
    }
}
