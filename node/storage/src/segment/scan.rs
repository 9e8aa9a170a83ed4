//! Reading segments record by record after a restart, up to where a crash or damage ended them.

use super::{HEAD_BYTES, MAX_RECORD_BYTES, Position, Scanned, record_bytes, segment_path};
use crate::StorageError;
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

pub(super) fn io(path: &Path, source: io::Error) -> StorageError {
    StorageError::io(path, source)
}

/// The record at `offset` of a file of `len` bytes; `None` if what stands there is no sound record.
pub(super) fn read_record(file: &File, offset: u64, len: u64) -> io::Result<Option<(u8, Vec<u8>)>> {
    let left = len.saturating_sub(offset);
    if left <= HEAD_BYTES as u64 {
        return Ok(None);
    }
    let mut head = [0; HEAD_BYTES];
    file.read_exact_at(&mut head, offset)?;
    let [a, b, c, d, crc @ ..] = head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    // A length of zero is what a file system leaves in pages it never wrote; its checksum would be zero too.
    if length == 0 || length > MAX_RECORD_BYTES || length as u64 > left - HEAD_BYTES as u64 {
        return Ok(None);
    }
    let mut body = vec![0; length];
    file.read_exact_at(&mut body, offset + HEAD_BYTES as u64)?;
    if crc32fast::hash(&body) != u32::from_le_bytes(crc) {
        return Ok(None);
    }
    let kind = body.remove(0);
    Ok(Some((kind, body)))
}

/// Visits the records from `journal` on and returns where the next one is to be written: never below `journal`, since
/// the tables know what was written there once.
pub(super) fn scan(
    dir: &Path,
    journal: Position,
    visit: &mut dyn FnMut(Scanned) -> Result<(), StorageError>,
) -> Result<Position, StorageError> {
    let segments = list(dir)?;
    let last = segments.last().copied().unwrap_or(journal.segment);
    // Unless the last segment turns out to reach up to the journal, a new one begins.
    let mut end = Position { segment: last.max(journal.segment) + 1, offset: 0 };
    if journal.offset == 0 && segments.last() < Some(&journal.segment) {
        end = journal;
    }
    for segment in segments.into_iter().filter(|segment| *segment >= journal.segment) {
        let path = segment_path(dir, segment);
        let file = OpenOptions::new().read(true).write(segment == last).open(&path).map_err(|err| io(&path, err))?;
        let len = file.metadata().map_err(|err| io(&path, err))?.len();
        let mut offset = if segment == journal.segment { journal.offset } else { 0 };
        if offset > len {
            let bytes = offset - len;
            tracing::warn!(segment, bytes, "segment is shorter than the tables say; going on in a new one");
            continue;
        }
        while offset < len {
            let Some((kind, payload)) = read_record(&file, offset, len).map_err(|err| io(&path, err))? else { break };
            let bytes = record_bytes(&payload);
            visit(Scanned { kind, payload, position: Position { segment, offset } })?;
            offset += bytes;
        }
        if offset < len && segment == last {
            tracing::warn!(segment, offset, bytes = len - offset, "cutting off what a crash left unfinished");
            file.set_len(offset).and_then(|()| file.sync_data()).map_err(|err| io(&path, err))?;
        } else if offset < len {
            tracing::warn!(segment, offset, bytes = len - offset, "segment is damaged: skipping its rest");
        }
        if segment == last {
            end = Position { segment, offset };
        }
    }
    Ok(end)
}

/// The segments present, ascending. Other files in the directory are none of ours.
fn list(dir: &Path) -> Result<Vec<u32>, StorageError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir).map_err(|err| io(dir, err))? {
        let name = entry.map_err(|err| io(dir, err))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        segments.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// What [`walk`] comes by.
pub(crate) enum Walked {
    /// A sound record.
    Record(Scanned),
    /// No sound record stands here; the rest of the segment is passed over.
    Damage {
        /// Where.
        position: Position,
        /// Bytes from there to the end of the segment.
        bytes: u64,
    },
    /// A segment between others is not there.
    Missing {
        /// Its number.
        segment: u32,
    },
}

/// Visits every record of every segment, and what is damaged. Changes nothing.
pub(crate) fn walk(dir: &Path, visit: &mut dyn FnMut(Walked) -> Result<(), StorageError>) -> Result<(), StorageError> {
    let mut next = 0;
    for segment in list(dir)? {
        for segment in next..segment {
            visit(Walked::Missing { segment })?;
        }
        next = segment + 1;
        let path = segment_path(dir, segment);
        let file = File::open(&path).map_err(|err| io(&path, err))?;
        let len = file.metadata().map_err(|err| io(&path, err))?.len();
        let mut offset = 0;
        while offset < len {
            let position = Position { segment, offset };
            let Some((kind, payload)) = read_record(&file, offset, len).map_err(|err| io(&path, err))? else {
                visit(Walked::Damage { position, bytes: len - offset })?;
                break;
            };
            offset += record_bytes(&payload);
            visit(Walked::Record(Scanned { kind, payload, position }))?;
        }
    }
    Ok(())
}
