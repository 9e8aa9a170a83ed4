//! Blocks in RLP, one after the other. It must not know blocks' rules.

use super::{FileError, MAX_BLOCK};
use atoll_primitives::{
    B256, Block, Header, keccak256,
    rlp::{self, Decodable as _},
};
use std::io::Read;

/// The blocks of a file, in order. After an error nothing more comes.
pub struct BlockReader<R> {
    reader: R,
    index: u64,
    offset: u64,
    buffer: Vec<u8>,
    done: bool,
}

/// A block as it stands in a file, of which the header is decoded.
pub(super) struct RawBlock<'a> {
    pub header: Header,
    pub hash: B256,
    index: u64,
    offset: u64,
    bytes: &'a [u8],
}

impl RawBlock<'_> {
    /// The rest of it.
    pub(super) fn decode(&self) -> Result<Block, FileError> {
        let (index, offset) = (self.index, self.offset);
        Block::decode(&mut &*self.bytes).map_err(|source| FileError::Decode { index, offset, source })
    }
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
    pub(super) fn raw(&mut self) -> Result<Option<RawBlock<'_>>, FileError> {
        if self.done {
            return Ok(None);
        }
        // Unless this block turns out good, it is the last.
        self.done = true;
        self.buffer.clear();
        if self.reader.by_ref().take(1).read_to_end(&mut self.buffer)? == 0 {
            return Ok(None);
        }
        let (index, offset) = (self.index, self.offset);
        let failed = |source| FileError::Decode { index, offset, source };
        let first = self.buffer[0];
        let payload = match first {
            0xc0..=0xf7 => u64::from(first - 0xc0),
            0xf8.. => {
                let width = u64::from(first - 0xf7);
                self.fill(width)?;
                self.buffer[1..].iter().fold(0, |length: u64, byte| length << 8 | u64::from(*byte))
            }
            _ => return Err(failed(rlp::Error::UnexpectedString)),
        };
        if payload > MAX_BLOCK as u64 {
            return Err(FileError::TooLarge { index, bytes: payload });
        }
        self.fill(payload)?;
        self.index += 1;
        self.offset += self.buffer.len() as u64;
        let bytes = self.buffer.as_slice();
        let (header, hash) = header(bytes).map_err(failed)?;
        self.done = false;
        Ok(Some(RawBlock { header, hash, index, offset, bytes }))
    }

    /// Reads `count` more bytes; memory grows only as they come.
    fn fill(&mut self, count: u64) -> Result<(), FileError> {
        let read = self.reader.by_ref().take(count).read_to_end(&mut self.buffer)? as u64;
        let (index, offset) = (self.index, self.offset);
        if read == count { Ok(()) } else { Err(FileError::Truncated { index, offset }) }
    }
}

/// The header of a block's encoding, and its hash.
fn header(mut block: &[u8]) -> Result<(Header, B256), rlp::Error> {
    let mut payload = rlp::Header::decode_bytes(&mut block, true)?;
    let start = payload;
    let header = Header::decode(&mut payload)?;
    Ok((header, keccak256(&start[..start.len() - payload.len()])))
}

impl<R: Read> Iterator for BlockReader<R> {
    type Item = Result<Block, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.raw().and_then(|block| block.map(|block| block.decode()).transpose()).transpose();
        self.done |= !matches!(next, Some(Ok(_)));
        next
    }
}
