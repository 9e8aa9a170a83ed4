//! sled behind the seam. It must not know what keys mean.

use crate::{Batch, Entry, KvError, Table, batch::Change, error::is_damage};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{HashMap, HashSet},
    io::ErrorKind,
    ops::Bound,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Pause between two attempts to open a closed store again: reading a large one takes its time.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// sled's batches are atomic within one tree only, so all tables share one: a key is preceded by its table's name
/// and a zero byte.
pub(crate) struct SledEngine {
    tables: HashSet<Table>,
    /// The store; from a failed write until it could be opened again what to do about that. Held for the time of a read.
    opened: RwLock<Result<sled::Db, &'static str>>,
    /// One at a time writes, so that whoever fails may close the store. Since when it is closed, or was tried in vain.
    writer: Mutex<Option<Instant>>,
    dir: PathBuf,
    cache_bytes: usize,
}

fn full_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(table.0.len() + 1 + key.len());
    full.extend_from_slice(table.0.as_bytes());
    full.push(0);
    full.extend_from_slice(key);
    full
}

impl SledEngine {
    pub fn open(dir: &Path, tables: &[Table], cache_bytes: usize) -> Result<Self, KvError> {
        let opened = RwLock::new(Ok(open(dir, cache_bytes)?));
        let (tables, dir) = (tables.iter().copied().collect(), dir.to_owned());
        Ok(Self { tables, opened, writer: Mutex::default(), dir, cache_bytes })
    }

    /// Reads. A closed store is tried again now and then: it may be long until the next write.
    fn with<T>(&self, work: impl FnOnce(&sled::Db) -> Result<T, KvError>) -> Result<T, KvError> {
        if self.opened.read().is_err()
            && let Some(mut tried) = self.writer.try_lock()
            && tried.is_none_or(|tried| tried.elapsed() >= TRY_AGAIN)
        {
            // Why not stands in `opened` already.
            let _ = self.reopen(&mut tried);
        }
        self.opened_with(work)
    }

    fn opened_with<T>(&self, work: impl FnOnce(&sled::Db) -> Result<T, KvError>) -> Result<T, KvError> {
        let opened = self.opened.read();
        work(opened.as_ref().map_err(|advice| KvError::Closed { dir: self.dir.clone(), advice })?)
    }

    /// Opens a closed store.
    fn reopen(&self, tried: &mut Option<Instant>) -> Result<(), KvError> {
        if self.opened.read().is_ok() {
            return Ok(());
        }
        *tried = Some(Instant::now());
        let opened = open(&self.dir, self.cache_bytes);
        let mut before = self.opened.write();
        let advice = before.as_ref().err().copied().unwrap_or_default();
        *before = opened.as_ref().map(sled::Db::clone).map_err(|again| again.advice_or(advice));
        opened.map(drop)
    }

    fn check(&self, table: Table) -> Result<(), KvError> {
        if self.tables.contains(&table) { Ok(()) } else { Err(KvError::UnknownTable(table.0)) }
    }

    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.check(table)?;
        self.with(|tree| {
            let found = tree.get(full_key(table, key)).map_err(|err| KvError::read(table, err))?;
            Ok(found.map(|value| value.to_vec()))
        })
    }

    pub fn range(
        &self,
        table: Table,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<Entry>, KvError> {
        self.check(table)?;
        let prefix = full_key(table, &[]);
        let start = match start {
            Bound::Unbounded => Bound::Included(prefix.clone()),
            other => other.map(|key| full_key(table, key)),
        };
        let end = match end {
            Bound::Unbounded => {
                let mut after = prefix.clone();
                // The prefix ends in a zero byte: with a one in its place it lies behind all keys of the table.
                after.pop();
                after.push(1);
                Bound::Excluded(after)
            }
            other => other.map(|key| full_key(table, key)),
        };
        self.with(|tree| {
            let mut entries = tree.range::<Vec<u8>, _>((start, end));
            let mut found = Vec::new();
            while found.len() < limit {
                let Some(entry) = (if reverse { entries.next_back() } else { entries.next() }) else { break };
                let (key, value) = entry.map_err(|err| KvError::read(table, err))?;
                found.push((key[prefix.len()..].to_vec(), value.to_vec()));
            }
            Ok(found)
        })
    }

    pub fn write(&self, batch: Batch) -> Result<(), KvError> {
        batch.changes.iter().try_for_each(|change| self.check(change.table))?;
        let mut tried = self.writer.lock();
        self.reopen(&mut tried)?;
        let written = self.opened_with(|tree| apply(tree, &batch.changes));
        let Err(error) = written else { return Ok(()) };
        // After a failed write sled refuses everything, reading too, until it is opened anew, which fails as well as long as
        // the disk is full.
        let mut opened = self.opened.write();
        *opened = Err(error.advice());
        *opened = open(&self.dir, self.cache_bytes).map_err(|again| again.advice_or(error.advice()));
        *tried = Some(Instant::now());
        // What failed may have been the last word only, after all of the batch had reached the disk.
        match opened.as_ref() {
            Ok(tree) if holds(tree, &batch.changes).is_ok_and(|whole| whole) && tree.flush().is_ok() => Ok(()),
            _ => Err(error),
        }
    }
}

fn open(dir: &Path, cache_bytes: usize) -> Result<sled::Db, KvError> {
    let path = dir.join("tables.sled");
    // Every batch is flushed by `write`, so sled's own timer would only add work.
    let config = sled::Config::new().path(&path).cache_capacity(cache_bytes as u64).flush_every_ms(None);
    let mut attempts_left = 50;
    loop {
        match config.open() {
            Ok(tree) => return Ok(tree),
            // sled's threads hold its lock for a moment after a store is dropped.
            Err(sled::Error::Io(source)) if is_locked(&source) && attempts_left > 0 => {
                attempts_left -= 1;
                thread::sleep(Duration::from_millis(20));
            }
            Err(sled::Error::Io(source)) if is_locked(&source) => {
                return Err(KvError::InUse { dir: dir.to_owned() });
            }
            Err(sled::Error::Io(source)) if !is_damage(&source) => return Err(KvError::io(&path, source)),
            Err(other) => return Err(KvError::file(&path, other)),
        }
    }
}

fn apply(tree: &sled::Db, changes: &[Change]) -> Result<(), KvError> {
    let mut writes = sled::Batch::default();
    for change in changes {
        let key = full_key(change.table, &change.key);
        match &change.value {
            Some(value) => writes.insert(key, value.as_slice()),
            None => writes.remove(key),
        }
    }
    tree.apply_batch(writes).map_err(KvError::sled)?;
    tree.flush().map_err(KvError::sled)?;
    Ok(())
}

/// Whether the store is as after these changes.
fn holds(tree: &sled::Db, changes: &[Change]) -> Result<bool, sled::Error> {
    // Of two changes to one key the later counts.
    let last: HashMap<_, _> =
        changes.iter().map(|change| (full_key(change.table, &change.key), change.value.as_deref())).collect();
    for (key, value) in last {
        if tree.get(key)?.as_deref() != value {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_locked(err: &std::io::Error) -> bool {
    // sled wraps the system's refusal into an `Other` whose text begins so.
    err.kind() == ErrorKind::WouldBlock || err.to_string().starts_with("could not acquire lock")
}
