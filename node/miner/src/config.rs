//! How a miner starts. It must not know where the values come from.

use atoll_primitives::{Address, Bytes};
use std::time::Duration;

/// A miner's settings; those with a setter on the handle may change while it runs.
#[derive(Debug, Clone)]
pub struct MinerConfig {
    /// Whether to mine from the start. A miner that does not still builds pending blocks when asked.
    pub mining: bool,
    /// Who receives rewards and tips.
    pub coinbase: Address,
    /// Gas limit that blocks move towards, by less than a 1024th each.
    pub gas_limit_target: u64,
    /// Extra data of mined blocks; at most 32 bytes.
    pub extra_data: Bytes,
    /// Least tip, in wei per gas, of transactions that are not this node's own.
    pub gas_price: u128,
    /// Share of each search thread's time spent searching: above 0, at most 1.
    pub cpu_share: f64,
    /// Search threads; none leaves the search to external miners.
    pub threads: usize,
    /// How long new transactions wait at most for a block being searched to be built anew, while more of them come.
    pub recommit: Duration,
}

impl Default for MinerConfig {
    /// A small share of one core: difficulty follows, so a laptop stays cool.
    fn default() -> Self {
        Self {
            mining: true,
            coinbase: Address::ZERO,
            gas_limit_target: 30_000_000,
            extra_data: Bytes::from_static(b"atoll"),
            gas_price: 0,
            cpu_share: 0.05,
            threads: 1,
            recommit: Duration::from_millis(500),
        }
    }
}
