//! sled behind the seam. It must not know what keys mean.

use crate::{Batch, Entry, KvError, Table, error::is_damage};
use std::{collections::HashSet, io::ErrorKind, ops::Bound, path::Path, thread, time::Duration};

/// sled's batches are atomic within one tree only, so all tables share one: a key is preceded by its table's name
/// and a zero byte.
pub(crate) struct SledEngine {
    tables: HashSet<Table>,
    tree: sled::Db,
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
        let path = dir.join("tables.sled");
        // Every batch is flushed by `write`, so sled's own timer would only add work.
        let config = sled::Config::new().path(&path).cache_capacity(cache_bytes as u64).flush_every_ms(None);
        let mut attempts_left = 50;
        let tree = loop {
            match config.open() {
                Ok(tree) => break tree,
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
        };
        Ok(Self { tables: tables.iter().copied().collect(), tree })
    }

    fn check(&self, table: Table) -> Result<(), KvError> {
        if self.tables.contains(&table) { Ok(()) } else { Err(KvError::UnknownTable(table.0)) }
    }

    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.check(table)?;
        let found = self.tree.get(full_key(table, key)).map_err(|err| KvError::read(table, err))?;
        Ok(found.map(|value| value.to_vec()))
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
        let mut entries = self.tree.range::<Vec<u8>, _>((start, end));
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(entry) = (if reverse { entries.next_back() } else { entries.next() }) else { break };
            let (key, value) = entry.map_err(|err| KvError::read(table, err))?;
            found.push((key[prefix.len()..].to_vec(), value.to_vec()));
        }
        Ok(found)
    }

    pub fn write(&self, batch: Batch) -> Result<(), KvError> {
        let mut writes = sled::Batch::default();
        for change in batch.changes {
            self.check(change.table)?;
            let key = full_key(change.table, &change.key);
            match change.value {
                Some(value) => writes.insert(key, value),
                None => writes.remove(key),
            }
        }
        self.tree.apply_batch(writes).map_err(KvError::sled)?;
        self.tree.flush().map_err(KvError::sled)?;
        Ok(())
    }
}

fn is_locked(err: &std::io::Error) -> bool {
    // sled wraps the system's refusal into an `Other` whose text begins so.
    err.kind() == ErrorKind::WouldBlock || err.to_string().starts_with("could not acquire lock")
}
