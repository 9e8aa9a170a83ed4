//! Importing consecutive blocks, as sync and files bring them: seals are verified in parallel, and the senders of
//! the next blocks are recovered while one executes. It must not know where the blocks come from.

use crate::{
    Chain, Import, ImportError, Origin,
    chain::{internal, now},
    check::{Checked, Linked, Overlay, Recovered},
};
use atoll_consensus::SEAL_GROUP;
use atoll_primitives::Block;
use rayon::prelude::*;
use std::{sync::mpsc, thread, time::Instant};

/// Blocks whose senders are recovered ahead of execution.
const AHEAD: usize = 8;

/// The first block of a batch that was not imported; all before it were.
#[derive(Debug, thiserror::Error)]
#[error("block {index} of the batch was not imported")]
pub struct BatchError {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Why.
    #[source]
    pub source: ImportError,
}

impl Chain {
    /// Imports blocks, each the parent of the next one; those known already are passed over. Returns how many
    /// were new. The batch is held in memory: the caller bounds it.
    ///
    /// # Errors
    /// The first block that could not be imported.
    pub fn import_many(&self, blocks: Vec<Block>, origin: Origin) -> Result<usize, BatchError> {
        let (linked, failed) = self.link(blocks, origin);
        let (checked, failed_seal) = self.verify(linked);
        // The earlier failure is the one to report.
        let failed = failed_seal.or(failed);
        let imported = self.commit_all(checked, origin)?;
        failed.map_or(Ok(imported), Err)
    }

    /// Header rules one after the other, up to the first failure.
    fn link(&self, blocks: Vec<Block>, origin: Origin) -> (Vec<(usize, Linked)>, Option<BatchError>) {
        let shared = &*self.shared;
        let (mut overlay, mut linked, now) = (Overlay::new(shared), Vec::with_capacity(blocks.len()), now());
        for (index, block) in blocks.into_iter().enumerate() {
            let (hash, number) = (block.header.hash_slow(), block.header.number);
            let failed = |source| BatchError { index, source };
            let known = match shared.is_known(&hash) {
                Ok(known) => known,
                Err(source) => return (linked, Some(failed(internal(number, hash, source)))),
            };
            if known {
                if let Err(error) = shared.reconsider(hash, number, origin) {
                    return (linked, Some(failed(error)));
                }
                continue;
            }
            match overlay.header_rules(block, hash, now) {
                Ok(block) => {
                    overlay.push(&block);
                    linked.push((index, block));
                }
                Err(error) => return (linked, Some(failed(error))),
            }
        }
        (linked, None)
    }

    /// Seals and bodies in parallel; what comes before the first failure is good.
    fn verify(&self, linked: Vec<(usize, Linked)>) -> (Vec<(usize, Checked)>, Option<BatchError>) {
        let mut overlay = Overlay::new(&self.shared);
        linked.iter().for_each(|(_, block)| overlay.push(block));
        let seals: Vec<_> = linked.par_chunks(SEAL_GROUP).flat_map_iter(|group| overlay.seals(group)).collect();
        let judge = |((index, block), seal)| (index, overlay.judged_seal_and_body(block, seal));
        let results: Vec<(usize, Result<Checked, ImportError>)> =
            linked.into_par_iter().zip(seals).map(judge).collect();
        let mut checked = Vec::with_capacity(results.len());
        for (index, result) in results {
            match result {
                Ok(block) => checked.push((index, block)),
                Err(source) => return (checked, Some(BatchError { index, source })),
            }
        }
        (checked, None)
    }

    /// A thread recovers senders, this one executes. Not rayon's: its workers may not wait for the writer's lock.
    fn commit_all(&self, checked: Vec<(usize, Checked)>, origin: Origin) -> Result<usize, BatchError> {
        let shared = &*self.shared;
        let (sender, receiver) = mpsc::sync_channel::<(usize, Result<Recovered, ImportError>)>(AHEAD);
        thread::scope(|scope| {
            scope.spawn(move || {
                for (index, block) in checked {
                    // The receiver is gone after a failure: nothing more to do.
                    if sender.send((index, shared.recover(block))).is_err() {
                        return;
                    }
                }
            });
            let mut imported = 0;
            for (index, recovered) in receiver {
                let started = Instant::now();
                let result = recovered.and_then(|block| shared.commit(block, origin));
                let import = result.map_err(|source| BatchError { index, source })?;
                imported += usize::from(import != Import::AlreadyKnown);
                metrics::histogram!("atoll_chain_import_seconds").record(started.elapsed().as_secs_f64());
            }
            Ok(imported)
        })
    }
}
