//! What a file is, by its first bytes, and its blocks whatever it is. It must not know the chain.

use super::{
    FileError, Meter,
    era1::{Era1Reader, TdLookup},
    rlp::BlockReader,
};
use atoll_primitives::{B256, Block, Header};
use flate2::bufread::MultiGzDecoder;
use std::io::{BufRead, BufReader, Cursor, Read};

/// A reader's buffer, in bytes.
const BUFFER: usize = 64 << 10;
/// Bytes that tell the formats apart.
const MARK: usize = 8;

/// A format of chain files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RLP blocks one after the other.
    Rlp,
    /// An era1 archive.
    Era1,
    /// Either of them, gzipped.
    Gzip,
}

/// The format that begins with these bytes; `None` for none of them.
pub fn detect(start: &[u8]) -> Option<Format> {
    match start {
        [0x1f, 0x8b, ..] => Some(Format::Gzip),
        // The version record: type "e2", no data.
        [0x65, 0x32, 0, 0, 0, 0, 0, 0, ..] => Some(Format::Era1),
        [first, ..] if *first >= 0xc0 => Some(Format::Rlp),
        _ => None,
    }
}

/// The blocks of a file of any format.
pub(super) enum Source<'a> {
    /// Without a byte.
    Empty,
    Rlp(BlockReader<Box<dyn BufRead + Send + 'a>>),
    Era1(Box<Era1Reader<Box<dyn BufRead + Send + 'a>>>),
}

/// A block of a file: always with its header, with its body if that was wanted.
pub(super) struct FileBlock {
    pub header: Header,
    pub hash: B256,
    pub block: Option<Block>,
}

impl<'a> Source<'a> {
    /// Looks at the first bytes of a file. `meter` hears how many of its bytes are read.
    pub(super) fn open(reader: impl Read + Send + 'a, meter: &'a Meter) -> Result<Self, FileError> {
        let (start, whole) = peek(meter.counted(reader))?;
        match detect(&start) {
            Some(Format::Gzip) => {
                let (start, inner) = peek(MultiGzDecoder::new(whole))?;
                match detect(&start) {
                    // What is packed twice is no chain file of anybody's.
                    Some(Format::Gzip) => Err(FileError::UnknownFormat { start }),
                    format => Self::of(format, &start, inner),
                }
            }
            format => Self::of(format, &start, whole),
        }
    }

    fn of(format: Option<Format>, start: &[u8], reader: Box<dyn BufRead + Send + 'a>) -> Result<Self, FileError> {
        match format {
            Some(Format::Rlp) => Ok(Self::Rlp(BlockReader::new(reader))),
            Some(Format::Era1) => Ok(Self::Era1(Box::new(Era1Reader::new(reader)))),
            _ if start.is_empty() => Ok(Self::Empty),
            _ => Err(FileError::UnknownFormat { start: start.to_vec() }),
        }
    }

    /// The next block; `wanted` says whether its body is, and `ancestor` looks up the chain's total difficulties.
    pub(super) fn next(
        &mut self,
        ancestor: &TdLookup<'_>,
        wanted: &dyn Fn(u64, &B256) -> Result<bool, FileError>,
    ) -> Result<Option<FileBlock>, FileError> {
        match self {
            Self::Empty => Ok(None),
            Self::Rlp(blocks) => {
                let Some(raw) = blocks.raw()? else { return Ok(None) };
                let block = if wanted(raw.header.number, &raw.hash)? { Some(raw.decode()?) } else { None };
                Ok(Some(FileBlock { header: raw.header, hash: raw.hash, block }))
            }
            Self::Era1(blocks) => {
                let next = blocks.next(ancestor, wanted)?;
                Ok(next.map(|found| FileBlock { header: found.header, hash: found.hash, block: found.block }))
            }
        }
    }
}

/// The first bytes, and a reader that still has them.
fn peek<'a>(mut reader: impl Read + Send + 'a) -> Result<(Vec<u8>, Box<dyn BufRead + Send + 'a>), FileError> {
    let mut start = Vec::with_capacity(MARK);
    reader.by_ref().take(MARK as u64).read_to_end(&mut start)?;
    let whole = Cursor::new(start.clone()).chain(reader);
    Ok((start, Box::new(BufReader::with_capacity(BUFFER, whole))))
}
