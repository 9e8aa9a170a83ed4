//! The limits of the pool. It must not know where they come from: flags are the program's.

use std::time::Duration;

/// Prices, limits and lifetimes. Counts are transactions unless said otherwise.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Least tip (wei per gas) a remote transaction must offer; may change while the pool runs.
    pub price_limit: u128,
    /// Per cent by which a replacement must raise fee cap and tip.
    pub price_bump: u64,
    /// The same for blob transactions, whose propagation costs more.
    pub blob_price_bump: u64,
    /// Pending transactions a sender keeps when the pool is over `global_slots`.
    pub account_slots: usize,
    /// Queued transactions of one sender.
    pub account_queue: usize,
    /// Pending transactions of all senders.
    pub global_slots: usize,
    /// Queued transactions of all senders.
    pub global_queue: usize,
    /// Bytes of all transactions, blob sidecars aside: a bound on memory that counts alone do not give.
    pub max_bytes: usize,
    /// Blobs of all transactions; each costs 128 KiB and its proofs.
    pub max_blobs: usize,
    /// Blob transactions of one sender.
    pub account_blobs: usize,
    /// How long a sender's queued transactions wait without any news of the sender.
    pub lifetime: Duration,
}

impl Default for PoolConfig {
    /// geth's values, but for the counts: a private network's few senders send much more each.
    fn default() -> Self {
        Self {
            price_limit: 1,
            price_bump: 10,
            blob_price_bump: 100,
            account_slots: 1024,
            account_queue: 1024,
            global_slots: 65_536,
            global_queue: 16_384,
            max_bytes: 512 << 20,
            max_blobs: 512,
            account_blobs: 16,
            lifetime: Duration::from_secs(3 * 3600),
        }
    }
}
