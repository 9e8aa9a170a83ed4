//! The rows by which blocks and transactions are found, from the records of the segments alone. It must not know the
//! state.

use super::{Scope, copy};
use crate::{
    Progress, StorageError,
    open::{genesis, put_base, put_block},
    segment::{
        KIND_BLOCK, KIND_HEAD, Position, Reader, Scanned, Segments, Walked, decode_block, record_bytes, segment_path,
        walk,
    },
    storage::decode_header,
    tables::{self, Origin},
};
use atoll_kv::{Batch, Kv};
use atoll_primitives::{B256, RecoveredBlock, SealedHeader, U256, primitives::map::B256Map};
use std::{
    fs::{self, File, OpenOptions},
    path::Path,
    sync::Arc,
};

/// Rows or blocks that go into one batch: bounds memory.
pub(super) const ROWS: usize = 10_000;

/// What the segments do not hold any more.
#[derive(Debug, Clone, Default)]
pub struct Lost {
    /// Blocks that are there, and lead back to none that is: what was between is lost.
    pub blocks: u64,
    /// Where segments stop being readable, before their end.
    damaged: Vec<Position>,
    /// Numbers of segments that are not there.
    missing: Vec<u32>,
}

impl Lost {
    /// Whether every segment is whole.
    pub fn is_nothing(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty()
    }

    /// Cuts damaged segments where they stop being readable, after they were copied to `kept`.
    pub(super) fn cut_off(&self, segments: &Path, kept: &Path) -> Result<(), StorageError> {
        for Position { segment, offset } in &self.damaged {
            let (path, copy) = (segment_path(segments, *segment), segment_path(kept, *segment));
            let io = |source| StorageError::io(&path, source);
            fs::copy(&path, &copy).map_err(io)?;
            let file = OpenOptions::new().write(true).open(&path).map_err(io)?;
            file.set_len(*offset).and_then(|()| file.sync_all()).map_err(io)?;
        }
        for segment in &self.missing {
            let path = segment_path(segments, *segment);
            File::create(&path).map_err(|source| StorageError::io(&path, source))?;
        }
        Ok(())
    }
}

pub(super) struct Index<'a> {
    kv: &'a Kv,
    reader: Reader,
    genesis: B256,
    genesis_found: bool,
    batch: Batch,
    /// Blocks of the batch: not yet in the tables.
    pending: B256Map<(u64, U256)>,
    /// The last block that became the head and leads back to the genesis block.
    pub head: B256,
    /// Where the next record would be written.
    end: Position,
    lost: Lost,
}

impl<'a> Index<'a> {
    pub fn new(kv: &'a Kv, segments: &Path, genesis: B256) -> Self {
        let end = Position { segment: 0, offset: 0 };
        let (batch, pending, lost) = (Batch::new(), B256Map::default(), Lost::default());
        let reader = Reader::new(segments);
        Self { kv, reader, genesis, genesis_found: false, batch, pending, head: genesis, end, lost }
    }

    /// Takes in every record. Parents stand before their children: a block whose parent has not come leads nowhere.
    pub fn read(&mut self, dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), StorageError> {
        let (mut done, segments) = (0, self.reader.dir().to_owned());
        walk(&segments, &mut |walked| {
            done += 1;
            progress(Progress { part: "segments", done, total: None });
            match walked {
                Walked::Damage { position, .. } => {
                    self.lost.damaged.push(position);
                    self.end = Position { segment: position.segment + 1, offset: 0 };
                }
                Walked::Missing { segment } => self.lost.missing.push(segment),
                Walked::Record(record) => self.take(record, dir)?,
            }
            if self.pending.len() >= ROWS { self.write() } else { Ok(()) }
        })?;
        self.write()
    }

    fn take(&mut self, record: Scanned, dir: &Path) -> Result<(), StorageError> {
        let Scanned { kind, payload, position } = record;
        let after = position.offset + record_bytes(&payload);
        self.end = Position { offset: after, ..position };
        match kind {
            KIND_BLOCK => self.take_block(&decode_block(&payload)?, position, dir),
            KIND_HEAD => {
                let hash = tables::decode_hash(&payload)?;
                if self.find(&hash)?.is_some() {
                    self.head = hash;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take_block(&mut self, block: &RecoveredBlock, position: Position, dir: &Path) -> Result<(), StorageError> {
        let (hash, header) = (block.hash, block.header());
        if header.number == 0 {
            if hash != self.genesis {
                return Err(StorageError::WrongGenesis { found: hash, expected: self.genesis, dir: dir.to_owned() });
            }
            self.genesis_found = true;
            self.batch.put(tables::LOCATIONS, hash.as_slice(), position.encode());
            return Ok(());
        }
        if self.find(&hash)?.is_some() {
            return Ok(());
        }
        let Some((number, difficulty)) = self.find(&header.parent_hash)? else {
            self.lost.blocks += 1;
            return Ok(());
        };
        let difficulty = difficulty.saturating_add(header.difficulty);
        let sealed = SealedHeader { hash, header: header.clone() };
        put_block(&mut self.batch, &sealed, &difficulty, position);
        self.pending.insert(hash, (number + 1, difficulty));
        Ok(())
    }

    /// Where the genesis block's record is lost it is written anew.
    pub fn restore_genesis(&mut self, genesis: &SealedHeader, segment_bytes: u64) -> Result<(), StorageError> {
        if self.genesis_found {
            return Ok(());
        }
        let segments = Segments::open(self.reader.dir(), self.end, segment_bytes, &mut |_| Ok(()))?;
        let mut tail = segments.tail();
        let position = tail.append(KIND_BLOCK, &genesis::record(genesis))?;
        tail.sync()?;
        self.end = tail.end();
        self.batch.put(tables::LOCATIONS, genesis.hash.as_slice(), position.encode());
        self.write()
    }

    /// Number and total difficulty of a block that leads back to the genesis block.
    fn find(&self, hash: &B256) -> Result<Option<(u64, U256)>, StorageError> {
        if let Some(found) = self.pending.get(hash) {
            return Ok(Some(*found));
        }
        let Some(number) = self.kv.get(tables::NUMBERS, hash.as_slice())? else { return Ok(None) };
        let difficulty = self.kv.get(tables::TOTAL_DIFFICULTY, hash.as_slice())?.unwrap_or_default();
        Ok(Some((tables::decode_u64(&number)?, tables::decode_value(&difficulty)?)))
    }

    fn write(&mut self) -> Result<(), StorageError> {
        self.pending.clear();
        Ok(self.kv.write(std::mem::take(&mut self.batch))?)
    }

    /// The head that a broken-off reorganisation left, by the old tables.
    pub fn left_head(&self, old: &Kv) -> Option<B256> {
        let row = old.get(tables::META, tables::META_LEFT_HEAD).ok()??;
        let hash = tables::decode_hash(&row).ok()?;
        self.find(&hash).ok()?.map(|_| hash)
    }

    /// Copies what only executing could make again and is not to be, and returns the block it belongs to.
    pub fn copy_state(
        &self,
        old: Option<&Kv>,
        scope: Scope,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<B256, StorageError> {
        let unreadable = || StorageError::corrupt("the old tables do not open: all have to be made again");
        let old = old.ok_or_else(unreadable)?;
        if !self.lost.is_nothing() {
            return Err(StorageError::corrupt("segments are damaged too: all tables have to be made again"));
        }
        for table in tables::ALL {
            match tables::origin(table) {
                Origin::Execution => copy(old, self.kv, table, progress)?,
                Origin::Replay if scope == Scope::Indexes => copy(old, self.kv, table, progress)?,
                Origin::Replay | Origin::Segments => {}
            }
        }
        let base = self.kv.get(tables::META, tables::META_BASE)?.ok_or_else(unreadable)?;
        let base = tables::decode_hash(&base)?;
        self.find(&base)?.map(|_| base).ok_or(StorageError::UnknownBlock { hash: base })
    }

    /// The rows of the canonical chain from `head` down. The indexes are completed when the tables are opened.
    pub fn write_canonical(
        &mut self,
        head: &B256,
        scope: Scope,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), StorageError> {
        let mut hash = *head;
        let (mut number, _) = self.find(head)?.ok_or(StorageError::UnknownBlock { hash })?;
        let total = number;
        while number > 0 {
            let block = self.header(&hash)?;
            self.batch.put(tables::CANONICAL, number.to_be_bytes(), hash.as_slice());
            if self.batch.len() >= ROWS {
                self.write()?;
            }
            progress(Progress { part: tables::CANONICAL.0, done: total - number, total: Some(total) });
            (hash, number) = (block.parent_hash, number - 1);
        }
        if scope == Scope::Everything {
            // The tables stand on the genesis block until blocks are executed, and the journal has nothing to add.
            let genesis = self.header(&self.genesis)?;
            put_base(&mut self.batch, &genesis, self.end);
        }
        self.write()
    }

    fn header(&self, hash: &B256) -> Result<Arc<SealedHeader>, StorageError> {
        let rlp = self.kv.get(tables::HEADERS, hash.as_slice())?;
        decode_header(*hash, &rlp.ok_or(StorageError::UnknownBlock { hash: *hash })?)
    }

    pub fn finish(self) -> Lost {
        self.lost
    }
}
