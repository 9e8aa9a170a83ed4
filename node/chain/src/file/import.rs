//! Importing a file: blocks are read and decoded on the pipeline's first thread, and known ones passed over there. It
//! must not judge blocks.

use super::{
    FileError, Meter, Tally,
    source::{FileBlock, Source},
};
use crate::{Chain, Origin};
use atoll_primitives::{B256, Block};
use std::{
    io::Read,
    sync::atomic::{AtomicBool, Ordering},
};

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Blocks that were new.
    pub new: usize,
    /// All of the file that was read.
    pub tally: Tally,
    /// Whether it was asked to stop before the end.
    pub stopped: bool,
}

/// Imports the blocks of a file of any format; those known already, the genesis block among them, are passed over.
/// `progress` hears the number of each block that goes through the chain. Returns how many were new.
///
/// # Errors
/// The first block that does not decode or is not imported; all before it are.
pub fn import(chain: &Chain, reader: impl Read + Send, progress: impl FnMut(u64)) -> Result<usize, FileError> {
    let (meter, stop) = (Meter::default(), AtomicBool::new(false));
    Ok(drive(chain, reader, &meter, &stop, progress)?.new)
}

/// [`import`] that others can watch by `meter`, and end by `stop`: the blocks already read are then still imported,
/// about a hundred.
///
/// # Errors
/// As for [`import`].
pub fn import_with(
    chain: &Chain,
    reader: impl Read + Send,
    meter: &Meter,
    stop: &AtomicBool,
) -> Result<Imported, FileError> {
    drive(chain, reader, meter, stop, |_| ())
}

fn drive(
    chain: &Chain,
    reader: impl Read + Send,
    meter: &Meter,
    stop: &AtomicBool,
    mut progress: impl FnMut(u64),
) -> Result<Imported, FileError> {
    let source = Source::open(reader, meter)?;
    let mut blocks = FileBlocks { chain, source, meter, stop, done: Imported::default(), over: false, failed: None };
    let imported = chain.import_stream(&mut blocks, Origin::File, |number| {
        meter.done(number);
        progress(number);
    });
    let FileBlocks { done, failed, .. } = blocks;
    let new = imported.map_err(|error| FileError::Import { number: error.number, source: error.source })?;
    meter.finish(done.tally);
    failed.map_or(Ok(Imported { new, ..done }), Err)
}

/// The blocks of a file that the chain does not have yet.
struct FileBlocks<'a> {
    chain: &'a Chain,
    source: Source<'a>,
    meter: &'a Meter,
    stop: &'a AtomicBool,
    done: Imported,
    /// Nothing more comes; `failed` says why, if it is not the end of the file.
    over: bool,
    failed: Option<FileError>,
}

impl FileBlocks<'_> {
    fn read(&mut self) -> Result<Option<Block>, FileError> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                self.done.stopped = true;
                return Ok(None);
            }
            let next = next(self.chain, &mut self.source)?;
            let tally = &mut self.done.tally;
            tally.bytes = self.meter.read();
            let Some(FileBlock { header, block, .. }) = next else { return Ok(None) };
            tally.number = header.number;
            tally.blocks += 1;
            match block {
                Some(block) => {
                    tally.transactions += block.body.transactions.len() as u64;
                    self.meter.begin(*tally);
                    return Ok(Some(block));
                }
                None => {
                    tally.known += 1;
                    self.meter.pass(*tally);
                }
            }
        }
    }
}

impl Iterator for FileBlocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        if self.over {
            return None;
        }
        let next = self.read().unwrap_or_else(|error| {
            self.failed = Some(error);
            None
        });
        self.over = next.is_none();
        next
    }
}

fn next(chain: &Chain, source: &mut Source<'_>) -> Result<Option<FileBlock>, FileError> {
    let storage = chain.storage();
    // A block of a side chain is decoded: the chain decides anew whether it is preferred.
    let unknown = |number: u64, hash: &B256| Ok(storage.canonical_hash(number)? != Some(*hash));
    let next = source.next(&|hash| storage.total_difficulty(hash), &unknown)?;
    if let Some(FileBlock { header, hash, .. }) = &next
        && header.number == 0
        && *hash != storage.genesis_hash()
    {
        return Err(FileError::OtherGenesis { file: *hash, chain: storage.genesis_hash() });
    }
    Ok(next)
}
