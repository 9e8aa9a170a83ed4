//! Opening a data directory, and the first block of a new one.

use crate::{
    Storage, StorageError, StorageOptions,
    base::Base,
    memory::Memory,
    restore::Journal,
    segment::{KIND_BLOCK, Position, SEGMENT_BYTES, Segments, encode_block},
    storage::{Caches, Inner, decode_header},
    tables::{self, encode_account, encode_value},
    trie::{self, NodeSource, Parent},
};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use atoll_kv::{Batch, Kv};
use atoll_primitives::{
    B256, Block, BlockBody, Bytes, ChainSpec, RecoveredBlock, SealedHeader, StateChanges, StorageChanges,
    genesis_accounts,
};
use parking_lot::{Mutex, RwLock};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::Path,
    sync::Arc,
};

impl Storage {
    /// Opens a data directory, and starts a chain from the genesis block of `spec` in an empty one.
    ///
    /// # Errors
    /// [`StorageError::Locked`], [`StorageError::WrongGenesis`], [`StorageError::WrongSchema`], the tables' own
    /// errors (another engine among them), [`StorageError::Io`] when the directory cannot be used.
    pub fn open(dir: &Path, spec: &ChainSpec, options: StorageOptions) -> Result<Self, StorageError> {
        fs::create_dir_all(dir).map_err(|source| StorageError::io(dir, source))?;
        let lock = lock(dir)?;
        // The engine holds most of what is read at random, so it gets half of the memory.
        let kv = Kv::open(&dir.join("tables"), options.engine, &tables::ALL, options.cache_bytes / 2)?;
        let genesis = Arc::new(spec.genesis_header());
        let segments = dir.join("segments");
        match kv.get(tables::META, tables::META_SCHEMA)? {
            None => create(&kv, &segments, spec, &genesis)?,
            Some(found) => check(&kv, dir, tables::decode_u64(&found)?, &genesis)?,
        }
        let base_hash = tables::decode_hash(&meta(&kv, tables::META_BASE)?)?;
        let rlp = kv.get(tables::HEADERS, base_hash.as_slice())?;
        let base = decode_header(base_hash, &rlp.ok_or_else(|| StorageError::corrupt("the base has no header"))?)?;
        let mut journal = Journal::default();
        let start = Position::decode(&meta(&kv, tables::META_JOURNAL)?)?;
        let segments =
            Segments::open(&segments, start, SEGMENT_BYTES, &mut |record| journal.take_in(record, &base.hash))?;
        tracing::info!(base = base.number, journaled = journal.len(), engine = %options.engine, "opened the chain");
        let inner = Inner {
            genesis_hash: genesis.hash,
            flush_depth: options.flush_depth,
            layer_bytes: options.layer_bytes,
            base: Arc::new(Base::new(kv, Arc::clone(&base), options.cache_bytes / 2)),
            segments,
            flushing: Mutex::new(()),
            memory: RwLock::new(Memory::new(base)),
            journal: Mutex::new(journal),
            caches: Caches::new(options.cache_bytes / 2),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// Keeps other processes out for as long as the file stays open, also when this one is killed.
fn lock(dir: &Path) -> Result<File, StorageError> {
    let path = dir.join("LOCK");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| StorageError::io(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StorageError::io(&path, source)),
    }
}

fn meta(kv: &Kv, key: &[u8]) -> Result<Vec<u8>, StorageError> {
    let missing = || StorageError::corrupt(format!("`{}` is missing", String::from_utf8_lossy(key)));
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

/// The state before the genesis block.
struct Nothing;

impl NodeSource for Nothing {
    fn account_node(&self, _: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        Ok(None)
    }

    fn storage_node(&self, _: &B256, _: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        Ok(None)
    }
}

/// Writes the genesis block and its state, in one batch.
fn create(kv: &Kv, segments: &Path, spec: &ChainSpec, genesis: &SealedHeader) -> Result<(), StorageError> {
    let body = BlockBody { withdrawals: genesis.withdrawals_root.map(|_| Default::default()), ..Default::default() };
    let block = Block { header: genesis.header.clone(), body };
    let block = RecoveredBlock { hash: genesis.hash, block, senders: Vec::new() };
    // Whatever a first start left here that died before its batch was written is overwritten by none and read by
    // none: the journal begins behind it.
    let segments = Segments::open(segments, Position { segment: 0, offset: 0 }, SEGMENT_BYTES, &mut |_| Ok(()))?;
    let mut tail = segments.tail();
    let position = tail.append(KIND_BLOCK, &encode_block(&block, &genesis.difficulty, &[]))?;
    tail.sync()?;

    let mut batch = Batch::new();
    let mut changes = StateChanges::default();
    for (address, account, code, slots) in genesis_accounts(&spec.genesis) {
        batch.put(tables::ACCOUNTS, address.as_slice(), encode_account(Some(&account)));
        for (slot, value) in &slots {
            batch.put(tables::SLOTS, tables::slot_key(&address, slot), encode_value(value));
        }
        if let Some(code) = code {
            batch.put(tables::CODE, account.code_hash.as_slice(), code.as_ref());
        }
        changes.accounts.insert(address, Some(account));
        changes.storage.insert(address, StorageChanges { wiped: false, slots: slots.into_iter().collect() });
    }
    let (root, trie) = trie::state_root(&Nothing, EMPTY_ROOT_HASH, &changes, Parent::Passes)?;
    if root != genesis.state_root {
        return Err(StorageError::corrupt(format!("genesis state root {root}, not {}", genesis.state_root)));
    }
    for (path, node) in trie.account_nodes {
        batch.put(tables::ACCOUNT_TRIE, tables::path_key(&path), node.unwrap_or_default());
    }
    for (account, storage) in trie.storage {
        for (path, node) in storage.nodes {
            batch.put(tables::STORAGE_TRIE, tables::storage_node_key(&account, &path), node.unwrap_or_default());
        }
    }
    put_block(&mut batch, genesis, &genesis.difficulty, position);
    batch.put(tables::CANONICAL, genesis.number.to_be_bytes(), genesis.hash.as_slice());
    batch.put(tables::META, tables::META_SCHEMA, tables::SCHEMA.to_be_bytes());
    batch.put(tables::META, tables::META_GENESIS, genesis.hash.as_slice());
    put_base(&mut batch, genesis, tail.end());
    Ok(kv.write(batch)?)
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
