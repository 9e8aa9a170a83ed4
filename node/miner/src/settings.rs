//! What the handle and the worker share: settings that may change, the hash counter, the last block built.

use crate::{MinerConfig, MinerError, PendingBlock, work::WorkDesk};
use atoll_chain::Chain;
use atoll_consensus::MAX_EXTRA_DATA;
use atoll_primitives::{Address, Bytes};
use atoll_txpool::TxPool;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::Notify;

/// Seconds over which the hash rate is averaged.
const RATE_WINDOW: usize = 10;

/// Settings that go into a block.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) mining: bool,
    pub(crate) coinbase: Address,
    pub(crate) gas_limit_target: u64,
    pub(crate) extra_data: Bytes,
    pub(crate) gas_price: u128,
}

impl From<&MinerConfig> for Settings {
    fn from(config: &MinerConfig) -> Self {
        Self {
            mining: config.mining,
            coinbase: config.coinbase,
            gas_limit_target: config.gas_limit_target,
            extra_data: config.extra_data.clone(),
            gas_price: config.gas_price,
        }
    }
}

/// Extra data that fits a header.
pub(crate) fn check_extra_data(extra: &Bytes) -> Result<(), MinerError> {
    let found = extra.len();
    if found <= MAX_EXTRA_DATA { Ok(()) } else { Err(MinerError::ExtraData { found, max: MAX_EXTRA_DATA }) }
}

/// Shared by handle, worker and search threads.
pub(crate) struct Shared {
    pub(crate) chain: Chain,
    pub(crate) pool: TxPool,
    pub(crate) settings: Mutex<Settings>,
    /// Wakes the worker after settings changed or `stopping` was set.
    pub(crate) changed: Notify,
    pub(crate) stopping: AtomicBool,
    /// Nonces tried since the start.
    pub(crate) hashes: AtomicU64,
    /// Hash counts of the last seconds, newest last; at most [`RATE_WINDOW`] + 1.
    samples: Mutex<VecDeque<(Instant, u64)>>,
    /// For external miners.
    pub(crate) work: WorkDesk,
    /// Held while a block is mined on request.
    pub(crate) mining_once: Mutex<()>,
    /// The block built last, and when.
    pub(crate) pending: Mutex<Option<(Instant, Arc<PendingBlock>)>>,
}

impl Shared {
    pub(crate) fn new(chain: Chain, pool: TxPool, settings: Settings) -> Self {
        Self {
            chain,
            pool,
            settings: Mutex::new(settings),
            changed: Notify::new(),
            stopping: AtomicBool::new(false),
            hashes: AtomicU64::new(0),
            samples: Mutex::new(VecDeque::with_capacity(RATE_WINDOW + 1)),
            work: WorkDesk::default(),
            mining_once: Mutex::new(()),
            pending: Mutex::new(None),
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Notes the hash count; the worker calls it once a second.
    pub(crate) fn sample_hashes(&self) {
        let mut samples = self.samples.lock();
        if samples.len() > RATE_WINDOW {
            samples.pop_front();
        }
        samples.push_back((Instant::now(), self.hashes.load(Ordering::Relaxed)));
    }

    /// Hashes a second over the last seconds.
    pub(crate) fn hash_rate(&self) -> u64 {
        let samples = self.samples.lock();
        let (Some((start, before)), Some((end, after))) = (samples.front(), samples.back()) else { return 0 };
        let elapsed = end.duration_since(*start).max(Duration::from_millis(1));
        ((after - before) as f64 / elapsed.as_secs_f64()) as u64
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
