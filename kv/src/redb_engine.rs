//! redb behind the seam. It must not know what keys mean.

use crate::{Batch, Entry, KvError, Table};
use parking_lot::RwLock;
use redb::{Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, TableDefinition};
use std::{collections::HashMap, ops::Bound, path::Path, sync::Arc};

type Tables = HashMap<Table, ReadOnlyTable<&'static [u8], &'static [u8]>>;

pub(crate) struct RedbEngine {
    /// Opening a transaction and a table costs more than a read, so the tables of the newest commit stay open,
    /// and are replaced after each write. Pages freed by one commit are so reused two commits later.
    newest: RwLock<Arc<Tables>>,
    names: Vec<Table>,
    // After `newest`: fields drop in order, and its read transaction must end before the database closes.
    database: Database,
}

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.0)
}

impl RedbEngine {
    pub fn open(dir: &Path, tables: &[Table], cache_bytes: usize) -> Result<Self, KvError> {
        let path = dir.join("tables.redb");
        let opened = Builder::new().set_cache_size(cache_bytes).create(&path);
        let database = opened.map_err(|err| match err {
            DatabaseError::DatabaseAlreadyOpen => KvError::InUse { dir: dir.to_owned() },
            DatabaseError::Storage(redb::StorageError::Io(source)) => KvError::io(&path, source),
            other => KvError::redb(other),
        })?;
        let write = database.begin_write().map_err(KvError::redb)?;
        for table in tables {
            write.open_table(definition(*table)).map_err(KvError::redb)?;
        }
        write.commit().map_err(KvError::redb)?;
        let newest = RwLock::new(Arc::new(open_tables(&database, tables)?));
        Ok(Self { newest, names: tables.to_vec(), database })
    }

    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        let tables = Arc::clone(&self.newest.read());
        let table = tables.get(&table).ok_or(KvError::UnknownTable(table.0))?;
        let found = table.get_owned(key).map_err(KvError::redb)?;
        Ok(found.map(|guard| guard.value().to_vec()))
    }

    pub fn range(
        &self,
        table: Table,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<Entry>, KvError> {
        let tables = Arc::clone(&self.newest.read());
        let table = tables.get(&table).ok_or(KvError::UnknownTable(table.0))?;
        let mut entries = table.range_owned::<&[u8]>((start, end)).map_err(KvError::redb)?;
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(entry) = (if reverse { entries.next_back() } else { entries.next() }) else { break };
            let (key, value) = entry.map_err(KvError::redb)?;
            found.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(found)
    }

    pub fn write(&self, batch: Batch) -> Result<(), KvError> {
        let mut by_table: HashMap<Table, Vec<_>> = HashMap::new();
        for change in batch.changes {
            by_table.entry(change.table).or_default().push((change.key, change.value));
        }
        if let Some(table) = by_table.keys().find(|table| !self.names.contains(table)) {
            return Err(KvError::UnknownTable(table.0));
        }
        let mut write = self.database.begin_write().map_err(KvError::redb)?;
        // Without it, opening after a crash walks the whole file: minutes on a grown chain.
        write.set_quick_repair(true);
        for (name, mut changes) in by_table {
            // Stable: of two changes to one key the later stays the later. In key order a tree is written fastest.
            changes.sort_by(|a, b| a.0.cmp(&b.0));
            let mut table = write.open_table(definition(name)).map_err(KvError::redb)?;
            for (key, value) in changes {
                match value {
                    Some(value) => drop(table.insert(key.as_slice(), value.as_slice()).map_err(KvError::redb)?),
                    None => drop(table.remove(key.as_slice()).map_err(KvError::redb)?),
                }
            }
        }
        write.commit().map_err(KvError::redb)?;
        let tables = Arc::new(open_tables(&self.database, &self.names)?);
        *self.newest.write() = tables;
        Ok(())
    }
}

fn open_tables(database: &Database, names: &[Table]) -> Result<Tables, KvError> {
    let read = database.begin_read().map_err(KvError::redb)?;
    names.iter().map(|name| Ok((*name, read.open_table(definition(*name)).map_err(KvError::redb)?))).collect()
}
