//! redb behind the seam. It must not know what keys mean.

use crate::{Batch, Entry, KvError, Table, error::is_damage};
use parking_lot::{MappedRwLockReadGuard, Mutex, RwLock, RwLockReadGuard};
use redb::{
    Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, StorageError, TableDefinition, TableHandle,
};
use std::{
    collections::{HashMap, HashSet},
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

type OpenTable = ReadOnlyTable<&'static [u8], &'static [u8]>;
type Tables = HashMap<Table, OpenTable>;

pub(crate) struct RedbEngine {
    /// From a failed write until the file could be opened again what to do about that.
    opened: RwLock<Result<Opened, &'static str>>,
    /// One at a time writes, so that whoever fails holds the only handle besides `opened`.
    writer: Mutex<()>,
    names: Vec<Table>,
    dir: PathBuf,
    cache_bytes: usize,
}

struct Opened {
    /// Opening a transaction and a table costs more than a read, so the tables of the newest commit stay open,
    /// and are replaced after each write. Pages freed by one commit are so reused two commits later.
    newest: Tables,
    // After `newest`: fields drop in order, and its read transaction must end before the database closes.
    database: Arc<Database>,
}

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.0)
}

impl RedbEngine {
    pub fn open(dir: &Path, tables: &[Table], cache_bytes: usize) -> Result<Self, KvError> {
        let mut attempts_left = 50;
        let opened = loop {
            match Opened::open(dir, tables, cache_bytes) {
                // A read that began before the store was dropped holds it for a moment.
                Err(KvError::InUse { .. }) if attempts_left > 0 => {
                    attempts_left -= 1;
                    thread::sleep(Duration::from_millis(20));
                }
                opened => break opened?,
            }
        };
        let (opened, writer) = (RwLock::new(Ok(opened)), Mutex::new(()));
        Ok(Self { opened, writer, names: tables.to_vec(), dir: dir.to_owned(), cache_bytes })
    }

    /// Held for the time of one read: a new commit's tables wait for it.
    fn newest(&self) -> Result<MappedRwLockReadGuard<'_, Opened>, KvError> {
        RwLockReadGuard::try_map(self.opened.read(), |opened| opened.as_ref().ok())
            .map_err(|opened| self.closed(&opened))
    }

    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.read(table, |open| Ok(open.get(key)?.map(|guard| guard.value().to_vec())))
    }

    pub fn range(
        &self,
        table: Table,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<Entry>, KvError> {
        self.read(table, |open| {
            let mut entries = open.range::<&[u8]>((start, end))?;
            let mut found = Vec::new();
            while found.len() < limit {
                let Some(entry) = (if reverse { entries.next_back() } else { entries.next() }) else { break };
                let (key, value) = entry?;
                found.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(found)
        })
    }

    /// Reads a table of the newest commit.
    ///
    /// Between a write that fails and the file opened anew redb refuses reads too: who reads then waits for the writer,
    /// and reads what it opened before the next write may fail.
    fn read<T>(&self, table: Table, read: impl Fn(&OpenTable) -> Result<T, StorageError>) -> Result<T, KvError> {
        let first = read(find(&*self.newest()?, table)?);
        let found = match first {
            Err(StorageError::PreviousIo) => {
                let _no_other_write = self.writer.lock();
                read(find(&*self.newest()?, table)?)
            }
            found => found,
        };
        found.map_err(|err| KvError::read(table, err))
    }

    pub fn write(&self, batch: Batch) -> Result<(), KvError> {
        let mut by_table: HashMap<Table, Vec<_>> = HashMap::new();
        for change in batch.changes {
            by_table.entry(change.table).or_default().push((change.key, change.value));
        }
        if let Some(table) = by_table.keys().find(|table| !self.names.contains(table)) {
            return Err(KvError::UnknownTable(table.0));
        }
        let _alone = self.writer.lock();
        if self.opened.read().is_err() {
            let opened = Opened::open(&self.dir, &self.names, self.cache_bytes)?;
            *self.opened.write() = Ok(opened);
        }
        let database = Arc::clone(&self.newest()?.database);
        let committed = commit(&database, by_table).and_then(|()| open_tables(&database, &self.names));
        drop(database);
        let mut opened = self.opened.write();
        match (committed, opened.as_mut()) {
            (Ok(tables), Ok(opened)) => {
                opened.newest = tables;
                Ok(())
            }
            (Err(error), _) => {
                // After a failed write redb refuses everything, reading too, until the file is opened anew. Where
                // that fails as well the next write tries again.
                *opened = Err(error.advice());
                *opened = Opened::open(&self.dir, &self.names, self.cache_bytes)
                    .map_err(|again| again.advice_or(error.advice()));
                Err(error)
            }
            (Ok(_), Err(_)) => Err(self.closed(&opened)),
        }
    }

    fn closed(&self, opened: &Result<Opened, &'static str>) -> KvError {
        let advice = opened.as_ref().err().copied().unwrap_or_default();
        KvError::Closed { dir: self.dir.clone(), advice }
    }
}

impl Opened {
    fn open(dir: &Path, tables: &[Table], cache_bytes: usize) -> Result<Self, KvError> {
        let path = dir.join("tables.redb");
        let opened = Builder::new().set_cache_size(cache_bytes).create(&path);
        let database = opened.map_err(|err| match err {
            DatabaseError::DatabaseAlreadyOpen => KvError::InUse { dir: dir.to_owned() },
            DatabaseError::Storage(StorageError::Io(source)) if !is_damage(&source) => KvError::io(&path, source),
            other => KvError::file(&path, other),
        })?;
        // Where all tables are there nothing is written: a full disk can be opened and read.
        let present: HashSet<String> = {
            let read = database.begin_read().map_err(KvError::redb)?;
            read.list_tables().map_err(KvError::redb)?.map(|table| table.name().to_owned()).collect()
        };
        if tables.iter().any(|table| !present.contains(table.0)) {
            let write = database.begin_write().map_err(KvError::redb)?;
            for table in tables {
                write.open_table(definition(*table)).map_err(KvError::redb)?;
            }
            write.commit().map_err(KvError::redb)?;
        }
        let newest = open_tables(&database, tables)?;
        Ok(Self { newest, database: Arc::new(database) })
    }
}

fn find(opened: &Opened, table: Table) -> Result<&OpenTable, KvError> {
    opened.newest.get(&table).ok_or(KvError::UnknownTable(table.0))
}

type Changes = HashMap<Table, Vec<(Vec<u8>, Option<Vec<u8>>)>>;

fn commit(database: &Database, by_table: Changes) -> Result<(), KvError> {
    let mut write = database.begin_write().map_err(KvError::redb)?;
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
    write.commit().map_err(KvError::redb)
}

fn open_tables(database: &Database, names: &[Table]) -> Result<Tables, KvError> {
    let read = database.begin_read().map_err(KvError::redb)?;
    names.iter().map(|name| Ok((*name, read.open_table(definition(*name)).map_err(KvError::redb)?))).collect()
}
