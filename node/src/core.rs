//! The synchronous core: storage, chain, pool, miner, opened in this order and stopped in the reverse.
//!
//! Opening may execute blocks and read the disk: call it off the tokio workers.

use crate::{config::NodeConfig, error::NodeError};
use atoll_chain::{Chain, ChainEvent, ChainOptions};
use atoll_miner::{Miner, MinerConfig, MinerHandle};
use atoll_primitives::{Bytes, ChainSpec};
use atoll_storage::{Progress, Rebuilt, Scope, Storage, StorageOptions};
use atoll_txpool::{PoolConfig, TxPool};
use std::{path::Path, sync::Arc, thread::JoinHandle};
use tokio::sync::broadcast::error::RecvError;

/// The opened core.
pub struct Core {
    /// The chain.
    pub chain: Chain,
    /// The pool.
    pub pool: TxPool,
    /// The miner; it may be idle.
    pub miner: MinerHandle,
    follower: JoinHandle<()>,
}

/// Opens a chain alone, as `export` and `import` need it.
///
/// # Errors
/// [`NodeError`] of storage, engine or chain.
pub fn open_chain(
    spec: Arc<ChainSpec>,
    dir: &Path,
    options: StorageOptions,
    verify_seals: bool,
) -> Result<Chain, NodeError> {
    open(spec, dir, options, ChainOptions { verify_seals, ..ChainOptions::default() })
}

fn open(spec: Arc<ChainSpec>, dir: &Path, options: StorageOptions, chain: ChainOptions) -> Result<Chain, NodeError> {
    std::fs::create_dir_all(dir).map_err(|source| NodeError::DataDir { path: dir.into(), source })?;
    let storage = Storage::open(&dir.join("chain"), &spec, options)?;
    let engine = atoll_consensus::engine(spec.clone())?;
    Ok(Chain::open(spec, storage, engine, chain)?)
}

/// Makes the tables of a node's data directory again from its segments.
///
/// # Errors
/// [`NodeError`] of storage, engine or chain.
pub fn rebuild_chain(
    spec: Arc<ChainSpec>,
    dir: &Path,
    options: StorageOptions,
    scope: Scope,
    progress: &mut dyn FnMut(Progress),
) -> Result<Rebuilt, NodeError> {
    let engine = atoll_consensus::engine(spec.clone())?;
    Ok(atoll_chain::rebuild(spec, engine, &dir.join("chain"), options, scope, progress)?)
}

impl Core {
    /// Opens everything.
    ///
    /// # Errors
    /// [`NodeError`] of the part that does not open.
    pub fn open(config: &NodeConfig) -> Result<Self, NodeError> {
        let spec = Arc::new(config.spec.clone());
        let options = StorageOptions {
            engine: config.engine,
            cache_bytes: config.cache_bytes,
            prune: config.prune,
            ..StorageOptions::default()
        };
        let chain = ChainOptions { index_addresses: config.index_addresses, ..ChainOptions::default() };
        let chain = open(spec.clone(), &config.data_dir, options, chain)?;
        let pool_config = PoolConfig {
            price_limit: config.gas_price,
            global_slots: config.pool_pending,
            global_queue: config.pool_queued,
            ..PoolConfig::default()
        };
        let pool = TxPool::new(spec, chain.storage().clone(), pool_config);
        let restored = pool.open_journal(&config.data_dir.join("transactions.journal"))?;
        if restored > 0 {
            tracing::info!(restored, "local transactions are back from the journal");
        }
        let senders = pool.clone();
        chain.set_sender_lookup(Arc::new(move |hash| senders.sender_of(hash)));
        let follower = follow_head(chain.clone(), pool.clone()).map_err(|_| NodeError::Part("pool follower"))?;
        let miner = Miner::start(chain.clone(), pool.clone(), miner_config(config))?;
        Ok(Self { chain, pool, miner, follower })
    }

    /// Stops the miner, writes what is only in memory, and closes the chain.
    pub fn shutdown(self) {
        self.miner.shutdown();
        if let Err(error) = self.chain.shutdown() {
            // What could not be flushed is in the journal and comes back at the next start.
            tracing::error!(error = &error as &dyn std::error::Error, "the chain was not flushed");
        }
        drop(self.chain);
        // It ends with the chain's events, that is when the last handle goes; nobody has to wait for it.
        drop(self.follower);
    }
}

fn miner_config(config: &NodeConfig) -> MinerConfig {
    MinerConfig {
        mining: config.mine,
        coinbase: config.miner.account,
        gas_limit_target: config.miner.gas_limit,
        extra_data: Bytes::from(config.miner.extra.clone()),
        gas_price: config.gas_price,
        cpu_share: config.miner.cpu,
        threads: config.miner.threads,
        ..MinerConfig::default()
    }
}

/// Tells the pool of every move of the head, on a thread of its own since it may take CPU time.
fn follow_head(chain: Chain, pool: TxPool) -> std::io::Result<JoinHandle<()>> {
    let mut events = chain.events();
    drop(chain);
    std::thread::Builder::new().name("pool-follower".into()).spawn(move || {
        loop {
            match events.blocking_recv() {
                Ok(ChainEvent::Head(change)) => {
                    if let Err(error) = pool.on_head(&change.head, &change.reverted, &change.applied) {
                        tracing::error!(error = &error as &dyn std::error::Error, "the pool did not follow the head");
                    }
                }
                // After a gap the next head is enough: the pool looks at the state, not at the blocks between.
                Ok(ChainEvent::Side(_)) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    })
}
