//! Writing canonical blocks to files. It must not choose names or places.

use super::{
    ERA1_BLOCKS, Era1Summary, FileError,
    accumulator::{HeaderRecord, accumulator_root},
    e2store::{write, write_compressed},
    era1,
};
use crate::Chain;
use atoll_primitives::{RecoveredBlock, rlp::Encodable as _};
use std::{io::Write, sync::Arc};

/// Writes the canonical blocks `from..=to` in RLP, one after the other; `progress` hears the number of each.
///
/// # Errors
/// The range is not in the chain, or the writer fails.
pub fn export(
    chain: &Chain,
    mut writer: impl Write,
    from: u64,
    to: u64,
    mut progress: impl FnMut(u64),
) -> Result<(), FileError> {
    check_range(chain, from, to)?;
    let mut buffer = Vec::new();
    for number in from..=to {
        buffer.clear();
        block(chain, number)?.block.encode(&mut buffer);
        writer.write_all(&buffer)?;
        progress(number);
    }
    Ok(writer.flush()?)
}

/// Writes the canonical blocks `from..=to`, at most 8192 of them, as an era1 archive, with their receipts.
///
/// # Errors
/// As for [`export`]; [`Era1Error::TooManyBlocks`](super::Era1Error::TooManyBlocks).
pub fn export_era1(chain: &Chain, mut writer: impl Write, from: u64, to: u64) -> Result<Era1Summary, FileError> {
    check_range(chain, from, to)?;
    if to - from >= ERA1_BLOCKS {
        return Err(super::Era1Error::TooManyBlocks.into());
    }
    let (mut records, mut offsets) = (Vec::new(), Vec::new());
    let mut offset = write(&mut writer, era1::VERSION, &[])?;
    for number in from..=to {
        let block = block(chain, number)?;
        let missing = || FileError::NoBlock { number };
        let receipts = chain.storage().receipts(&block.hash)?.ok_or_else(missing)?;
        let total_difficulty = chain.storage().total_difficulty(&block.hash)?.ok_or_else(missing)?;
        offsets.push(offset);
        offset += write_compressed(&mut writer, era1::HEADER, block.header())?;
        offset += write_compressed(&mut writer, era1::BODY, &block.block.body)?;
        offset += write_compressed(&mut writer, era1::RECEIPTS, &*receipts)?;
        offset += write(&mut writer, era1::TOTAL_DIFFICULTY, &total_difficulty.to_le_bytes::<32>())?;
        records.push(HeaderRecord { hash: block.hash, total_difficulty });
    }
    let accumulator = accumulator_root(&records);
    offset += write(&mut writer, era1::ACCUMULATOR, accumulator.as_slice())?;
    let count = offsets.len() as u64;
    let mut index = from.to_le_bytes().to_vec();
    // Distances back from the index record.
    offsets.iter().for_each(|at| index.extend(at.wrapping_sub(offset).to_le_bytes()));
    index.extend(count.to_le_bytes());
    write(&mut writer, era1::BLOCK_INDEX, &index)?;
    writer.flush()?;
    Ok(Era1Summary { first: from, count, accumulator })
}

fn check_range(chain: &Chain, from: u64, to: u64) -> Result<(), FileError> {
    let head = chain.head().number;
    if from <= to && to <= head { Ok(()) } else { Err(FileError::Range { from, to, head }) }
}

fn block(chain: &Chain, number: u64) -> Result<Arc<RecoveredBlock>, FileError> {
    let missing = || FileError::NoBlock { number };
    let hash = chain.storage().canonical_hash(number)?.ok_or_else(missing)?;
    chain.storage().block(&hash)?.ok_or_else(missing)
}
