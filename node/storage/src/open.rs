//! Opening a data directory, and the first block of a new one.

pub(crate) mod genesis;
mod integrity;

use crate::{
    DbEngine, Storage, StorageError, StorageOptions,
    base::Base,
    memory::Memory,
    restore::Journal,
    runs::RunIndex,
    segment::{KIND_BLOCK, KIND_HEAD, Position, Reader, Scanned, Segments, decode_block},
    statelog::StateLog,
    storage::{Caches, Inner},
    tables::{self, encode_value},
};
use atoll_kv::{Batch, Kv};
use atoll_primitives::{B256, ChainSpec, SealedHeader};
use parking_lot::{Mutex, RwLock};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// The directory of the state log.
pub(crate) const STATE: &str = "state";

impl Storage {
    /// Opens a data directory, and starts a chain from the genesis block of `spec` in an empty one.
    ///
    /// # Errors
    /// [`StorageError::Locked`], [`StorageError::WrongGenesis`], [`StorageError::WrongSchema`], the tables' own
    /// errors (another engine among them), [`StorageError::Io`] when the directory cannot be used.
    pub fn open(dir: &Path, spec: &ChainSpec, options: StorageOptions) -> Result<Self, StorageError> {
        fs::create_dir_all(dir).map_err(|source| StorageError::io(dir, source))?;
        let lock = lock(dir)?;
        crate::rebuild::complete(dir)?;
        // The state is what is read most at random, so the engine gets an eighth of the memory.
        let kv = open_tables(dir, Some(options.engine), options.cache_bytes / 8)?;
        let genesis = Arc::new(spec.genesis_header());
        let (segments, state) = (dir.join("segments"), dir.join(STATE));
        match kv.get(tables::META, tables::META_SCHEMA)? {
            None => create(&kv, &segments, &state, options.segment_bytes, spec, &genesis)?,
            Some(found) => check(&kv, dir, tables::decode_u64(&found)?, &genesis)?,
        }
        Self::assemble(kv, lock, [&segments, &state], genesis.hash, options)
    }

    /// The handle over tables that are there: reads the journal.
    pub(crate) fn assemble(
        kv: Kv,
        lock: File,
        [segments, state]: [&Path; 2],
        genesis_hash: B256,
        options: StorageOptions,
    ) -> Result<Self, StorageError> {
        let persisted = Base::open(kv.clone(), state, options.segment_bytes, options.cache_bytes / 4 * 3)?;
        let (base, root) = integrity::base(&persisted, &Reader::new(segments))?;
        if let Some(oldest) = kv.get(tables::META, tables::META_PRUNED)? {
            persisted.set_oldest_state(tables::decode_u64(&oldest).map_err(|error| error.in_table(tables::META))?);
        }
        let mut journal = Journal::default();
        let start = Position::decode(&meta(&kv, tables::META_JOURNAL)?)?;
        let segments =
            Segments::open(segments, start, options.segment_bytes, &mut |record| journal.take_in(record, &base.hash))?;
        tracing::info!(base = base.number, journaled = journal.len(), engine = %options.engine, "opened the chain");
        let inner = Inner {
            genesis_hash,
            flush_depth: options.flush_depth,
            layer_bytes: options.layer_bytes,
            prune: options.prune,
            log_index: RunIndex::open(&persisted.kv, tables::LOG_RUNS, tables::LOG_INDEX)?,
            tx_index: RunIndex::open(&persisted.kv, tables::TX_RUNS, tables::TX_INDEX)?,
            address_index: RunIndex::open(&persisted.kv, tables::ADDRESS_RUNS, tables::ADDRESS_INDEX)?,
            base: Arc::new(persisted),
            segments,
            flushing: Mutex::new(()),
            memory: RwLock::new(Memory::new(base, root)),
            journal: Mutex::new(journal),
            caches: Caches::new(options.cache_bytes / 2),
            _lock: lock,
        };
        let storage = Self { inner: Arc::new(inner) };
        storage.complete_indexes()?;
        Ok(storage)
    }
}

/// Opens the tables of a data directory; without an engine only if they are there, by the one they were written with.
pub(crate) fn open_tables(dir: &Path, engine: Option<DbEngine>, cache_bytes: usize) -> Result<Kv, StorageError> {
    let tables = dir.join("tables");
    let engine = match engine {
        Some(engine) => engine,
        None => DbEngine::of(&tables)?.ok_or_else(|| StorageError::NoChain { dir: dir.to_owned() })?,
    };
    Ok(Kv::open(&tables, engine, &tables::ALL, cache_bytes)?)
}

/// A process that was killed a moment ago, or is just starting another program, may still hold the lock.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// Keeps other processes out for as long as the file stays open, also when this one is killed.
pub(crate) fn lock(dir: &Path) -> Result<File, StorageError> {
    let path = dir.join("LOCK");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| StorageError::io(&path, source))?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::WouldBlock) => return Err(StorageError::Locked { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(StorageError::io(&path, source)),
        }
    }
}

fn meta(kv: &Kv, key: &[u8]) -> Result<Vec<u8>, StorageError> {
    let missing =
        || StorageError::corrupt(format!("row `{}` is missing", String::from_utf8_lossy(key))).in_table(tables::META);
    kv.get(tables::META, key)?.ok_or_else(missing)
}

fn check(kv: &Kv, dir: &Path, schema: u64, genesis: &SealedHeader) -> Result<(), StorageError> {
    let dir = dir.to_owned();
    if schema != tables::SCHEMA {
        return Err(StorageError::WrongSchema { dir, found: schema, expected: tables::SCHEMA });
    }
    let found = tables::decode_hash(&meta(kv, tables::META_GENESIS)?)?;
    if found == genesis.hash { Ok(()) } else { Err(StorageError::WrongGenesis { found, expected: genesis.hash, dir }) }
}

/// Writes the genesis block and its state, in one batch.
fn create(
    kv: &Kv,
    segments: &Path,
    state: &Path,
    segment_bytes: u64,
    spec: &ChainSpec,
    genesis: &SealedHeader,
) -> Result<(), StorageError> {
    // Whatever a first start left here that died before its batch was written is overwritten by none and read by
    // none: the journal begins behind it.
    let start = Position { segment: 0, offset: 0 };
    let segments = Segments::open(segments, start, segment_bytes, &mut |record| refuse_chain(&record))?;
    let mut tail = segments.tail();
    let position = tail.append(KIND_BLOCK, &genesis::record(genesis))?;
    tail.sync()?;
    let log = StateLog::open(state, 0, segment_bytes, 0)?;
    Ok(kv.write(genesis::rows(spec, genesis, &log, position, tail.end())?)?)
}

/// Segments that hold more than a genesis block belong to tables that are gone: a new chain may not begin over them.
fn refuse_chain(record: &Scanned) -> Result<(), StorageError> {
    let first = record.kind == KIND_BLOCK && decode_block(&record.payload)?.number() == 0;
    if first || !matches!(record.kind, KIND_BLOCK | KIND_HEAD) {
        return Ok(());
    }
    Err(StorageError::corrupt("there are blocks in the segments, and no tables over them"))
}

/// The rows by which a block is found by its hash.
pub(crate) fn put_block(
    batch: &mut Batch,
    header: &SealedHeader,
    total_difficulty: &atoll_primitives::U256,
    position: Position,
) {
    let hash = header.hash.as_slice();
    batch.put(tables::HEADERS, hash, alloy_rlp::encode(&header.header));
    batch.put(tables::NUMBERS, hash, header.number.to_be_bytes());
    batch.put(tables::TOTAL_DIFFICULTY, hash, encode_value(total_difficulty));
    batch.put(tables::LOCATIONS, hash, position.encode());
}

/// The rows that say where the base stands and where the journal over it begins.
pub(crate) fn put_base(batch: &mut Batch, base: &SealedHeader, journal: Position) {
    batch.put(tables::META, tables::META_BASE, base.hash.as_slice());
    batch.put(tables::META, tables::META_JOURNAL, journal.encode());
}
