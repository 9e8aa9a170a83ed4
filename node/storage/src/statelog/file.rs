//! The files of the state log: records behind each other, each with its length and checksum. It must not know what
//! they hold.
//!
//! A record is its length (2 bytes, little-endian), the CRC-32 of its content (4 bytes, little-endian) and its content. The
//! log is cut into files of at most [`SPAN`] bytes; a place counts through all of them. What is written never changes; what
//! the tables do not know of yet is cut off when the log is opened.

use super::node::NodePos;
use crate::{
    StorageError,
    fault::{self, Point},
};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Bytes that places of one file can count.
const SPAN: u64 = 1 << 26;
/// What a file begins with: what it is, and its layout.
const MAGIC: &[u8; 8] = b"ATOLLST1";
/// Length and checksum.
const HEAD_BYTES: usize = 6;
/// No record is longer: a branch of sixteen hashes has 613 bytes.
const MAX_RECORD_BYTES: usize = 1024;
/// All records but a few are read whole with so many bytes: a second call of the system costs more than to copy what is not needed.
const USUAL_BYTES: usize = 640;
/// Files kept open; at the bound one not read for long is closed.
const OPEN_FILES: usize = 256;
/// What is gathered before it goes to the system.
const BUFFER_BYTES: usize = 1 << 20;

/// The files in one directory.
pub(super) struct Files {
    dir: PathBuf,
    /// At which a new file begins.
    file_bytes: u64,
    open: Cache<u64, Arc<File>>,
    tail: Mutex<Tail>,
}

/// Where the log ends, and what is not yet written of it.
struct Tail {
    /// Where the next record goes.
    end: u64,
    buffer: Vec<u8>,
    /// Where the buffer begins.
    buffered: u64,
    /// Files written to and not yet synced, by number.
    unsynced: Vec<(u64, Arc<File>)>,
}

fn file_of(pos: u64) -> u64 {
    pos / SPAN
}

fn path(dir: &Path, file: u64) -> PathBuf {
    dir.join(format!("{file:08}.nodes"))
}

/// The numbers of the files in a directory.
fn numbers(dir: &Path) -> Result<Vec<u64>, StorageError> {
    let io = |source| StorageError::io(dir, source);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".nodes")?.parse::<u64>().ok());
        numbers.extend(number);
    }
    Ok(numbers)
}

impl Files {
    /// Opens the log, which ends at `end`: what lies behind is cut off. Zero for one without records.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] for one that ends sooner.
    pub fn open(dir: &Path, end: u64, file_bytes: u64) -> Result<Self, StorageError> {
        fs::create_dir_all(dir).map_err(|source| StorageError::io(dir, source))?;
        let newest = file_of(end);
        for number in numbers(dir)? {
            let path = path(dir, number);
            let io = |source| StorageError::io(&path, source);
            if number > newest || end == 0 {
                fs::remove_file(&path).map_err(io)?;
            } else if number == newest {
                let file = OpenOptions::new().write(true).open(&path).map_err(io)?;
                if file.metadata().map_err(io)?.len() > end % SPAN {
                    file.set_len(end % SPAN).map_err(io)?;
                }
            }
        }
        let found = fs::metadata(path(dir, newest)).map_or(0, |file| file.len());
        if end > 0 && found < end % SPAN {
            let what =
                format!("the state log ends at {}, {} bytes too early", newest * SPAN + found, end % SPAN - found);
            return Err(StorageError::corrupt(what).in_table(super::NAME));
        }
        if !end.is_multiple_of(SPAN) {
            let mut magic = [0; MAGIC.len()];
            let newest = path(dir, newest);
            let read = File::open(&newest).and_then(|file| read_at(&file, &mut magic, 0));
            read.map_err(|source| StorageError::io(&newest, source))?;
            if magic != *MAGIC {
                let what = format!("{} is no file of a state log of this version", newest.display());
                return Err(StorageError::corrupt(what).in_table(super::NAME));
            }
        }
        let tail = Tail { end, buffer: Vec::new(), buffered: end, unsynced: Vec::new() };
        Ok(Self {
            dir: dir.to_owned(),
            file_bytes: file_bytes.clamp(1 << 16, SPAN),
            open: Cache::new(OPEN_FILES),
            tail: Mutex::new(tail),
        })
    }

    /// For reading alone: nothing is cut off or made.
    pub fn read_only(dir: &Path) -> Self {
        let tail = Tail { end: 0, buffer: Vec::new(), buffered: 0, unsynced: Vec::new() };
        Self { dir: dir.to_owned(), file_bytes: SPAN, open: Cache::new(OPEN_FILES), tail: Mutex::new(tail) }
    }

    /// At which a new file begins.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Where the next record goes.
    pub fn end(&self) -> u64 {
        self.tail.lock().end
    }

    /// The content of a record.
    pub fn read<T>(
        &self,
        pos: NodePos,
        take: impl FnOnce(&[u8]) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let damaged = || StorageError::corrupt(format!("there is no sound node at {}", pos.0)).in_table(super::NAME);
        let file = self.file(file_of(pos.0))?;
        let mut buffer = [0; HEAD_BYTES + MAX_RECORD_BYTES];
        let mut read = read_at(&file, &mut buffer[..USUAL_BYTES], pos.0 % SPAN).map_err(|error| self.io(error))?;
        let head = buffer.first_chunk::<HEAD_BYTES>().filter(|_| read >= HEAD_BYTES).ok_or_else(damaged)?;
        let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
        let checksum = u32::from_le_bytes([head[2], head[3], head[4], head[5]]);
        let end = HEAD_BYTES + length;
        if length > MAX_RECORD_BYTES {
            return Err(damaged());
        }
        if read < end && read == USUAL_BYTES {
            let rest = &mut buffer[USUAL_BYTES..end];
            read += read_at(&file, rest, pos.0 % SPAN + USUAL_BYTES as u64).map_err(|error| self.io(error))?;
        }
        let content = buffer[..read].get(HEAD_BYTES..end).ok_or_else(damaged)?;
        if crc32fast::hash(content) != checksum {
            return Err(damaged());
        }
        take(content).map_err(|error| error.in_table(super::NAME))
    }

    /// Adds a record. It is read from memory by whoever wrote it until [`Files::commit`].
    pub fn append(&self, content: &[u8]) -> Result<NodePos, StorageError> {
        let mut tail = self.tail.lock();
        let bytes = (HEAD_BYTES + content.len()) as u64;
        let length = u16::try_from(content.len()).ok().filter(|length| usize::from(*length) <= MAX_RECORD_BYTES);
        let length = length.ok_or_else(|| StorageError::corrupt(format!("a node of {} bytes", content.len())))?;
        let used = tail.end % SPAN;
        if used == 0 || used + bytes > self.file_bytes {
            self.write(&mut tail)?;
            tail.end = tail.end.next_multiple_of(SPAN);
            tail.buffered = tail.end;
            tail.buffer.extend_from_slice(MAGIC);
            tail.end += MAGIC.len() as u64;
        }
        let pos = tail.end;
        tail.buffer.extend_from_slice(&length.to_le_bytes());
        tail.buffer.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
        tail.buffer.extend_from_slice(content);
        tail.end += bytes;
        if tail.buffer.len() >= BUFFER_BYTES {
            self.write(&mut tail)?;
        }
        Ok(NodePos(pos))
    }

    /// Gives what was added to the system, so that it can be read.
    pub fn spill(&self) -> Result<(), StorageError> {
        self.write(&mut self.tail.lock())
    }

    /// Puts everything added onto the disk.
    pub fn commit(&self) -> Result<(), StorageError> {
        let mut tail = self.tail.lock();
        self.write(&mut tail)?;
        for (_, file) in &tail.unsynced {
            file.sync_data().map_err(|error| self.io(error))?;
        }
        tail.unsynced.clear();
        Ok(())
    }

    /// Forgets what was added from `end` on.
    pub fn roll_back(&self, end: u64) {
        let mut tail = self.tail.lock();
        tail.buffer.clear();
        (tail.end, tail.buffered) = (end, end);
    }

    /// Deletes the files that end before `pos`.
    pub fn delete_before(&self, pos: u64) -> Result<(), StorageError> {
        for number in numbers(&self.dir)?.into_iter().filter(|number| *number < file_of(pos)) {
            let path = path(&self.dir, number);
            fs::remove_file(&path).map_err(|source| StorageError::io(&path, source))?;
            self.open.remove(&number);
        }
        Ok(())
    }

    fn write(&self, tail: &mut Tail) -> Result<(), StorageError> {
        if tail.buffer.is_empty() {
            return Ok(());
        }
        let number = file_of(tail.buffered);
        let open = tail.unsynced.iter().find(|(other, _)| *other == number).map(|(_, file)| Arc::clone(file));
        let file = match open {
            Some(file) => file,
            None => self.writable(number)?,
        };
        let offset = tail.buffered % SPAN;
        if fault::due(Point::StateHalfWritten) {
            let _ = file.write_all_at(&tail.buffer[..tail.buffer.len() / 2], offset);
            fault::die(Point::StateHalfWritten);
        }
        // At a fixed place: what a failed write left is overwritten by the next.
        file.write_all_at(&tail.buffer, offset).map_err(|source| StorageError::io(&path(&self.dir, number), source))?;
        if offset == 0 {
            // The name of a new file is on disk only when its directory is.
            File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(|error| self.io(error))?;
        }
        if !tail.unsynced.iter().any(|(other, _)| *other == number) {
            tail.unsynced.push((number, file));
        }
        tail.buffer.clear();
        tail.buffered = tail.end;
        Ok(())
    }

    fn file(&self, number: u64) -> Result<Arc<File>, StorageError> {
        self.open.get_or_insert_with(&number, || {
            let path = path(&self.dir, number);
            File::open(&path).map(Arc::new).map_err(|source| match source.kind() {
                ErrorKind::NotFound => {
                    StorageError::corrupt(format!("file {number} of the state log is missing")).in_table(super::NAME)
                }
                _ => StorageError::io(&path, source),
            })
        })
    }

    /// The file of this number, made if it is not there.
    fn writable(&self, number: u64) -> Result<Arc<File>, StorageError> {
        let path = path(&self.dir, number);
        let io = |source| StorageError::io(&path, source);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        Ok(Arc::new(file))
    }

    fn io(&self, source: io::Error) -> StorageError {
        StorageError::io(&self.dir, source)
    }
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(bytes) => read += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
