//! Makes the tables again from the segments, beside the damaged ones, which are kept: the rows by which blocks are
//! found from the records alone, the state by executing the blocks. It must not know how blocks are executed:
//! `chain` does that.

mod index;

use crate::{
    DbEngine, ExecutedBlock, Progress, Storage, StorageError, StorageOptions,
    layer::Layer,
    open::{STATE, genesis, lock, open_tables},
    segment::{KIND_BLOCK, Position, decode_block},
    statelog::{self, StateLog},
    tables::{self, Origin},
};
use atoll_kv::{Batch, Kv};
use atoll_primitives::{B256, ChainSpec, RecoveredBlock, SealedHeader};
pub use index::Lost;
use index::{Index, ROWS};
use std::{
    fs, io,
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The new tables while they are made; a rebuild that was broken off leaves them, and the next one starts anew.
const UNDER_WAY: &str = "tables.rebuilt";
/// The same for the state log, where that is made again too.
const STATE_UNDER_WAY: &str = "state.rebuilt";

/// What to make again; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The rows by which blocks, transactions and logs are found; the state is copied as it is.
    Indexes,
    /// The index of addresses, if there is one, by executing the blocks once more over the states that are there.
    Addresses,
    /// All tables.
    Everything,
}

impl Scope {
    /// What has to be made again when these tables, or `segments`, are damaged.
    ///
    /// # Errors
    /// [`StorageError::UnknownTable`] for a name that is no table's.
    pub fn of<'a>(damaged: impl IntoIterator<Item = &'a str>) -> Result<Self, StorageError> {
        let mut scope = Self::Indexes;
        for name in damaged {
            match tables::ALL.iter().find(|table| table.0 == name) {
                Some(table) => {
                    scope = scope.max(match tables::origin(*table) {
                        Origin::Segments => Self::Indexes,
                        Origin::Replay => Self::Addresses,
                        Origin::Execution => Self::Everything,
                    });
                }
                None if name == "segments" || name == statelog::NAME.0 => scope = Self::Everything,
                None => return Err(StorageError::UnknownTable { name: name.to_owned() }),
            }
        }
        Ok(scope)
    }
}

/// A data directory whose tables are being made again. Dropping it changes nothing.
pub struct Rebuild {
    storage: Storage,
    dir: PathBuf,
    target: SealedHeader,
    lost: Lost,
    left_head: Option<B256>,
    addresses: bool,
    /// Shares the storage's lock, and keeps it once the storage is closed.
    lock: fs::File,
}

/// What a rebuild did.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// Number of the newest block.
    pub head: u64,
    /// Its hash.
    pub hash: B256,
    /// Where the damaged files are now.
    pub kept: PathBuf,
    /// What the segments did not hold any more.
    pub lost: Lost,
}

impl Rebuild {
    /// Reads the segments of `dir`, which no process may have open, and makes the rows by which blocks are found.
    ///
    /// # Errors
    /// [`StorageError::Locked`], [`StorageError::NoChain`], [`StorageError::WrongGenesis`]; the disk's failure; with
    /// [`Scope::Indexes`] damage in the tables that are to be copied.
    pub fn start(
        dir: &Path,
        spec: &ChainSpec,
        options: StorageOptions,
        scope: Scope,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, StorageError> {
        let lock = lock(dir)?;
        let shared = lock.try_clone().map_err(|source| StorageError::io(dir, source))?;
        let segments = dir.join("segments");
        if !segments.is_dir() {
            return Err(StorageError::NoChain { dir: dir.to_owned() });
        }
        let (path, state_path) = (dir.join(UNDER_WAY), dir.join(STATE_UNDER_WAY));
        complete(dir)?;
        // In this order: a state without tables beside it is one whose tables are in their place already.
        remove(&state_path)?;
        remove(&path)?;
        let genesis = spec.genesis_header();
        // As before, if that can be told.
        let engine = DbEngine::of(&dir.join("tables")).ok().flatten().unwrap_or(options.engine);
        let options = StorageOptions { engine, ..options };
        let kv = Kv::open(&path, engine, &tables::ALL, options.cache_bytes / 2)?;
        let nowhere = Position { segment: 0, offset: 0 };
        match scope {
            Scope::Everything => {
                let log = StateLog::open(&state_path, 0, options.segment_bytes, 0)?;
                kv.write(genesis::rows(spec, &genesis, &log, nowhere, nowhere)?)?;
            }
            _ => kv.write(genesis::block_rows(&genesis, nowhere))?,
        }
        let mut index = Index::new(&kv, &segments, genesis.hash);
        index.read(dir, progress)?;
        index.restore_genesis(&genesis, options.segment_bytes)?;
        let old = open_tables(dir, None, options.cache_bytes / 4).ok();
        let (head, left_head) = match scope {
            Scope::Everything => (index.head, old.as_ref().and_then(|old| index.left_head(old))),
            _ => (index.copy_state(old.as_ref(), scope, progress)?, None),
        };
        index.write_canonical(&head, scope, progress)?;
        let (lost, target) = (index.finish(), head);
        let addresses = scope != Scope::Indexes && old.is_some_and(|old| has_addresses(&old));
        let state = if scope == Scope::Everything { state_path } else { dir.join(STATE) };
        let storage = Storage::assemble(kv, lock, [&segments, &state], genesis.hash, options)?;
        let target = storage.sealed_header(&target)?.ok_or(StorageError::UnknownBlock { hash: target })?;
        Ok(Self {
            storage,
            dir: dir.to_owned(),
            target: target.as_ref().clone(),
            lost,
            left_head,
            addresses,
            lock: shared,
        })
    }

    /// The handle over the new tables.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Whether the index of addresses is to be made again: there was one. It is empty until then.
    pub fn wants_addresses(&self) -> bool {
        self.addresses
    }

    /// The block to execute next; `None` when all are.
    ///
    /// # Errors
    /// The tables' or segments' failure to read.
    pub fn next(&self) -> Result<Option<RecoveredBlock>, StorageError> {
        let number = self.storage.head_number() + 1;
        if number > self.target.number {
            return Ok(None);
        }
        let kv = &self.storage.inner.base.kv;
        let missing = || StorageError::corrupt(format!("block {number} is missing"));
        let hash = kv.get(tables::CANONICAL, &number.to_be_bytes())?.ok_or_else(missing)?;
        let (kind, payload) = self.storage.inner.segments.read(self.position(&tables::decode_hash(&hash)?)?)?;
        if kind == KIND_BLOCK { decode_block(&payload).map(Some) } else { Err(missing()) }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let done = self.storage.head_number();
        Progress { part: "executing blocks", done, total: Some(self.target.number) }
    }

    /// Makes the block that [`Rebuild::next`] gave the head: it is in the segments already.
    ///
    /// # Errors
    /// [`StorageError::UnknownParent`] if it is another block.
    pub fn append(&self, executed: ExecutedBlock) -> Result<(), StorageError> {
        let hash = executed.block.hash;
        let layer = Arc::new(Layer::new(executed, self.position(&hash)?));
        let mut memory = self.storage.inner.memory.write();
        memory.insert(layer)?;
        let switch = memory.switch(&hash)?;
        memory.apply(&switch);
        Ok(())
    }

    fn position(&self, hash: &B256) -> Result<Position, StorageError> {
        let row = self.storage.inner.base.kv.get(tables::LOCATIONS, hash.as_slice())?;
        Position::decode(&row.ok_or(StorageError::UnknownBlock { hash: *hash })?)
    }

    /// Puts the new tables into the place of the old ones, which are kept in a directory of their own. No other
    /// handle to the storage may be left.
    ///
    /// # Errors
    /// The disk's failure. The old tables are then where they were, or in that directory.
    pub fn finish(self) -> Result<Rebuilt, StorageError> {
        let Self { storage, dir, target, lost, left_head, lock, .. } = self;
        storage.flush_all()?;
        if let Some(left) = left_head {
            let mut batch = Batch::new();
            batch.put(tables::META, tables::META_LEFT_HEAD, left.as_slice());
            storage.inner.base.kv.write(batch)?;
        }
        drop(storage);
        let kept = free_name(&dir);
        fs::create_dir(&kept).map_err(|source| StorageError::io(&kept, source))?;
        lost.cut_off(&dir.join("segments"), &kept)?;
        put_in_place(&dir, "tables", UNDER_WAY, &kept)?;
        put_in_place(&dir, STATE, STATE_UNDER_WAY, &kept)?;
        fs::File::open(&dir).and_then(|dir| dir.sync_all()).map_err(|source| StorageError::io(&dir, source))?;
        drop(lock);
        Ok(Rebuilt { head: target.number, hash: target.hash, kept, lost })
    }
}

/// Puts what was made anew into the place of the old, which is kept.
fn put_in_place(dir: &Path, name: &str, made: &str, kept: &Path) -> Result<(), StorageError> {
    let (old, made) = (dir.join(name), dir.join(made));
    if !made.exists() {
        return Ok(());
    }
    if old.exists() {
        fs::rename(&old, kept.join(name)).map_err(|source| StorageError::io(&old, source))?;
    }
    fs::rename(&made, &old).map_err(|source| StorageError::io(&made, source))
}

/// Ends a rebuild that was broken off when the tables were in their place and the state was not yet.
pub(crate) fn complete(dir: &Path) -> Result<(), StorageError> {
    if !dir.join(STATE_UNDER_WAY).exists() || dir.join(UNDER_WAY).exists() {
        return Ok(());
    }
    let kept = free_name(dir);
    fs::create_dir(&kept).map_err(|source| StorageError::io(&kept, source))?;
    put_in_place(dir, STATE, STATE_UNDER_WAY, &kept)
}

/// Whether there are rows of the index of addresses, or something that cannot be read in their place.
fn has_addresses(old: &Kv) -> bool {
    let empty =
        |table| old.range(table, Bound::Unbounded, Bound::Unbounded, false, 1).is_ok_and(|rows| rows.is_empty());
    !(empty(tables::ADDRESS_RUNS) && empty(tables::ADDRESS_INDEX))
}

fn remove(path: &Path) -> Result<(), StorageError> {
    match fs::remove_dir_all(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(StorageError::io(path, err)),
        _ => Ok(()),
    }
}

/// The first `damaged-N` that is not taken.
fn free_name(dir: &Path) -> PathBuf {
    let names = (1u32..).map(|n| dir.join(format!("damaged-{n}")));
    names.into_iter().find(|path| !path.exists()).unwrap_or_else(|| dir.join("damaged"))
}

/// Copies a whole table.
fn copy(from: &Kv, to: &Kv, table: atoll_kv::Table, progress: &mut dyn FnMut(Progress)) -> Result<(), StorageError> {
    let (mut last, mut done) = (None::<Vec<u8>>, 0u64);
    loop {
        let start = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = from.range(table, start, Bound::Unbounded, false, ROWS)?;
        let Some((key, _)) = rows.last() else { return Ok(()) };
        last = Some(key.clone());
        done += rows.len() as u64;
        let mut batch = Batch::new();
        rows.into_iter().for_each(|(key, value)| batch.put(table, key, value));
        to.write(batch)?;
        progress(Progress { part: table.0, done, total: None });
    }
}
