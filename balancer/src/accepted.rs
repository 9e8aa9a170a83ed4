//! Raw transactions a node has acknowledged through this balancer, kept until they are mined.
//!
//! They make two promises hold over the death of the node that took them: they are sent again to others, and a
//! pending nonce never goes back behind them. Knows of a transaction its sender, nonce and hash; no sockets.

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{EthereumTxEnvelope, Transaction as _, TxEip4844WithSidecar};
use alloy_eips::eip2718::Decodable2718;
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_primitives::{Address, B256, hex};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Transactions and bytes kept; at the bound the oldest is forgotten: its node still has it.
const MAX_TRANSACTIONS: usize = 20_000;
const MAX_BYTES: usize = 96 << 20;
/// A transaction not mined after this long is given up: pools drop it after three hours too.
const LIFETIME: Duration = Duration::from_secs(3 * 3_600);

type Envelope = EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarVariant>>;

/// One acknowledged transaction.
#[derive(Debug)]
pub(crate) struct RawTransaction {
    pub(crate) hash: B256,
    pub(crate) sender: Address,
    pub(crate) nonce: u64,
    /// As the client sent it, `0x…`.
    pub(crate) raw: String,
    pub(crate) since: Instant,
}

impl RawTransaction {
    /// Decodes and recovers the sender: about 0.1 ms of CPU, for a blocking thread. `None` for what is no signed
    /// transaction.
    pub(crate) fn decode(raw: &str) -> Option<Self> {
        let bytes = hex::decode(raw).ok()?;
        let envelope = Envelope::decode_2718_exact(&bytes).ok()?;
        let sender = envelope.recover_signer().ok()?;
        let (hash, nonce) = (*envelope.tx_hash(), envelope.nonce());
        Some(Self { hash, sender, nonce, raw: raw.to_owned(), since: Instant::now() })
    }
}

#[derive(Debug, Default)]
struct Inner {
    by_hash: HashMap<B256, Arc<RawTransaction>>,
    by_sender: HashMap<Address, BTreeMap<u64, B256>>,
    // Oldest first; hashes that were removed are skipped when met.
    order: VecDeque<B256>,
    bytes: usize,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Accepted(Mutex<Inner>);

impl Accepted {
    /// Remembers an acknowledged transaction. Of two with one nonce only the newer can be mined, so it replaces.
    pub(crate) fn insert(&self, transaction: RawTransaction) -> Arc<RawTransaction> {
        let mut inner = self.0.lock();
        let transaction = Arc::new(transaction);
        if let Some(known) = inner.by_hash.get(&transaction.hash) {
            return Arc::clone(known);
        }
        let nonces = inner.by_sender.entry(transaction.sender).or_default();
        if let Some(replaced) = nonces.insert(transaction.nonce, transaction.hash) {
            inner.forget_hash(&replaced);
        }
        inner.bytes += transaction.raw.len();
        inner.order.push_back(transaction.hash);
        inner.by_hash.insert(transaction.hash, Arc::clone(&transaction));
        while inner.by_hash.len() > MAX_TRANSACTIONS || inner.bytes > MAX_BYTES {
            let Some(oldest) = inner.order.pop_front() else { break };
            inner.remove(&oldest);
        }
        transaction
    }

    /// It was mined, or can never be.
    pub(crate) fn remove(&self, hash: &B256) {
        self.0.lock().remove(hash);
    }

    /// The pending nonce a client is told: the node's answer, moved past every acknowledged transaction that follows
    /// it without a gap.
    pub(crate) fn pending_nonce(&self, sender: &Address, answer: u64) -> u64 {
        let inner = self.0.lock();
        let Some(nonces) = inner.by_sender.get(sender) else { return answer };
        let following =
            (answer..=u64::MAX).zip(nonces.range(answer..)).take_while(|(expected, (nonce, _))| expected == *nonce);
        answer.saturating_add(following.count() as u64)
    }

    /// Up to `limit`, oldest first; they move to the back, so that calling again goes round all. Drops what is too old.
    pub(crate) fn next(&self, limit: usize) -> Vec<Arc<RawTransaction>> {
        let mut inner = self.0.lock();
        let mut batch = Vec::new();
        for _ in 0..inner.order.len() {
            if batch.len() == limit {
                break;
            }
            let Some(hash) = inner.order.pop_front() else { break };
            match inner.by_hash.get(&hash) {
                Some(transaction) if transaction.since.elapsed() > LIFETIME => inner.remove(&hash),
                Some(transaction) => {
                    batch.push(Arc::clone(transaction));
                    inner.order.push_back(hash);
                }
                None => {}
            }
        }
        batch
    }

    /// Every one, in order of sender and nonce, so that a node takes them without a gap.
    pub(crate) fn all(&self) -> Vec<Arc<RawTransaction>> {
        let mut all: Vec<_> = self.0.lock().by_hash.values().cloned().collect();
        all.sort_by_key(|transaction| (transaction.sender, transaction.nonce));
        all
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().by_hash.len()
    }
}

impl Inner {
    fn forget_hash(&mut self, hash: &B256) -> Option<Arc<RawTransaction>> {
        let transaction = self.by_hash.remove(hash)?;
        self.bytes -= transaction.raw.len();
        Some(transaction)
    }

    fn remove(&mut self, hash: &B256) {
        let Some(transaction) = self.forget_hash(hash) else { return };
        if let Some(nonces) = self.by_sender.get_mut(&transaction.sender) {
            if nonces.get(&transaction.nonce) == Some(hash) {
                nonces.remove(&transaction.nonce);
            }
            if nonces.is_empty() {
                self.by_sender.remove(&transaction.sender);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn transaction(sender: u8, nonce: u64, hash: u8) -> RawTransaction {
        let (hash, sender) = (B256::repeat_byte(hash), Address::repeat_byte(sender));
        RawTransaction { hash, sender, nonce, raw: "0x00".into(), since: Instant::now() }
    }

    #[test]
    fn the_pending_nonce_moves_past_what_was_acknowledged_but_not_over_a_gap() {
        let accepted = Accepted::default();
        let sender = Address::repeat_byte(1);
        for (nonce, hash) in [(5, 1), (6, 2), (8, 3)] {
            accepted.insert(transaction(1, nonce, hash));
        }
        for (answer, told) in [(4, 4), (5, 7), (6, 7), (7, 7), (8, 9), (9, 9), (u64::MAX, u64::MAX)] {
            assert_eq!(accepted.pending_nonce(&sender, answer), told, "node said {answer}");
        }
        assert_eq!(accepted.pending_nonce(&Address::repeat_byte(2), 5), 5);
        accepted.remove(&B256::repeat_byte(1));
        assert_eq!(accepted.pending_nonce(&sender, 5), 5);
    }

    #[test]
    fn a_replacement_takes_the_place_of_what_it_replaces() {
        let accepted = Accepted::default();
        accepted.insert(transaction(1, 5, 1));
        accepted.insert(transaction(1, 5, 2));
        accepted.insert(transaction(1, 5, 2));
        assert_eq!(accepted.len(), 1);
        assert_eq!(accepted.next(10).len(), 1, "the replaced one is not sent again");
        accepted.remove(&B256::repeat_byte(1));
        assert_eq!(accepted.pending_nonce(&Address::repeat_byte(1), 5), 6);
        accepted.remove(&B256::repeat_byte(2));
        assert_eq!((accepted.len(), accepted.0.lock().bytes), (0, 0));
    }

    #[test]
    fn the_oldest_goes_at_the_bound_and_next_goes_round() {
        let accepted = Accepted::default();
        for n in 0..MAX_TRANSACTIONS as u64 + 5 {
            let mut transaction = transaction(1, n, 0);
            transaction.hash = B256::left_padding_from(&n.to_be_bytes());
            accepted.insert(transaction);
        }
        assert_eq!(accepted.len(), MAX_TRANSACTIONS);
        let nonces = |batch: Vec<Arc<RawTransaction>>| batch.iter().map(|t| t.nonce).collect::<Vec<_>>();
        assert_eq!(nonces(accepted.next(2)), [5, 6]);
        assert_eq!(nonces(accepted.next(2)), [7, 8]);
    }

    #[test]
    fn rubbish_is_no_transaction() {
        for raw in ["", "0x", "0xzz", "0x01", "0xf8", &format!("0x{}", "ff".repeat(100))] {
            assert!(RawTransaction::decode(raw).is_none(), "{raw}");
        }
    }
}
