//! Importing a file: one thread reads and decodes ahead, this one hands batches to the chain. It must not judge
//! blocks.

use super::{
    FileError, Meter, Tally,
    source::{FileBlock, Source},
};
use crate::{Chain, Origin};
use atoll_primitives::{B256, Block, rlp::Encodable as _};
use std::{
    io::Read,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

/// Blocks imported together.
const BATCH_BLOCKS: usize = 512;
/// Bytes of blocks imported together, except a single larger one: as blocks tell them, which is about what they take.
const BATCH_BYTES: usize = 8 << 20;
/// Known blocks passed over before progress is told.
const KNOWN_TOLD: u64 = 4096;
/// Batches decoded ahead: while one is imported, another waits and a third is being read.
const AHEAD: usize = 1;

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
/// `progress` hears the number of each batch's last block. Returns how many were new.
///
/// # Errors
/// The first block that does not decode or is not imported; all before it are.
pub fn import(chain: &Chain, reader: impl Read + Send, mut progress: impl FnMut(u64)) -> Result<usize, FileError> {
    let (meter, stop) = (Meter::default(), AtomicBool::new(false));
    let done = drive(chain, reader, &meter, &stop, &mut |number| progress(number))?;
    Ok(done.new)
}

/// [`import`] that others can watch by `meter`, and end after the batch under way by `stop`.
///
/// # Errors
/// As for [`import`].
pub fn import_with(
    chain: &Chain,
    reader: impl Read + Send,
    meter: &Meter,
    stop: &AtomicBool,
) -> Result<Imported, FileError> {
    drive(chain, reader, meter, stop, &mut |_| ())
}

/// Some blocks of a file that follow one another.
#[derive(Default)]
struct Batch {
    blocks: Vec<Block>,
    /// For each of `blocks` the tally at its end.
    marks: Vec<Tally>,
    /// The tally at the end of the batch, known blocks after the last of `blocks` included.
    end: Tally,
    /// Why nothing comes after it, if that is not the end of the file.
    failed: Option<FileError>,
}

fn drive(
    chain: &Chain,
    reader: impl Read + Send,
    meter: &Meter,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, FileError> {
    let mut source = Source::open(reader, meter)?;
    let (sender, receiver) = sync_channel(AHEAD);
    thread::scope(|scope| {
        let ahead = thread::Builder::new().name("file-reader".into());
        let reading = move || read_ahead(chain, &mut source, meter, &sender);
        ahead.spawn_scoped(scope, reading).map_err(|_| FileError::Thread)?;
        // Dropping the receiver ends the reader, whatever ends this loop.
        consume(chain, receiver, meter, stop, progress)
    })
}

fn consume(
    chain: &Chain,
    batches: Receiver<Batch>,
    meter: &Meter,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, FileError> {
    let mut done = Imported::default();
    for batch in batches {
        if stop.load(Ordering::Relaxed) {
            done.stopped = true;
            return Ok(done);
        }
        let Batch { blocks, marks, end, failed } = batch;
        let told = !blocks.is_empty();
        meter.begin(marks.clone());
        done.new += chain.import_many(blocks, Origin::File).map_err(|error| {
            let number = marks.get(error.index).map(|mark| mark.number).unwrap_or_default();
            FileError::Import { number, source: error.source }
        })?;
        meter.reach(end);
        done.tally = end;
        if told {
            progress(end.number);
        }
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(done)
}

fn read_ahead(chain: &Chain, source: &mut Source<'_>, meter: &Meter, batches: &SyncSender<Batch>) {
    let mut tally = Tally::default();
    loop {
        let (batch, over) = next_batch(chain, source, meter, &mut tally);
        // The receiver is gone when the import ended.
        if batches.send(batch).is_err() || over {
            return;
        }
    }
}

/// Reads up to a batch's bounds; whether the file is over.
fn next_batch(chain: &Chain, source: &mut Source<'_>, meter: &Meter, tally: &mut Tally) -> (Batch, bool) {
    let (mut batch, mut bytes, known_before) = (Batch::default(), 0, tally.known);
    let over = loop {
        let full = batch.blocks.len() >= BATCH_BLOCKS || bytes >= BATCH_BYTES;
        if full || tally.known - known_before >= KNOWN_TOLD {
            break false;
        }
        match next(chain, source) {
            Ok(Some(FileBlock { header, block, .. })) => {
                tally.number = header.number;
                tally.blocks += 1;
                tally.bytes = meter.read();
                let Some(block) = block else {
                    tally.known += 1;
                    continue;
                };
                tally.transactions += block.body.transactions.len() as u64;
                bytes += block.length();
                batch.marks.push(*tally);
                batch.blocks.push(block);
            }
            Ok(None) => {
                tally.bytes = meter.read();
                break true;
            }
            Err(error) => {
                batch.failed = Some(error);
                break true;
            }
        }
    };
    batch.end = *tally;
    (batch, over)
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
