//! The handle to a data directory: what can be read. It must not know how blocks are executed or validated.

use crate::{
    DbEngine, StateTrie, StateView, StorageError,
    base::{Base, StateRoot},
    layer::Layer,
    logs::{BlockLogs, ByLogs},
    memory::Memory,
    restore::Journal,
    runs::RunIndex,
    segment::{KIND_BLOCK, Position, Segments, decode_block, decode_receipts},
    tables,
};
use alloy_rlp::Decodable;
use atoll_primitives::{B256, Header, HeaderReader, Receipt, RecoveredBlock, SealedHeader, U256};
use parking_lot::{Mutex, RwLock};
use quick_cache::{Weighter, sync::Cache};
use std::{fs::File, sync::Arc};

/// How to open a data directory.
#[derive(Debug, Clone)]
pub struct StorageOptions {
    /// The engine under the tables; the directory remembers it.
    pub engine: DbEngine,
    /// Memory for all caches together, the engine's included, in bytes.
    pub cache_bytes: usize,
    /// How many of the newest canonical blocks stay in memory, where a reorganisation is cheap.
    pub flush_depth: u64,
    /// Memory for those blocks, in bytes: beyond it fewer stay, never fewer than 8.
    pub layer_bytes: usize,
    /// How many blocks below the persisted one keep their state readable; `None` for all.
    pub prune: Option<u64>,
    /// A new segment file starts once one has reached this many bytes.
    pub segment_bytes: u64,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            engine: DbEngine::default(),
            cache_bytes: 256 << 20,
            flush_depth: 64,
            layer_bytes: 48 << 20,
            prune: None,
            segment_bytes: 64 << 20,
        }
    }
}

/// An open data directory. Clones share it.
///
/// Reading never waits for a flush. Writing (`append`, `set_head`, `restore`, `flush`, `unwind`) is for `chain`
/// alone; a flush may run in another thread than the rest.
#[derive(Clone)]
pub struct Storage {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub genesis_hash: B256,
    pub flush_depth: u64,
    pub layer_bytes: usize,
    pub prune: Option<u64>,
    pub base: Arc<Base>,
    pub segments: Segments,
    /// Where logs are found. Changed by whoever moves the base.
    pub log_index: RunIndex,
    /// Where transactions are found by hash. The same.
    pub tx_index: RunIndex,
    /// Where transactions are found by address, if anybody asked for that.
    pub address_index: RunIndex,
    // Locks are taken in this order: `flushing`, the segments' tail, `memory`.
    /// Held by whoever moves the base.
    pub flushing: Mutex<()>,
    pub memory: RwLock<Memory>,
    /// What the journal held at opening and has not been restored yet.
    pub journal: Mutex<Journal>,
    pub caches: Caches,
    /// Locked until dropped: keeps other processes out.
    pub _lock: File,
}

/// Caches of what the tables and segments hold; entries leave at the bound those not read for long.
pub(crate) struct Caches {
    pub headers: Cache<B256, Arc<SealedHeader>>,
    pub blocks: Cache<B256, (usize, Arc<RecoveredBlock>), BySize>,
    pub receipts: Cache<B256, (usize, Arc<Vec<Receipt>>), BySize>,
    /// All logs of small blocks.
    pub logs: Cache<B256, Arc<BlockLogs>, ByLogs>,
}

/// Weighs an entry by the bytes of its record; in memory it takes about twice that.
#[derive(Clone)]
pub(crate) struct BySize;

impl<T> Weighter<B256, (usize, T)> for BySize {
    fn weight(&self, _: &B256, value: &(usize, T)) -> u64 {
        value.0 as u64 * 2 + 128
    }
}

impl Caches {
    pub fn new(cache_bytes: usize) -> Self {
        let bytes = (cache_bytes as u64 / 16).max(1 << 16);
        Self {
            headers: Cache::new((cache_bytes / 16 / 1024).clamp(64, 65_536)),
            blocks: Cache::with_weighter(1024, bytes, BySize),
            receipts: Cache::with_weighter(1024, bytes, BySize),
            logs: Cache::with_weighter(4096, bytes * 2, ByLogs),
        }
    }
}

impl Storage {
    /// Hash of the genesis block.
    pub fn genesis_hash(&self) -> B256 {
        self.inner.genesis_hash
    }

    /// The newest canonical block.
    pub fn head(&self) -> Arc<SealedHeader> {
        Arc::clone(&self.inner.memory.read().head)
    }

    /// Its number.
    pub fn head_number(&self) -> u64 {
        self.inner.memory.read().head.number
    }

    /// The newest block the tables hold: reorganisations that reach below it need `unwind`.
    pub fn base(&self) -> Arc<SealedHeader> {
        Arc::clone(&self.inner.memory.read().base)
    }

    /// How often blocks have left the canonical chain since the opening. While it stays the same, what was canonical still is.
    pub fn departures(&self) -> u64 {
        self.inner.memory.read().departures
    }

    /// Newest blocks whose state stays in memory while the node runs.
    pub fn flush_depth(&self) -> u64 {
        self.inner.flush_depth
    }

    pub(crate) fn layer(&self, hash: &B256) -> Option<Arc<Layer>> {
        self.inner.memory.read().layers.get(hash).cloned()
    }

    /// A header with its hash, canonical or not.
    ///
    /// # Errors
    /// The tables' failure to read, here and in the methods below.
    pub fn sealed_header(&self, hash: &B256) -> Result<Option<Arc<SealedHeader>>, StorageError> {
        if let Some(layer) = self.layer(hash) {
            return Ok(Some(Arc::clone(&layer.header)));
        }
        if let Some(header) = self.inner.caches.headers.get(hash) {
            return Ok(Some(header));
        }
        let Some(rlp) = self.inner.base.kv.get(tables::HEADERS, hash.as_slice())? else { return Ok(None) };
        let header = decode_header(*hash, &rlp)?;
        self.inner.caches.headers.insert(*hash, Arc::clone(&header));
        Ok(Some(header))
    }

    /// A header, canonical or not.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn header(&self, hash: &B256) -> Result<Option<Header>, StorageError> {
        Ok(self.sealed_header(hash)?.map(|header| header.header.clone()))
    }

    /// The canonical header of this number.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn header_by_number(&self, number: u64) -> Result<Option<Header>, StorageError> {
        match self.canonical_hash(number)? {
            Some(hash) => self.header(&hash),
            None => Ok(None),
        }
    }

    /// Hash of the canonical block of this number.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn canonical_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        {
            let memory = self.inner.memory.read();
            if number == memory.base.number {
                return Ok(Some(memory.base.hash));
            }
            if number > memory.base.number {
                return Ok(memory.canonical.get(&number).copied());
            }
        }
        let hash = self.inner.base.kv.get(tables::CANONICAL, &number.to_be_bytes())?;
        hash.map(|hash| tables::decode_hash(&hash)).transpose()
    }

    /// The number of a block, canonical or not.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn number(&self, hash: &B256) -> Result<Option<u64>, StorageError> {
        if let Some(layer) = self.layer(hash) {
            return Ok(Some(layer.number()));
        }
        let number = self.inner.base.kv.get(tables::NUMBERS, hash.as_slice())?;
        number.map(|number| tables::decode_u64(&number)).transpose()
    }

    /// Difficulty of the chain up to and with a block, canonical or not.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn total_difficulty(&self, hash: &B256) -> Result<Option<U256>, StorageError> {
        if let Some(layer) = self.layer(hash) {
            return Ok(Some(layer.executed.total_difficulty));
        }
        let value = self.inner.base.kv.get(tables::TOTAL_DIFFICULTY, hash.as_slice())?;
        value.map(|value| tables::decode_value(&value)).transpose()
    }

    /// A block with its senders, canonical or not.
    ///
    /// # Errors
    /// The tables' or segments' failure to read.
    pub fn block(&self, hash: &B256) -> Result<Option<Arc<RecoveredBlock>>, StorageError> {
        if let Some(layer) = self.layer(hash) {
            return Ok(Some(Arc::clone(&layer.executed.block)));
        }
        if let Some((_, block)) = self.inner.caches.blocks.get(hash) {
            return Ok(Some(block));
        }
        let Some(payload) = self.record(hash)? else { return Ok(None) };
        let block = decode_block(&payload)?;
        if block.hash != *hash {
            return Err(StorageError::corrupt(format!("the record of block {hash} holds block {}", block.hash)));
        }
        let block = Arc::new(block);
        self.inner.caches.blocks.insert(*hash, (payload.len(), Arc::clone(&block)));
        Ok(Some(block))
    }

    /// The receipts of a block, canonical or not.
    ///
    /// # Errors
    /// The tables' or segments' failure to read.
    pub fn receipts(&self, hash: &B256) -> Result<Option<Arc<Vec<Receipt>>>, StorageError> {
        if let Some(layer) = self.layer(hash) {
            return Ok(Some(Arc::clone(&layer.executed.receipts)));
        }
        if let Some((_, receipts)) = self.inner.caches.receipts.get(hash) {
            return Ok(Some(receipts));
        }
        let Some(payload) = self.record(hash)? else { return Ok(None) };
        let receipts = Arc::new(decode_receipts(&payload)?);
        self.inner.caches.receipts.insert(*hash, (payload.len(), Arc::clone(&receipts)));
        Ok(Some(receipts))
    }

    pub(crate) fn record(&self, hash: &B256) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(position) = self.inner.base.kv.get(tables::LOCATIONS, hash.as_slice())? else { return Ok(None) };
        match self.inner.segments.read(Position::decode(&position)?)? {
            (KIND_BLOCK, payload) => Ok(Some(payload)),
            (kind, _) => Err(StorageError::corrupt(format!("the record of block {hash} is of kind {kind}"))),
        }
    }

    /// The state after the newest canonical block.
    pub fn head_state(&self) -> StateView {
        let memory = self.inner.memory.read();
        // The head always leads to the base; if it ever did not, the base is the newest state there is.
        let layers = memory.path(&memory.head.hash).unwrap_or_else(|| Arc::new([]));
        self.view(&memory, layers)
    }

    /// The state after any canonical block, or after a side block that is still in memory.
    ///
    /// # Errors
    /// [`StorageError::Pruned`], the tables' failure to read.
    pub fn state_at(&self, hash: &B256) -> Result<Option<StateView>, StorageError> {
        {
            let memory = self.inner.memory.read();
            if let Some(layers) = memory.path(hash) {
                return Ok(Some(self.view(&memory, layers)));
            }
        }
        let Some(header) = self.sealed_header(hash)? else { return Ok(None) };
        if self.canonical_hash(header.number)? != Some(*hash) {
            return Ok(None);
        }
        self.inner.base.check_kept(header.number)?;
        let base = &self.inner.base;
        let state = base.state_root(header.number).and_then(|state| Ok((state, base.root_hash(&state)?)));
        let state = match state {
            Ok((state, root)) if root == header.state_root => state,
            wrong => {
                // Pruned or unwound in between.
                base.check_kept(header.number)?;
                if self.canonical_hash(header.number)? != Some(*hash) {
                    return Ok(None);
                }
                let (_, root) = wrong?;
                let what = format!("the state of block {hash} has root {root}, not {}", header.state_root);
                return Err(StorageError::corrupt(what).in_table(tables::STATE_ROOTS));
            }
        };
        let (base, trie) = (Arc::clone(&self.inner.base), Arc::new(StateTrie::stored(header.state_root, state.root)));
        Ok(Some(StateView { base, layers: Arc::new([]), trie, header, state }))
    }

    fn view(&self, memory: &Memory, layers: Arc<[Arc<Layer>]>) -> StateView {
        let header = layers.first().map_or_else(|| Arc::clone(&memory.base), |layer| Arc::clone(&layer.header));
        let trie = layers.first().map_or(&memory.base_trie, |layer| &layer.executed.trie);
        let trie = Arc::clone(trie);
        StateView {
            base: Arc::clone(&self.inner.base),
            layers,
            trie,
            header,
            state: StateRoot { number: memory.base.number, root: memory.base_root },
        }
    }
}

pub(crate) fn decode_header(hash: B256, mut rlp: &[u8]) -> Result<Arc<SealedHeader>, StorageError> {
    let header = Header::decode(&mut rlp).map_err(|err| StorageError::corrupt(format!("header {hash}: {err}")))?;
    Ok(Arc::new(SealedHeader { hash, header }))
}

impl HeaderReader for Storage {
    fn header(&self, hash: &B256) -> Option<Header> {
        Self::header(self, hash).unwrap_or_else(|err| unreadable(hash, &err))
    }

    fn ommers(&self, hash: &B256) -> Option<Vec<Header>> {
        let block = Self::block(self, hash).unwrap_or_else(|err| unreadable(hash, &err));
        block.map(|block| block.block.body.ommers.clone())
    }
}

fn unreadable<T>(hash: &B256, err: &StorageError) -> Option<T> {
    tracing::error!(%hash, err = err as &dyn std::error::Error, "cannot read a block");
    None
}
