//! era1: an archive of up to 8192 blocks before the merge with their receipts and total difficulties, an accumulator
//! over their headers, and an index (the era1 specification, as geth's `export-history` writes it). What a file can
//! prove about itself is checked here; whether its blocks are valid is the chain's business.

use super::{
    Era1Error, FileError,
    accumulator::{HeaderRecord, accumulator_root},
    e2store::{RecordHeader, Records},
};
use atoll_primitives::{
    B256, Block, BlockBody, Header, U256,
    consensus::proofs::ordered_trie_root_encoded,
    keccak256,
    rlp::{self, Decodable},
};
use atoll_storage::StorageError;
use std::io::Read;

/// Blocks of a full archive.
pub const ERA1_BLOCKS: u64 = 8192;

pub(super) const VERSION: u16 = 0x3265;
pub(super) const HEADER: u16 = 0x03;
pub(super) const BODY: u16 = 0x04;
pub(super) const RECEIPTS: u16 = 0x05;
pub(super) const TOTAL_DIFFICULTY: u16 = 0x06;
pub(super) const ACCUMULATOR: u16 = 0x07;
pub(super) const BLOCK_INDEX: u16 = 0x3266;

/// What an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Era1Summary {
    /// Number of its first block.
    pub first: u64,
    /// How many blocks.
    pub count: u64,
    /// Root over its header records.
    pub accumulator: B256,
}

/// A block of an archive.
pub(super) struct Era1Block {
    pub header: Header,
    pub hash: B256,
    /// The whole block, if it was wanted.
    pub block: Option<Block>,
}

/// Looks up a total difficulty of the chain.
pub(super) type TdLookup<'a> = dyn Fn(&B256) -> Result<Option<U256>, StorageError> + 'a;

/// Checks everything about an archive that needs no other block: order of the records, numbers, parents and total
/// difficulties, accumulator and index. Bodies and receipts are passed over.
///
/// # Errors
/// [`FileError::Era1`] with the values, or the reader's failure.
pub fn verify_era1(reader: impl Read) -> Result<Era1Summary, FileError> {
    let mut blocks = Era1Reader::new(reader);
    while blocks.next(&|_| Ok(None), &|_, _| Ok(false))?.is_some() {}
    Ok(blocks.ledger.summary())
}

/// The blocks of an archive, in order.
pub(super) struct Era1Reader<R> {
    records: Records<R>,
    ledger: Ledger,
    begun: bool,
}

impl<R: Read> Era1Reader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { records: Records::new(reader), ledger: Ledger::default(), begun: false }
    }

    /// The next block; after the last one, once accumulator and index are found good, `None`. `ancestor` gives the
    /// total difficulty before the first block, `wanted` says whether a block's body and receipts are of interest.
    pub(super) fn next(
        &mut self,
        ancestor: &TdLookup<'_>,
        wanted: &dyn Fn(u64, &B256) -> Result<bool, FileError>,
    ) -> Result<Option<Era1Block>, FileError> {
        if !self.begun {
            let version = self.expect(VERSION, "the version record")?;
            self.records.skip(&version)?;
            self.begun = true;
        }
        let record = self.any()?;
        match record.kind {
            HEADER => self.block(&record, ancestor, wanted).map(Some),
            ACCUMULATOR => {
                self.finish(&record)?;
                Ok(None)
            }
            _ => Err(misplaced(&record, "a header or the accumulator").into()),
        }
    }

    fn block(
        &mut self,
        record: &RecordHeader,
        ancestor: &TdLookup<'_>,
        wanted: &dyn Fn(u64, &B256) -> Result<bool, FileError>,
    ) -> Result<Era1Block, FileError> {
        let encoded = self.records.decompressed(record)?;
        let (header, hash) = (decode::<Header>(record, &encoded)?, keccak256(&encoded));
        let before = self.ledger.follow(&header, ancestor)?;
        let wanted = wanted(header.number, &hash)?;

        let record_of_body = self.expect(BODY, "a body")?;
        let block = if wanted {
            let body: BlockBody = decode(&record_of_body, &self.records.decompressed(&record_of_body)?)?;
            Some(Block { header: header.clone(), body })
        } else {
            self.records.skip(&record_of_body)?;
            None
        };
        let receipts = self.expect(RECEIPTS, "receipts")?;
        if wanted {
            let encoded = self.records.decompressed(&receipts)?;
            let root =
                receipts_root(&encoded).map_err(|source| Era1Error::Decode { offset: receipts.offset, source })?;
            if root != header.receipts_root {
                let (number, header) = (header.number, header.receipts_root);
                return Err(Era1Error::ReceiptsRoot { number, file: root, header }.into());
            }
        } else {
            self.records.skip(&receipts)?;
        }
        let total = self.expect(TOTAL_DIFFICULTY, "a total difficulty")?;
        let total_difficulty = U256::from_le_bytes(self.word(&total)?.0);
        if let Some(before) = before {
            let expected = before.saturating_add(header.difficulty);
            if total_difficulty != expected {
                let number = header.number;
                return Err(Era1Error::TotalDifficulty { number, file: total_difficulty, expected }.into());
            }
        }
        self.ledger.enter(&header, HeaderRecord { hash, total_difficulty }, record.offset);
        Ok(Era1Block { header, hash, block })
    }

    /// Accumulator, index, and that nothing follows.
    fn finish(&mut self, record: &RecordHeader) -> Result<(), FileError> {
        let (file, computed) = (self.word(record)?, accumulator_root(&self.ledger.records));
        if file != computed {
            return Err(Era1Error::Accumulator { file, computed }.into());
        }
        let index = self.expect(BLOCK_INDEX, "the index")?;
        let data = self.records.data(&index)?;
        self.ledger.check_index(&index, &data)?;
        let offset = self.records.offset();
        if self.records.next()?.is_some() { Err(Era1Error::Trailing { offset }.into()) } else { Ok(()) }
    }

    /// The next record; the file may not end here.
    fn any(&mut self) -> Result<RecordHeader, FileError> {
        let cut = Era1Error::Truncated { offset: self.records.offset() };
        Ok(self.records.next()?.ok_or(cut)?)
    }

    fn expect(&mut self, kind: u16, expected: &'static str) -> Result<RecordHeader, FileError> {
        let record = self.any()?;
        if record.kind == kind { Ok(record) } else { Err(misplaced(&record, expected).into()) }
    }

    /// A record of 32 bytes.
    fn word(&mut self, record: &RecordHeader) -> Result<B256, FileError> {
        let (offset, bytes) = (record.offset, record.length);
        if bytes != 32 {
            return Err(Era1Error::Length { offset, bytes, expected: "32 belong there" }.into());
        }
        Ok(B256::from_slice(&self.records.data(record)?))
    }
}

fn misplaced(record: &RecordHeader, expected: &'static str) -> Era1Error {
    Era1Error::Record { offset: record.offset, found: record.kind, expected }
}

/// Decodes all of it.
fn decode<T: Decodable>(record: &RecordHeader, mut data: &[u8]) -> Result<T, Era1Error> {
    let failed = |source| Era1Error::Decode { offset: record.offset, source };
    let value = T::decode(&mut data).map_err(failed)?;
    if data.is_empty() { Ok(value) } else { Err(failed(rlp::Error::UnexpectedLength)) }
}

/// The trie root of receipts as they stand in the file: what the trie holds are their encodings, a list for legacy
/// receipts, a string for typed ones (EIP-2718).
pub(super) fn receipts_root(mut list: &[u8]) -> Result<B256, rlp::Error> {
    let mut rest = rlp::Header::decode_bytes(&mut list, true)?;
    let mut items: Vec<&[u8]> = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        let item = rlp::Header::decode(&mut rest)?;
        let (payload, after) = rest.split_at_checked(item.payload_length).ok_or(rlp::Error::InputTooShort)?;
        items.push(if item.list { &start[..start.len() - after.len()] } else { payload });
        rest = after;
    }
    if list.is_empty() { Ok(ordered_trie_root_encoded(&items)) } else { Err(rlp::Error::UnexpectedLength) }
}

/// What has been read of an archive; at most [`ERA1_BLOCKS`] entries.
#[derive(Default)]
struct Ledger {
    first: u64,
    records: Vec<HeaderRecord>,
    offsets: Vec<u64>,
}

impl Ledger {
    /// Whether a header may come next; gives the total difficulty before it, if anybody knows it.
    fn follow(&self, header: &Header, ancestor: &TdLookup<'_>) -> Result<Option<U256>, FileError> {
        let Some(last) = self.records.last() else {
            return Ok(if header.number == 0 { Some(U256::ZERO) } else { ancestor(&header.parent_hash)? });
        };
        if self.records.len() as u64 >= ERA1_BLOCKS {
            return Err(Era1Error::TooManyBlocks.into());
        }
        let (expected, found) = (self.first + self.records.len() as u64, header.number);
        if found != expected {
            return Err(Era1Error::NotConsecutive { expected, found }.into());
        }
        if header.parent_hash != last.hash {
            let (number, expected, found) = (header.number, last.hash, header.parent_hash);
            return Err(Era1Error::Parent { number, expected, found }.into());
        }
        Ok(Some(last.total_difficulty))
    }

    fn enter(&mut self, header: &Header, record: HeaderRecord, offset: u64) {
        if self.records.is_empty() {
            self.first = header.number;
        }
        self.records.push(record);
        self.offsets.push(offset);
    }

    /// The index: first number, where each block starts as a distance from the index record, how many.
    fn check_index(&self, record: &RecordHeader, data: &[u8]) -> Result<(), Era1Error> {
        let (offset, bytes) = (record.offset, record.length);
        let (words, []) = data.as_chunks::<8>() else {
            return Err(Era1Error::Length { offset, bytes, expected: "an index has whole words of 8" });
        };
        let [first, distances @ .., count] = words else {
            return Err(Era1Error::Length { offset, bytes, expected: "an index has two words at least" });
        };
        let (index_first, index_count) = (u64::from_le_bytes(*first), u64::from_le_bytes(*count));
        let (first, count) = (self.first, self.records.len() as u64);
        if (index_first, index_count) != (first, count) || distances.len() as u64 != count {
            return Err(Era1Error::IndexRange { index_first, index_count, first, count });
        }
        for ((number, at), distance) in (first..).zip(&self.offsets).zip(distances) {
            let index = i128::from(record.offset) + i128::from(i64::from_le_bytes(*distance));
            if index != i128::from(*at) {
                return Err(Era1Error::IndexOffset { number, index, offset: *at });
            }
        }
        Ok(())
    }

    fn summary(&self) -> Era1Summary {
        let (first, count) = (self.first, self.records.len() as u64);
        Era1Summary { first, count, accumulator: accumulator_root(&self.records) }
    }
}
