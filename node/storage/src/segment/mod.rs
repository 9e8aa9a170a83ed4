//! Append-only files of blocks with their receipts: the archive, and the journal that brings back what the tables
//! did not hold yet when the process died. It must not know tables, layers or tries.
//!
//! A segment is a row of records; a record is its length (4 bytes, little-endian), the CRC-32 of what follows
//! (4 bytes, little-endian), a kind (1 byte) and a payload. What is written is never changed.

mod logs;
mod record;
mod scan;

pub(crate) use logs::visit_logs;
pub(crate) use record::{KIND_BLOCK, KIND_HEAD, decode_block, decode_receipts, encode_block};
pub(crate) use scan::{Walked, walk};

use crate::{
    StorageError,
    fault::{self, Point},
};
use parking_lot::{Mutex, MutexGuard};
use quick_cache::sync::Cache;
use std::{
    fs::{self, File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// No record is longer: a length beyond it is damage. Blocks are bounded by gas far below it.
pub(crate) const MAX_RECORD_BYTES: usize = 512 << 20;
/// Bytes before the kind: length and checksum.
const HEAD_BYTES: usize = 8;
/// Segments kept open for reading; at the bound one not read for long is closed.
const OPEN_SEGMENTS: usize = 64;
/// A power failure loses at most what was written in this time: the process alone loses nothing.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// Where a record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub segment: u32,
    pub offset: u64,
}

impl Position {
    pub fn encode(self) -> Vec<u8> {
        [&self.segment.to_be_bytes()[..], &self.offset.to_be_bytes()].concat()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        let damaged = || StorageError::corrupt("a segment position that is not 12 bytes long");
        let (segment, offset) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let offset = offset.try_into().map_err(|_| damaged())?;
        Ok(Self { segment: u32::from_be_bytes(*segment), offset: u64::from_be_bytes(offset) })
    }
}

/// A record that was read while opening.
pub(crate) struct Scanned {
    pub kind: u8,
    pub payload: Vec<u8>,
    pub position: Position,
}

/// The segments of one data directory.
pub(crate) struct Segments {
    reader: Reader,
    tail: Mutex<Tail>,
}

/// Reads single records.
pub(crate) struct Reader {
    dir: PathBuf,
    open: Cache<u32, Arc<File>>,
}

/// The segment being written. Holding it keeps everyone else from appending.
pub(crate) struct Tail {
    dir: PathBuf,
    file: File,
    end: Position,
    segment_bytes: u64,
    synced_to: u64,
    synced_at: Instant,
}

impl Segments {
    /// Opens the segments in `dir` and hands every sound record from `journal` on to `visit`.
    ///
    /// `segment_bytes` is the size at which a segment is full.
    /// A torn last record is cut off with a warning. After damage within an older segment, its rest is skipped.
    pub fn open(
        dir: &Path,
        journal: Position,
        segment_bytes: u64,
        visit: &mut dyn FnMut(Scanned) -> Result<(), StorageError>,
    ) -> Result<Self, StorageError> {
        fs::create_dir_all(dir).map_err(|source| StorageError::io(dir, source))?;
        let end = scan::scan(dir, journal, visit)?;
        let file = open_segment(dir, end.segment)?;
        let tail =
            Tail { dir: dir.to_owned(), file, end, segment_bytes, synced_to: end.offset, synced_at: Instant::now() };
        Ok(Self { reader: Reader::new(dir), tail: Mutex::new(tail) })
    }

    /// The right to append.
    pub fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock()
    }

    /// The payload of a record and its kind.
    pub fn read(&self, position: Position) -> Result<(u8, Vec<u8>), StorageError> {
        self.reader.read(position)
    }
}

impl Reader {
    /// Over the segments in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: Cache::new(OPEN_SEGMENTS) }
    }

    /// Where the segments lie.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The payload of a record and its kind.
    pub fn read(&self, position: Position) -> Result<(u8, Vec<u8>), StorageError> {
        let file = self.open.get_or_insert_with(&position.segment, || {
            let path = segment_path(&self.dir, position.segment);
            File::open(&path).map(Arc::new).map_err(|source| match source.kind() {
                ErrorKind::NotFound => StorageError::corrupt(format!("segment {} is missing", position.segment)),
                _ => StorageError::io(&path, source),
            })
        })?;
        let len = file.metadata().map_err(|source| StorageError::io(&self.dir, source))?.len();
        let damaged = || {
            let Position { segment, offset } = position;
            StorageError::corrupt(format!("segment {segment} holds no sound record at {offset}"))
        };
        scan::read_record(&file, position.offset, len).map_err(|err| scan::io(&self.dir, err))?.ok_or_else(damaged)
    }
}

impl Tail {
    /// Where the next record will begin, unless a new segment starts with it.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Writes a record. When this returns the operating system has it: the process may be killed.
    pub fn append(&mut self, kind: u8, payload: &[u8]) -> Result<Position, StorageError> {
        if self.end.offset >= self.segment_bytes {
            self.rotate()?;
        }
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[kind]);
        hasher.update(payload);
        let length = u32::try_from(payload.len() + 1)
            .ok()
            .filter(|len| *len as usize <= MAX_RECORD_BYTES)
            .ok_or_else(|| StorageError::corrupt(format!("a record of {} bytes is too long", payload.len())))?;
        let mut record = Vec::with_capacity(HEAD_BYTES + 1 + payload.len());
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(&hasher.finalize().to_le_bytes());
        record.push(kind);
        record.extend_from_slice(payload);
        fault::point(Point::SegmentBeforeRecord);
        if fault::due(Point::SegmentHalfRecord) {
            let _ = self.file.write_all_at(&record[..record.len() / 2], self.end.offset);
            fault::die(Point::SegmentHalfRecord);
        }
        // At a fixed offset: what a failed write left behind is overwritten by the next. Where cutting it off fails as
        // well, the checksum tells it from a record.
        if let Err(source) = self.file.write_all_at(&record, self.end.offset) {
            let _ = self.file.set_len(self.end.offset);
            return Err(StorageError::io(&segment_path(&self.dir, self.end.segment), source));
        }
        let position = self.end;
        self.end.offset += record.len() as u64;
        fault::point(Point::SegmentAfterRecord);
        Ok(position)
    }

    /// Puts everything written onto the disk.
    pub fn sync(&mut self) -> Result<(), StorageError> {
        if self.synced_to != self.end.offset {
            let synced = self.file.sync_data();
            synced.map_err(|source| StorageError::io(&segment_path(&self.dir, self.end.segment), source))?;
            self.synced_to = self.end.offset;
        }
        self.synced_at = Instant::now();
        Ok(())
    }

    /// The same, at most once in [`SYNC_INTERVAL`]. What was written stands, and survives the process, whether or not
    /// the disk takes it now: a failure is logged, and the flush, which syncs first, is where it counts.
    pub fn sync_if_due(&mut self) {
        if self.synced_at.elapsed() < SYNC_INTERVAL {
            return;
        }
        if let Err(error) = self.sync() {
            self.synced_at = Instant::now();
            tracing::error!(error = &error as &dyn std::error::Error, "blocks could not be put onto the disk yet");
        }
    }

    fn rotate(&mut self) -> Result<(), StorageError> {
        self.sync()?;
        let end = Position { segment: self.end.segment + 1, offset: 0 };
        self.file = open_segment(&self.dir, end.segment)?;
        (self.end, self.synced_to) = (end, 0);
        fault::point(Point::SegmentRotated);
        Ok(())
    }
}

/// Bytes of a record with this payload.
pub(crate) fn record_bytes(payload: &[u8]) -> u64 {
    (HEAD_BYTES + 1 + payload.len()) as u64
}

/// The file of a segment.
pub(crate) fn segment_path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:08}.seg"))
}

fn open_segment(dir: &Path, segment: u32) -> Result<File, StorageError> {
    let path = segment_path(dir, segment);
    let io = |source| StorageError::io(&path, source);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
    // The name of a new file is on disk only when its directory is.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)?;
    Ok(file)
}

#[cfg(test)]
mod tests;
