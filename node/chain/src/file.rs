//! Files of blocks: their RLP encodings one after the other, as `geth export` writes them. It must not judge
//! blocks.

use crate::{BatchError, Chain, Origin};
use atoll_primitives::{
    Block,
    rlp::{self, Decodable as _, Encodable as _},
};
use atoll_storage::StorageError;
use std::io::{self, Read, Write};

/// Longest block read, in bytes: far above what any gas limit in use allows, far below memory.
const MAX_BLOCK: usize = 64 << 20;
/// Blocks imported together.
const BATCH_BLOCKS: usize = 512;
/// Bytes of blocks imported together, except a single larger one.
const BATCH_BYTES: usize = 32 << 20;

/// Why a file of blocks cannot be written or read to its end.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file failed.
    #[error("the file of blocks cannot be read or written")]
    Io(#[from] io::Error),
    /// Something that is no block.
    #[error("block {index} of the file does not decode (byte {offset})")]
    Decode {
        /// Its place in the file, from 0.
        index: u64,
        /// Where it starts.
        offset: u64,
        /// Why.
        #[source]
        source: rlp::Error,
    },
    /// A block is longer than any valid one.
    #[error("block {index} of the file claims {bytes} bytes, the limit is {MAX_BLOCK}")]
    TooLarge {
        /// Its place in the file, from 0.
        index: u64,
        /// Its length.
        bytes: u64,
    },
    /// A canonical block is missing.
    #[error("block {number} is not in this chain")]
    NoBlock {
        /// Its number.
        number: u64,
    },
    /// The storage failed.
    #[error("storage failed")]
    Storage(#[from] StorageError),
    /// A block of the file is not imported; all before it are.
    #[error("block {number} of the file could not be imported")]
    Import {
        /// Its number.
        number: u64,
        /// Why.
        #[source]
        source: BatchError,
    },
}

/// The blocks of a file, in order.
pub struct BlockReader<R> {
    reader: R,
    index: u64,
    offset: u64,
    buffer: Vec<u8>,
    done: bool,
}

impl<R: Read> BlockReader<R> {
    /// Reads from `reader`, which should be buffered.
    pub fn new(reader: R) -> Self {
        Self { reader, index: 0, offset: 0, buffer: Vec::new(), done: false }
    }

    /// Where the next block starts, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads one block; `None` at the end of the file.
    fn read(&mut self) -> Result<Option<Block>, FileError> {
        self.buffer.clear();
        if self.reader.by_ref().take(1).read_to_end(&mut self.buffer)? == 0 {
            return Ok(None);
        }
        let (index, offset) = (self.index, self.offset);
        let decode = |source| FileError::Decode { index, offset, source };
        let first = self.buffer[0];
        let payload = match first {
            0xc0..=0xf7 => u64::from(first - 0xc0),
            0xf8.. => {
                let width = u64::from(first - 0xf7);
                self.fill(width)?;
                self.buffer[1..].iter().fold(0, |length: u64, byte| length << 8 | u64::from(*byte))
            }
            _ => return Err(decode(rlp::Error::UnexpectedString)),
        };
        if payload > MAX_BLOCK as u64 {
            return Err(FileError::TooLarge { index, bytes: payload });
        }
        self.fill(payload)?;
        let mut rest = self.buffer.as_slice();
        let block = Block::decode(&mut rest).map_err(decode)?;
        self.index += 1;
        self.offset += self.buffer.len() as u64;
        Ok(Some(block))
    }

    /// Reads `count` more bytes; memory grows only as they come.
    fn fill(&mut self, count: u64) -> Result<(), FileError> {
        let read = self.reader.by_ref().take(count).read_to_end(&mut self.buffer)? as u64;
        if read == count { Ok(()) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) }
    }
}

impl<R: Read> Iterator for BlockReader<R> {
    type Item = Result<Block, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.read().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Imports the blocks of a file; those known already, the genesis block among them, are passed over. `progress`
/// hears the number of each batch's last block. Returns how many were new.
///
/// # Errors
/// The first block that does not decode or is not imported; all before it are.
pub fn import(chain: &Chain, reader: impl Read, mut progress: impl FnMut(u64)) -> Result<usize, FileError> {
    let mut blocks = BlockReader::new(reader);
    let mut imported = 0;
    loop {
        let (batch, failed) = next_batch(&mut blocks);
        let Some(last) = batch.last().map(|block| block.header.number) else {
            return failed.map_or(Ok(imported), Err);
        };
        let numbers: Vec<u64> = batch.iter().map(|block| block.header.number).collect();
        imported += chain.import_many(batch, Origin::File).map_err(|source| {
            let number = numbers.get(source.index).copied().unwrap_or_default();
            FileError::Import { number, source }
        })?;
        progress(last);
        if let Some(error) = failed {
            return Err(error);
        }
    }
}

fn next_batch<R: Read>(blocks: &mut BlockReader<R>) -> (Vec<Block>, Option<FileError>) {
    let (mut batch, start) = (Vec::new(), blocks.offset());
    while batch.len() < BATCH_BLOCKS && blocks.offset() - start < BATCH_BYTES as u64 {
        match blocks.next() {
            Some(Ok(block)) => batch.push(block),
            Some(Err(error)) => return (batch, Some(error)),
            None => break,
        }
    }
    (batch, None)
}

/// Writes the canonical blocks `from..=to`.
///
/// # Errors
/// A block is missing, or the writer fails.
pub fn export(chain: &Chain, mut writer: impl Write, from: u64, to: u64) -> Result<(), FileError> {
    let storage = chain.storage();
    let mut buffer = Vec::new();
    for number in from..=to {
        let missing = || FileError::NoBlock { number };
        let hash = storage.canonical_hash(number)?.ok_or_else(missing)?;
        let block = storage.block(&hash)?.ok_or_else(missing)?;
        buffer.clear();
        block.block.encode(&mut buffer);
        writer.write_all(&buffer)?;
    }
    writer.flush()?;
    Ok(())
}
