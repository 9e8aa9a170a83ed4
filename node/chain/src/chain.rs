//! The chain's handle: opening, reading the head, events, shutting down. It must not know how a block is checked.

use crate::{
    AddressIndex, ChainError, ChainEvent, Import, ImportError, InternalError, Origin, addresses::Indexer,
    bad::BadBlocks, check::Overlay, flush::Flusher, restore, side::SideStore,
};
use atoll_consensus::Engine;
use atoll_primitives::{Address, B256, Block, ChainSpec, Header, SealedHeader, TxHash, U256};
use atoll_storage::Storage;
use parking_lot::{Mutex, RwLock};
use quick_cache::sync::Cache;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::broadcast;

/// Events a slow receiver may fall behind before it misses some.
const EVENTS: usize = 1024;
/// Hashes of invalid blocks remembered; the least used are forgotten, and their blocks would be checked again.
const INVALID_HASHES: usize = 4096;

/// Finds the sender of a transaction whose signature was checked before.
pub type SenderLookup = Arc<dyn Fn(&TxHash) -> Option<Address> + Send + Sync>;

/// How a chain works.
#[derive(Debug, Clone)]
pub struct ChainOptions {
    /// Whether seals are verified: off only for public test chains, whose blocks carry none.
    pub verify_seals: bool,
    /// Whether an index of addresses is kept. It costs executing every block once more, in the background.
    pub index_addresses: bool,
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self { verify_seals: true, index_addresses: false }
    }
}

/// The chain; clones share it.
#[derive(Clone)]
pub struct Chain {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub spec: Arc<ChainSpec>,
    pub storage: Storage,
    pub engine: Arc<dyn Engine>,
    pub options: ChainOptions,
    /// Held by the one import that changes the chain.
    pub writer: Mutex<()>,
    /// Blocks whose parents' state is not at hand.
    pub side: RwLock<SideStore>,
    pub invalid: Cache<B256, ()>,
    pub bad: Mutex<BadBlocks>,
    pub events: broadcast::Sender<ChainEvent>,
    pub flusher: Flusher,
    /// Once the chain is open, if it was asked for.
    pub indexer: OnceLock<Indexer>,
    pub senders: OnceLock<SenderLookup>,
    pub stopped: AtomicBool,
}

impl Chain {
    /// Opens the chain over its storage. Blocks that were not flushed before the last stop are executed again.
    ///
    /// # Errors
    /// The storage fails, or a block of it does not execute any more.
    pub fn open(
        spec: Arc<ChainSpec>,
        storage: Storage,
        engine: Arc<dyn Engine>,
        options: ChainOptions,
    ) -> Result<Self, ChainError> {
        let flusher = Flusher::start(storage.clone()).map_err(ChainError::Thread)?;
        let shared = Shared {
            spec,
            storage,
            engine,
            options,
            writer: Mutex::new(()),
            side: RwLock::new(SideStore::default()),
            invalid: Cache::new(INVALID_HASHES),
            bad: Mutex::default(),
            events: broadcast::channel(EVENTS).0,
            flusher,
            indexer: OnceLock::new(),
            senders: OnceLock::new(),
            stopped: AtomicBool::new(false),
        };
        restore::restore(&shared)?;
        if shared.options.index_addresses {
            let indexer = Indexer::start(Arc::clone(&shared.spec), shared.storage.clone());
            let indexer = indexer.map_err(ChainError::Thread)?;
            shared.indexer.get_or_init(|| indexer);
        }
        let head = shared.storage.head();
        metrics::gauge!("atoll_chain_head").set(head.number as f64);
        tracing::info!(number = head.number, hash = %head.hash, "chain opened");
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Where to look for senders already known: the transaction pool. Only the first call counts.
    pub fn set_sender_lookup(&self, lookup: SenderLookup) {
        let _ = self.shared.senders.set(lookup);
    }

    /// Imports one block.
    ///
    /// # Errors
    /// See [`ImportError`]: only [`ImportError::Invalid`] is the sender's fault.
    pub fn import(&self, block: Block, origin: Origin) -> Result<Import, ImportError> {
        let started = Instant::now();
        let shared = &*self.shared;
        let (hash, number) = (block.header.hash_slow(), block.header.number);
        if shared.is_known(&hash).map_err(|source| internal(number, hash, source))? {
            return shared.reconsider(hash, number, origin);
        }
        let overlay = Overlay::new(shared);
        let linked = overlay.header_rules(block, hash, now())?;
        let checked = overlay.seal_and_body(linked)?;
        let import = shared.commit(shared.recover(checked)?, origin)?;
        metrics::histogram!("atoll_chain_import_seconds").record(started.elapsed().as_secs_f64());
        Ok(import)
    }

    /// The newest canonical block's header.
    pub fn head(&self) -> Arc<SealedHeader> {
        self.shared.storage.head()
    }

    /// The head's total difficulty.
    pub fn head_td(&self) -> U256 {
        self.shared.head_td()
    }

    /// Total difficulty of any block this node has, executed or set aside.
    ///
    /// # Errors
    /// The storage fails to read.
    pub fn total_difficulty(&self, hash: &B256) -> Result<Option<U256>, InternalError> {
        self.shared.td(hash)
    }

    /// The newest block that can no longer be undone: under proof of work there is none.
    pub fn finalized(&self) -> Option<Arc<SealedHeader>> {
        None
    }

    /// The newest block that is unlikely to be undone: under proof of work none is marked.
    pub fn safe(&self) -> Option<Arc<SealedHeader>> {
        None
    }

    /// Events from now on; see [`ChainEvent`] for what happens to slow receivers.
    pub fn events(&self) -> broadcast::Receiver<ChainEvent> {
        self.shared.events.subscribe()
    }

    /// What the chain stores.
    pub fn storage(&self) -> &Storage {
        &self.shared.storage
    }

    /// The chain specification.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        &self.shared.spec
    }

    /// The index of addresses, if [`ChainOptions::index_addresses`] asked for it.
    pub fn addresses(&self) -> Option<&AddressIndex> {
        self.shared.indexer.get().map(Indexer::index)
    }

    /// The consensus engine.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.shared.engine
    }

    /// Stops importing and writes everything to disk, so that the next start has nothing to execute again.
    /// Later imports fail with [`ImportError::Stopped`].
    ///
    /// # Errors
    /// The last write failed; nothing is lost, the next start executes again.
    pub fn shutdown(&self) -> Result<(), ChainError> {
        let _writer = self.shared.writer.lock();
        self.shared.stopped.store(true, Ordering::Release);
        if let Some(indexer) = self.shared.indexer.get() {
            indexer.stop();
        }
        self.shared.flusher.stop();
        self.shared.storage.flush_all()?;
        Ok(())
    }
}

impl Shared {
    pub(crate) fn is_known(&self, hash: &B256) -> Result<bool, InternalError> {
        Ok(self.side.read().contains(hash) || self.storage.header(hash)?.is_some())
    }

    /// Number of the newest persisted block: what forks off below it is a deep reorganisation.
    pub(crate) fn base_number(&self) -> u64 {
        self.storage.base().number
    }

    pub(crate) fn head_td(&self) -> U256 {
        let td = self.storage.total_difficulty(&self.storage.head().hash);
        // The head always has one; a failing disk shows in the import that follows.
        td.inspect_err(|error| tracing::error!(%error, "the head's total difficulty cannot be read"))
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// Total difficulty of any block this node has, executed or not.
    pub(crate) fn td(&self, hash: &B256) -> Result<Option<U256>, InternalError> {
        if let Some(td) = self.side.read().td(hash) {
            return Ok(Some(td));
        }
        Ok(self.storage.total_difficulty(hash)?)
    }

    pub(crate) fn header(&self, hash: &B256) -> Result<Option<Header>, InternalError> {
        if let Some(header) = self.side.read().header(hash) {
            return Ok(Some(header));
        }
        Ok(self.storage.header(hash)?)
    }
}

pub(crate) fn internal(number: u64, hash: B256, source: impl Into<InternalError>) -> ImportError {
    ImportError::Internal { number, hash, source: Box::new(source.into()) }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
