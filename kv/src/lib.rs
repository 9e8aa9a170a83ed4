//! The key-value seam: byte tables with point reads, range reads and atomic durable batches, over one of
//! several embedded engines.
//!
//! It must not know what any key or value means, nor anything of Ethereum.

mod batch;
mod engine;
mod error;
mod redb_engine;
mod sled_engine;

pub use batch::Batch;
pub use engine::Engine;
pub use error::{KvError, advice};

use redb_engine::RedbEngine;
use sled_engine::SledEngine;
use std::{ops::Bound, path::Path, sync::Arc};

/// A table, by its name. Names are stable: they stand in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Table(pub &'static str);

/// A key with its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// An open store. Clones share it; the files close when the last clone is dropped.
#[derive(Clone)]
pub struct Kv {
    engine: Opened,
}

#[derive(Clone)]
enum Opened {
    Redb(Arc<RedbEngine>),
    Sled(Arc<SledEngine>),
}

impl Kv {
    /// Opens the store in `dir`, creating the directory and the tables that are missing.
    ///
    /// `cache_bytes` bounds the engine's page cache; at the bound the oldest pages leave it.
    ///
    /// # Errors
    /// [`KvError::WrongEngine`] when the directory was written by another engine, [`KvError::InUse`] when
    /// another process has it open, [`KvError::Io`] when it cannot be read or written.
    pub fn open(dir: &Path, engine: Engine, tables: &[Table], cache_bytes: usize) -> Result<Self, KvError> {
        std::fs::create_dir_all(dir).map_err(|source| KvError::io(dir, source))?;
        engine::record(dir, engine)?;
        guarded(
            || format!("the store in {}", dir.display()),
            || {
                let engine = match engine {
                    Engine::Redb => Opened::Redb(Arc::new(RedbEngine::open(dir, tables, cache_bytes)?)),
                    Engine::Sled => Opened::Sled(Arc::new(SledEngine::open(dir, tables, cache_bytes)?)),
                };
                Ok(Self { engine })
            },
        )
    }

    /// Which engine holds the tables.
    pub fn engine(&self) -> Engine {
        match self.engine {
            Opened::Redb(_) => Engine::Redb,
            Opened::Sled(_) => Engine::Sled,
        }
    }

    /// The value of a key in the newest committed state.
    ///
    /// # Errors
    /// [`KvError::UnknownTable`], or the engine's failure to read.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        guarded(
            || format!("table `{}`", table.0),
            || match &self.engine {
                Opened::Redb(engine) => engine.get(table, key),
                Opened::Sled(engine) => engine.get(table, key),
            },
        )
    }

    /// At most `limit` entries between two keys, ascending, or descending from `end` when `reverse`.
    ///
    /// An empty or inverted range has no entries. One call on redb sees one committed state; on sled a batch
    /// written meanwhile may show in the later entries.
    ///
    /// # Errors
    /// [`KvError::UnknownTable`], or the engine's failure to read.
    pub fn range(
        &self,
        table: Table,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<Entry>, KvError> {
        if limit == 0 || is_empty(start, end) {
            return Ok(Vec::new());
        }
        guarded(
            || format!("table `{}`", table.0),
            || match &self.engine {
                Opened::Redb(engine) => engine.range(table, start, end, reverse, limit),
                Opened::Sled(engine) => engine.range(table, start, end, reverse, limit),
            },
        )
    }

    /// Applies a batch: all of it or nothing, over all tables, on disk when this returns.
    ///
    /// # Errors
    /// [`KvError::UnknownTable`], or the engine's failure to write; nothing of the batch is then visible.
    pub fn write(&self, batch: Batch) -> Result<(), KvError> {
        if batch.is_empty() {
            return Ok(());
        }
        guarded(
            || "the store".to_owned(),
            || match &self.engine {
                Opened::Redb(engine) => engine.write(batch),
                Opened::Sled(engine) => engine.write(batch),
            },
        )
    }
}

/// Engines disagree on inverted ranges (sled panics, redb returns nothing): they never see one.
fn is_empty(start: Bound<&[u8]>, end: Bound<&[u8]>) -> bool {
    use Bound::{Excluded, Included, Unbounded};
    match (start, end) {
        (Unbounded, _) | (_, Unbounded) => false,
        (Included(start), Included(end)) => start > end,
        (Included(start) | Excluded(start), Excluded(end)) | (Excluded(start), Included(end)) => start >= end,
    }
}

/// Runs an engine's code over files that may be damaged: some engines meet damage with a panic, which becomes an
/// error here. The store is not used any further after one.
fn guarded<T>(what: impl FnOnce() -> String, read: impl FnOnce() -> Result<T, KvError>) -> Result<T, KvError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(KvError::Damaged { what: what(), source: text.unwrap_or_default().into() })
    })
}
