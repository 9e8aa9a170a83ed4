//! The miner's switches, for the program and for JSON-RPC.

use crate::{
    MinerConfig, MinerError, PendingBlock,
    build::{Contents, build},
    search::SearchThreads,
    settings::{Settings, Shared, check_extra_data, now},
    worker::Worker,
};
use atoll_chain::Chain;
use atoll_primitives::{Address, Bytes};
use atoll_txpool::TxPool;
use parking_lot::Mutex;
use std::{
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How old a pending block may be before it is built anew for who asks.
const PENDING_AGE: Duration = Duration::from_secs(1);

/// Starts miners.
#[derive(Debug)]
pub struct Miner;

impl Miner {
    /// Starts a miner with threads of its own. It mines empty blocks too.
    ///
    /// # Errors
    /// Settings out of range, mining with an engine that has no sealer, or a thread that does not start.
    pub fn start(chain: Chain, pool: TxPool, config: MinerConfig) -> Result<MinerHandle, MinerError> {
        if !(config.cpu_share > 0.0 && config.cpu_share <= 1.0) {
            return Err(MinerError::CpuShare { found: config.cpu_share });
        }
        check_extra_data(&config.extra_data)?;
        let sealer = match chain.engine().sealer() {
            Ok(sealer) => Some(sealer),
            Err(error) if config.mining => return Err(error.into()),
            Err(_) => None,
        };
        let shared = Arc::new(Shared::new(chain, pool, Settings::from(&config)));
        let thread = match sealer {
            None => None,
            Some(sealer) => {
                // One solution per job at most, and a job only after the last one's: the bound is never reached.
                let (sender, solutions) = tokio::sync::mpsc::channel(8);
                let search = SearchThreads::start(&shared, config.threads, config.cpu_share, &sender)?;
                let worker = Worker::new(Arc::clone(&shared), sealer, search, solutions, config.recommit);
                Some(std::thread::Builder::new().name("miner".into()).spawn(move || worker.run())?)
            }
        };
        Ok(MinerHandle { owner: Arc::new(Owner { shared, thread: Mutex::new(thread) }) })
    }
}

/// A running miner; clones share it. Dropping the last one shuts it down.
#[derive(Clone)]
pub struct MinerHandle {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Owner {
    fn shutdown(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the miner's thread panicked");
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl std::fmt::Debug for MinerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MinerHandle").field("mining", &self.is_mining()).finish_non_exhaustive()
    }
}

impl MinerHandle {
    pub(crate) fn shared(&self) -> &Shared {
        &self.owner.shared
    }

    fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.owner.shared.settings.lock());
        self.owner.shared.changed.notify_one();
    }

    /// Mines on, with the next block built anew.
    ///
    /// # Errors
    /// The engine has no sealer.
    pub fn start(&self) -> Result<(), MinerError> {
        self.owner.shared.chain.engine().sealer()?;
        self.change(|settings| settings.mining = true);
        Ok(())
    }

    /// Stops mining; the threads stay, idle.
    pub fn stop(&self) {
        self.change(|settings| settings.mining = false);
    }

    /// Whether the miner mines.
    pub fn is_mining(&self) -> bool {
        self.owner.shared.settings.lock().mining && !self.owner.shared.is_stopping()
    }

    /// Hashes a second, averaged over the last ten seconds, with what external miners report.
    pub fn hashrate(&self) -> u64 {
        let own = if self.is_mining() { self.owner.shared.hash_rate() } else { 0 };
        own.saturating_add(self.owner.shared.work.reported(Instant::now()))
    }

    /// Who receives rewards and tips.
    pub fn coinbase(&self) -> Address {
        self.owner.shared.settings.lock().coinbase
    }

    /// Changes who receives rewards and tips.
    pub fn set_coinbase(&self, coinbase: Address) {
        self.change(|settings| settings.coinbase = coinbase);
    }

    /// The gas limit blocks move towards.
    pub fn gas_limit(&self) -> u64 {
        self.owner.shared.settings.lock().gas_limit_target
    }

    /// Changes the gas limit blocks move towards.
    pub fn set_gas_limit(&self, target: u64) {
        self.change(|settings| settings.gas_limit_target = target);
    }

    /// Changes the least tip (wei per gas) of transactions that are not this node's own.
    pub fn set_gas_price(&self, price: u128) {
        self.owner.shared.pool.set_price_limit(price);
        self.change(|settings| settings.gas_price = price);
    }

    /// Changes the extra data of mined blocks.
    ///
    /// # Errors
    /// More than 32 bytes.
    pub fn set_extra(&self, extra: Bytes) -> Result<(), MinerError> {
        check_extra_data(&extra)?;
        self.change(|settings| settings.extra_data = extra);
        Ok(())
    }

    /// The block the miner works on; one built for the occasion if it does not mine. May execute a block: not for a
    /// tokio worker.
    ///
    /// # Errors
    /// The engine produces no blocks, or the block cannot be built.
    pub fn pending_block(&self) -> Result<Arc<PendingBlock>, MinerError> {
        let shared = &self.owner.shared;
        // Held while it is built: whoever asks meanwhile gets this one, and does not execute the pool once more.
        let mut pending = shared.pending.lock();
        let head = shared.chain.head();
        if let Some((built, block)) = &*pending
            && block.block.header().parent_hash == head.hash
            && built.elapsed() < PENDING_AGE
        {
            return Ok(Arc::clone(block));
        }
        let settings = shared.settings.lock().clone();
        let block = Arc::new(build(shared, &settings, &head, Vec::new(), Contents::FromPool, now())?);
        *pending = Some((Instant::now(), Arc::clone(&block)));
        Ok(block)
    }

    /// Stops all threads and waits for them. A second call does nothing.
    pub fn shutdown(&self) {
        self.owner.shutdown();
    }
}
