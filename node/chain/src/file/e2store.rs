//! e2store: records of a type, a length and data, one after the other (nimbus' e2store specification). It must not
//! know what the types mean.

use super::{Era1Error, FileError, MAX_BLOCK};
use atoll_primitives::rlp;
use std::io::{self, Read, Write};

/// Bytes before a record's data: type and length in little endian, two bytes of zero.
pub(super) const HEADER_BYTES: u64 = 8;

/// What stands before a record's data.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordHeader {
    pub kind: u16,
    pub length: u64,
    /// Where the record starts.
    pub offset: u64,
}

/// Reads records.
pub(super) struct Records<R> {
    reader: R,
    offset: u64,
}

impl<R: Read> Records<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, offset: 0 }
    }

    /// Where the next record, or the rest of this one, starts.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record's header; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<RecordHeader>, FileError> {
        let offset = self.offset;
        let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
        self.reader.by_ref().take(HEADER_BYTES).read_to_end(&mut bytes)?;
        let &[k0, k1, l0, l1, l2, l3, r0, r1] = bytes.as_slice() else {
            return if bytes.is_empty() { Ok(None) } else { Err(Era1Error::Truncated { offset }.into()) };
        };
        let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        if [r0, r1] != [0, 0] {
            return Err(Era1Error::Length { offset, bytes: length, expected: "its reserved bytes must be zero" }.into());
        }
        self.offset += HEADER_BYTES;
        Ok(Some(RecordHeader { kind: u16::from_le_bytes([k0, k1]), length, offset }))
    }

    /// The data of the record whose header was read last.
    pub(super) fn data(&mut self, record: &RecordHeader) -> Result<Vec<u8>, FileError> {
        if record.length > MAX_BLOCK as u64 {
            let (offset, bytes) = (record.offset, record.length);
            return Err(Era1Error::Length { offset, bytes, expected: "no block has so many" }.into());
        }
        // Memory grows only as the bytes come.
        let mut data = Vec::new();
        let read = self.reader.by_ref().take(record.length).read_to_end(&mut data)? as u64;
        self.advance(record, read)?;
        Ok(data)
    }

    /// Passes over that data.
    pub(super) fn skip(&mut self, record: &RecordHeader) -> Result<(), FileError> {
        let read = io::copy(&mut self.reader.by_ref().take(record.length), &mut io::sink())?;
        self.advance(record, read)
    }

    /// That data after Snappy's framing format.
    pub(super) fn decompressed(&mut self, record: &RecordHeader) -> Result<Vec<u8>, FileError> {
        let compressed = self.data(record)?;
        let mut data = Vec::new();
        let mut decoder = snap::read::FrameDecoder::new(compressed.as_slice()).take(MAX_BLOCK as u64 + 1);
        let offset = record.offset;
        decoder.read_to_end(&mut data).map_err(|source| Era1Error::Snappy { offset, source })?;
        if data.len() > MAX_BLOCK {
            let bytes = data.len() as u64;
            return Err(Era1Error::Length { offset, bytes, expected: "no block has so many" }.into());
        }
        Ok(data)
    }

    fn advance(&mut self, record: &RecordHeader, read: u64) -> Result<(), FileError> {
        self.offset += read;
        if read == record.length { Ok(()) } else { Err(Era1Error::Truncated { offset: record.offset }.into()) }
    }
}

/// Writes a record; returns its length.
pub(super) fn write(writer: &mut impl Write, kind: u16, data: &[u8]) -> io::Result<u64> {
    let length = u32::try_from(data.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    writer.write_all(&kind.to_le_bytes())?;
    writer.write_all(&length.to_le_bytes())?;
    writer.write_all(&[0, 0])?;
    writer.write_all(data)?;
    Ok(HEADER_BYTES + u64::from(length))
}

/// Writes a record of a value's RLP in Snappy's framing format; returns its length.
pub(super) fn write_compressed(writer: &mut impl Write, kind: u16, value: &impl rlp::Encodable) -> io::Result<u64> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(&rlp::encode(value))?;
    let data = encoder.into_inner().map_err(|failed| io::Error::from(failed.error().kind()))?;
    write(writer, kind, &data)
}
