//! Why a file of blocks cannot be written or read to its end.

use super::{MAX_BLOCK, era1::ERA1_BLOCKS};
use crate::ImportError;
use atoll_primitives::{B256, U256, hex, rlp};
use atoll_storage::StorageError;
use std::io;

/// Why a file of blocks cannot be written or read to its end.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file failed.
    #[error("the file of blocks cannot be read or written")]
    Io(#[from] io::Error),
    /// Neither RLP blocks nor era1, plain or gzipped.
    #[error(
        "this is no chain file: it begins with 0x{}, which is neither a block in RLP (from 0xc0), nor era1 (0x6532), \
         nor gzip (0x1f8b)",
        hex::encode(start)
    )]
    UnknownFormat {
        /// Its first bytes.
        start: Vec<u8>,
    },
    /// Something that is no block.
    #[error("block {index} of the file does not decode (byte {offset})")]
    Decode {
        /// Its place in the file, from 0.
        index: u64,
        /// Where it starts, after decompression.
        offset: u64,
        /// Why.
        #[source]
        source: rlp::Error,
    },
    /// The file was cut off.
    #[error("the file ends in the middle of its block {index} (byte {offset})")]
    Truncated {
        /// The block's place in the file, from 0.
        index: u64,
        /// Where it starts, after decompression.
        offset: u64,
    },
    /// A block is longer than any valid one.
    #[error("block {index} of the file claims {bytes} bytes, the limit is {MAX_BLOCK}")]
    TooLarge {
        /// Its place in the file, from 0.
        index: u64,
        /// Its length.
        bytes: u64,
    },
    /// The file belongs to another chain.
    #[error("block 0 of the file is {file}, the genesis block of this chain is {chain}")]
    OtherGenesis {
        /// In the file.
        file: B256,
        /// Ours.
        chain: B256,
    },
    /// An era1 file breaks its own format's rules.
    #[error("the era1 file is not good")]
    Era1(#[from] Era1Error),
    /// A canonical block is missing.
    #[error("block {number} is not in this chain")]
    NoBlock {
        /// Its number.
        number: u64,
    },
    /// A range that ends before it begins, or after the head.
    #[error("blocks {from} to {to} cannot be written: the head is {head}")]
    Range {
        /// The first block asked for.
        from: u64,
        /// The last block asked for.
        to: u64,
        /// The newest block.
        head: u64,
    },
    /// The storage failed.
    #[error("storage failed")]
    Storage(#[from] StorageError),
    /// A block of the file is not imported; all before it are.
    #[error("block {number} of the file was refused; all before it are imported")]
    Import {
        /// Its number.
        number: u64,
        /// The rule it breaks, with its hash and the values.
        #[source]
        source: ImportError,
    },
}

/// What is wrong with an era1 file. Offsets are in bytes after decompression of the whole, if it was gzipped.
#[derive(Debug, thiserror::Error)]
pub enum Era1Error {
    /// The file was cut off.
    #[error("it ends in the middle of a record (byte {offset})")]
    Truncated {
        /// Where the record starts.
        offset: u64,
    },
    /// A record that does not belong there.
    #[error("a record of type {found:#06x} at byte {offset}, where {expected} belongs")]
    Record {
        /// Where it starts.
        offset: u64,
        /// Its type.
        found: u16,
        /// What the format has there.
        expected: &'static str,
    },
    /// A record whose length no such record has.
    #[error("a record of {bytes} bytes at byte {offset}: {expected}")]
    Length {
        /// Where it starts.
        offset: u64,
        /// Its length.
        bytes: u64,
        /// What the format allows.
        expected: &'static str,
    },
    /// Data that does not decompress.
    #[error("the record at byte {offset} does not decompress")]
    Snappy {
        /// Where it starts.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Data that does not decode.
    #[error("the record at byte {offset} does not decode")]
    Decode {
        /// Where it starts.
        offset: u64,
        /// Why.
        #[source]
        source: rlp::Error,
    },
    /// The headers do not follow one another.
    #[error("block {found} where block {expected} belongs")]
    NotConsecutive {
        /// The number that follows.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// A header does not name the header before it as its parent.
    #[error("block {number} has the parent {found}, the block before it is {expected}")]
    Parent {
        /// The block's number.
        number: u64,
        /// The hash of the header before it.
        expected: B256,
        /// The parent it names.
        found: B256,
    },
    /// A total difficulty is not the sum.
    #[error("block {number}: the file says total difficulty {file}, it is {expected}")]
    TotalDifficulty {
        /// The block's number.
        number: u64,
        /// In the file.
        file: U256,
        /// The one before plus the block's difficulty.
        expected: U256,
    },
    /// The receipts are not those of the block.
    #[error("block {number}: the receipts of the file have the root {file}, its header says {header}")]
    ReceiptsRoot {
        /// The block's number.
        number: u64,
        /// Of the receipts in the file.
        file: B256,
        /// In the header.
        header: B256,
    },
    /// More blocks than an archive holds.
    #[error("more than {ERA1_BLOCKS} blocks")]
    TooManyBlocks,
    /// The accumulator is not the root over the headers.
    #[error("the file's accumulator is {file}, that of its headers is {computed}")]
    Accumulator {
        /// In the file.
        file: B256,
        /// Over the header records found.
        computed: B256,
    },
    /// The index counts or numbers the blocks otherwise than they are.
    #[error("its index says {index_count} blocks from {index_first}, it holds {count} from {first}")]
    IndexRange {
        /// First block by the index.
        index_first: u64,
        /// How many by the index.
        index_count: u64,
        /// First block.
        first: u64,
        /// How many.
        count: u64,
    },
    /// The index points elsewhere than where a block is.
    #[error("its index has block {number} at byte {index}, it is at {offset}")]
    IndexOffset {
        /// The block's number.
        number: u64,
        /// Where the index says it is; may be anything.
        index: i128,
        /// Where it is.
        offset: u64,
    },
    /// Bytes after the index.
    #[error("there is more after its index (byte {offset})")]
    Trailing {
        /// Where.
        offset: u64,
    },
}
