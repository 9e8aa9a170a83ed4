//! Importing consecutive blocks, as sync and files bring them, in a pipeline: while one block executes, the senders of
//! the next ones are recovered, and of those behind them headers, seals and bodies are checked. It must not know where
//! the blocks come from.

use crate::{
    Chain, Import, ImportError, Origin,
    chain::{Shared, internal, now},
    check::{Checked, Linked, Overlay, Recovered},
};
use atoll_consensus::SEAL_GROUP;
use atoll_primitives::{Block, BlockNumber, hash_transactions, rlp::Encodable};
use rayon::prelude::*;
use std::{
    sync::mpsc::{self, SyncSender},
    thread,
    time::Instant,
};

/// Blocks checked ahead of recovery, and recovered ahead of execution. At the bound the stage before waits.
const AHEAD: usize = 8;
/// Blocks whose seals and bodies are checked together, in parallel.
const CHUNK_BLOCKS: usize = 64;
/// Bytes of those, except a single larger block.
const CHUNK_BYTES: usize = 2 << 20;

/// The first block of a batch that was not imported; all before it were.
#[derive(Debug, thiserror::Error)]
#[error("block {index} of the batch was not imported")]
pub struct BatchError {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Its number.
    pub number: BlockNumber,
    /// Why.
    #[source]
    pub source: ImportError,
}

/// Which block of the batch it is.
#[derive(Debug, Clone, Copy)]
struct Place {
    index: usize,
    number: BlockNumber,
}

/// A block on its way through the pipeline, or why it left it.
type Staged<T> = (Place, Result<T, ImportError>);
/// A block that is not imported, and why.
type Failure = (Place, ImportError);

impl Chain {
    /// Imports blocks, each the parent of the next one; those known already are passed over. Returns how many
    /// were new. The batch is held in memory: the caller bounds it.
    ///
    /// # Errors
    /// The first block that could not be imported.
    pub fn import_many(&self, blocks: Vec<Block>, origin: Origin) -> Result<usize, BatchError> {
        self.import_stream(blocks.into_iter(), origin, |_| ())
    }

    /// The same for blocks that come one by one: about a hundred are in memory at a time. `progress` hears the number
    /// of each block that has gone through.
    ///
    /// # Errors
    /// The first block that could not be imported.
    pub fn import_stream(
        &self,
        blocks: impl Iterator<Item = Block> + Send,
        origin: Origin,
        mut progress: impl FnMut(BlockNumber),
    ) -> Result<usize, BatchError> {
        let shared = &*self.shared;
        // Plain threads, not rayon's: its workers may not wait for a channel or for the writer's lock.
        let (to_recovery, unrecovered) = mpsc::sync_channel::<Staged<Checked>>(AHEAD);
        let (to_commit, uncommitted) = mpsc::sync_channel::<Staged<Recovered>>(AHEAD);
        thread::scope(|scope| {
            scope.spawn(move || Checker::new(shared, origin, to_recovery).run(blocks));
            scope.spawn(move || {
                for (place, checked) in unrecovered {
                    // The receiver is gone after a failure: nothing more to do.
                    if to_commit.send((place, checked.and_then(|block| shared.recover(block)))).is_err() {
                        return;
                    }
                }
            });
            let mut imported = 0;
            for (Place { index, number }, recovered) in uncommitted {
                let started = Instant::now();
                let import = recovered.and_then(|block| shared.commit(block, origin));
                let import = import.map_err(|source| BatchError { index, number, source })?;
                imported += usize::from(import != Import::AlreadyKnown);
                metrics::histogram!("atoll_chain_import_seconds").record(started.elapsed().as_secs_f64());
                progress(number);
            }
            Ok(imported)
        })
    }
}

/// The first stage: everything that needs no state.
struct Checker<'a> {
    shared: &'a Shared,
    origin: Origin,
    next: SyncSender<Staged<Checked>>,
    /// The blocks of the batch that the chain does not have yet.
    overlay: Overlay<'a>,
}

impl<'a> Checker<'a> {
    fn new(shared: &'a Shared, origin: Origin, next: SyncSender<Staged<Checked>>) -> Self {
        Self { shared, origin, next, overlay: Overlay::new(shared) }
    }

    /// Ends with the blocks, with the first failure, or when nobody listens any more.
    fn run(mut self, blocks: impl Iterator<Item = Block>) {
        let mut blocks = blocks.enumerate().peekable();
        while blocks.peek().is_some() {
            let (linked, failed) = self.link(&mut blocks);
            let failed_before = self.verify(linked);
            // The earlier failure is the one to report.
            let failed = match failed_before {
                Err(Stopped) => return,
                Ok(failed_before) => failed_before.or(failed),
            };
            if let Some((place, error)) = failed {
                // Whether anybody hears it makes no difference here.
                let _ = self.next.send((place, Err(error)));
                return;
            }
            self.overlay.shrink();
        }
    }

    /// Header rules one after the other, up to the first failure or a full chunk.
    fn link(&mut self, blocks: &mut impl Iterator<Item = (usize, Block)>) -> (Vec<(Place, Linked)>, Option<Failure>) {
        let (mut linked, mut bytes, now) = (Vec::new(), 0, now());
        while linked.len() < CHUNK_BLOCKS && bytes < CHUNK_BYTES {
            let Some((index, block)) = blocks.next() else { break };
            bytes += block.length();
            let place = Place { index, number: block.header.number };
            match self.link_one(block, now) {
                Ok(Some(block)) => linked.push((place, block)),
                Ok(None) => {}
                Err(error) => return (linked, Some((place, error))),
            }
        }
        (linked, None)
    }

    /// `None` for a block that is known.
    fn link_one(&mut self, block: Block, now: u64) -> Result<Option<Linked>, ImportError> {
        let (hash, number) = (block.header.hash_slow(), block.header.number);
        if self.shared.is_known(&hash).map_err(|source| internal(number, hash, source))? {
            self.shared.reconsider(hash, number, self.origin)?;
            return Ok(None);
        }
        let linked = self.overlay.header_rules(block, hash, now)?;
        self.overlay.push(&linked);
        Ok(Some(linked))
    }

    /// Seals and bodies in parallel; what comes before the first failure is good and goes on.
    fn verify(&self, linked: Vec<(Place, Linked)>) -> Result<Option<Failure>, Stopped> {
        let overlay = &self.overlay;
        let seals: Vec<_> = linked.par_chunks(SEAL_GROUP).flat_map_iter(|group| overlay.seals(group)).collect();
        let judge = |((place, mut block), seal): ((Place, Linked), _)| {
            // Every transaction will be asked for its hash.
            hash_transactions(&mut block.block.body.transactions);
            (place, overlay.judged_seal_and_body(block, seal))
        };
        let results: Vec<Staged<Checked>> = linked.into_par_iter().zip(seals).map(judge).collect();
        for (place, result) in results {
            match result {
                Ok(block) => self.next.send((place, Ok(block))).map_err(|_| Stopped)?,
                Err(error) => return Ok(Some((place, error))),
            }
        }
        Ok(None)
    }
}

/// The stages behind ended early.
struct Stopped;
