//! Keeps the promise behind an acknowledgement: the transaction reaches more than one node, and is sent again, to
//! every node that comes in and to all while it is missing, until it is buried under blocks.

use crate::accepted::{Accepted, RawTransaction};
use crate::jsonrpc::{Outcome, one_param, read_replies, write_calls};
use crate::metrics;
use crate::node_client::{NodeClient, json_headers};
use crate::targets::{Target, Targets};
use alloy_primitives::{Address, B256, U64};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Nodes a transaction goes to when it is acknowledged, the one that took it included.
const COPIES: usize = 3;
/// Between two rounds of looking what was mined.
const ROUND: Duration = Duration::from_secs(2);
/// Transactions looked at in a round.
const PER_ROUND: usize = 512;
/// A transaction this deep is not waited for any more: a reorg that deep puts it back into the nodes' own pools.
const BURIED: u64 = 12;
/// Bytes of raw transactions in one request.
const REQUEST_BYTES: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(5);
/// Broadcasts under way at once; above it the rounds do the work, a little later.
const BROADCASTS: usize = 128;

/// Remembers acknowledged transactions and spreads them. Clone handle.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    accepted: Arc<Accepted>,
    targets: Arc<Targets>,
    client: NodeClient,
    slots: Arc<Semaphore>,
}

impl Keeper {
    pub(crate) fn new(targets: Arc<Targets>, client: NodeClient) -> Self {
        Self { accepted: Arc::default(), targets, client, slots: Arc::new(Semaphore::new(BROADCASTS)) }
    }

    /// How many acknowledged transactions are not yet seen buried.
    pub(crate) fn outstanding(&self) -> usize {
        self.accepted.len()
    }

    /// See [`Accepted::pending_nonce`].
    pub(crate) fn pending_nonce(&self, sender: &Address, answer: u64) -> u64 {
        self.accepted.pending_nonce(sender, answer)
    }

    /// The hashes of raw transactions; `None` for what is none. For "already known", which names no hash.
    pub(crate) async fn decode(raws: Vec<String>) -> Vec<Option<RawTransaction>> {
        let count = raws.len();
        let decode = move || raws.iter().map(|raw| RawTransaction::decode(raw)).collect();
        tokio::task::spawn_blocking(decode).await.unwrap_or_else(|_| (0..count).map(|_| None).collect())
    }

    /// `taken_by` acknowledged these: remembers them before the client hears of it, and sends them to others.
    pub(crate) fn acknowledged(&self, transactions: Vec<RawTransaction>, taken_by: &Target) {
        if transactions.is_empty() {
            return;
        }
        let kept: Vec<_> = transactions.into_iter().map(|transaction| self.accepted.insert(transaction)).collect();
        ::metrics::gauge!(metrics::ACCEPTED).set(self.accepted.len() as f64);
        let others = self.targets.healthy().into_iter().filter(|target| target.info.url != taken_by.info.url);
        for other in others.take(COPIES - 1) {
            self.send_in_background(other, kept.clone());
        }
    }

    /// A node came (back) in: it may have lost its pool.
    pub(crate) fn joined(&self, target: &Arc<Target>) {
        let all = self.accepted.all();
        if !all.is_empty() {
            self.send_in_background(Arc::clone(target), all);
        }
    }

    fn send_in_background(&self, target: Arc<Target>, transactions: Vec<Arc<RawTransaction>>) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return };
        let keeper = self.clone();
        tokio::spawn(async move {
            keeper.send(&target, &transactions).await;
            drop(slot);
        });
    }

    /// Looks round after round what was mined, and sends the rest again.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            let batch = self.accepted.next(PER_ROUND);
            if batch.is_empty() {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.round(batch) => {}
            }
            ::metrics::gauge!(metrics::ACCEPTED).set(self.accepted.len() as f64);
        }
    }

    async fn round(&self, batch: Vec<Arc<RawTransaction>>) {
        let healthy = self.targets.healthy();
        let Some(best) = healthy.iter().max_by_key(|target| target.head()) else { return };
        let Some(mined_in) = self.mined_in(best, &batch).await else { return };
        let mut missing = Vec::new();
        for (transaction, block) in batch.into_iter().zip(mined_in) {
            match block {
                Some(block) if block.saturating_add(BURIED) <= best.head() => self.accepted.remove(&transaction.hash),
                // Mined, but a reorg may still throw it out.
                Some(_) => {}
                // A young one is on its way to the pools already.
                None if transaction.since.elapsed() > ROUND => missing.push(transaction),
                None => {}
            }
        }
        missing.sort_by_key(|transaction| (transaction.sender, transaction.nonce));
        if !missing.is_empty() {
            futures::future::join_all(healthy.iter().take(COPIES).map(|target| self.send(target, &missing))).await;
        }
    }

    /// For each transaction the block it was mined in, as `target` sees it; `None` when it does not answer.
    async fn mined_in(&self, target: &Target, batch: &[Arc<RawTransaction>]) -> Option<Vec<Option<u64>>> {
        let calls = batch.iter().map(|t| ("eth_getTransactionReceipt", one_param(&t.hash.to_string())));
        let asked = self.client.ask_while_alive(target, json_headers(), write_calls(calls).into(), PATIENCE);
        let replies = read_replies(&asked.await.ok()?.body, batch.len());
        let block = |outcome: Option<Outcome>| match outcome {
            // An error is not "not mined".
            None | Some(Outcome::Error(_)) => None,
            Some(Outcome::Result(receipt)) => Some(block_number(receipt.get())),
        };
        replies.into_iter().map(block).collect()
    }

    /// Sends in order; forgets those of which the node says that their nonce is spent.
    async fn send(&self, target: &Target, transactions: &[Arc<RawTransaction>]) {
        let mut rest = transactions;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|transaction| {
                bytes += transaction.raw.len();
                bytes <= REQUEST_BYTES
            });
            let (now, later) = rest.split_at(fits.count().clamp(1, rest.len().min(500)));
            rest = later;
            let calls = now.iter().map(|transaction| ("eth_sendRawTransaction", one_param(&transaction.raw)));
            let body = write_calls(calls).into();
            let Ok(answer) = self.client.ask_while_alive(target, json_headers(), body, PATIENCE).await else { return };
            for (transaction, outcome) in now.iter().zip(read_replies(&answer.body, now.len())) {
                let message = outcome.and_then(|outcome| outcome.message());
                if message.is_some_and(|message| message.to_ascii_lowercase().contains("nonce too low")) {
                    self.spent(target, &transaction.hash).await;
                }
            }
        }
    }

    /// A nonce below the account's: mined, which the rounds will see, or replaced by another transaction.
    async fn spent(&self, target: &Target, hash: &B256) {
        let calls = std::iter::once(("eth_getTransactionReceipt", one_param(&hash.to_string())));
        let asked = self.client.ask_while_alive(target, json_headers(), write_calls(calls).into(), PATIENCE);
        let Ok(answer) = asked.await else { return };
        if let Some(Some(Outcome::Result(receipt))) = read_replies(&answer.body, 1).pop()
            && receipt.get() == "null"
        {
            self.accepted.remove(hash);
        }
    }
}

fn block_number(receipt: &str) -> Option<u64> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Receipt {
        block_number: U64,
    }
    serde_json::from_str::<Option<Receipt>>(receipt).ok()?.map(|receipt| receipt.block_number.to())
}
