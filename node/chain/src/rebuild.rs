//! Executing a chain again from its genesis block, to make damaged tables anew. It must not know which are.

use crate::{
    Chain, ChainError, ChainOptions, ImportError, addresses,
    chain::{Shared, internal},
    check::Recovered,
};
use atoll_consensus::Engine;
use atoll_primitives::{ChainSpec, RecoveredBlock};
use atoll_storage::{Progress, Rebuild, Rebuilt, Scope, StorageOptions};
use std::{path::Path, sync::Arc};

/// Makes the tables of the data directory `dir` again from its segments. What the blocks' headers say is checked on
/// the way, all but the seals. `progress` hears how far it is, often.
///
/// # Errors
/// [`ChainError::Storage`], [`ChainError::Restore`] with the first block that does not execute. The directory is then
/// as it was.
pub fn rebuild(
    spec: Arc<ChainSpec>,
    engine: Arc<dyn Engine>,
    dir: &Path,
    options: StorageOptions,
    scope: Scope,
    progress: &mut dyn FnMut(Progress),
) -> Result<Rebuilt, ChainError> {
    let rebuild = Rebuild::start(dir, &spec, options, scope, progress)?;
    if scope == Scope::Everything {
        let chain = Chain::open(spec.clone(), rebuild.storage().clone(), engine, ChainOptions::default())?;
        while let Some(block) = rebuild.next()? {
            let (number, hash) = (block.number(), block.hash);
            chain.shared.execute_again(&rebuild, block).map_err(|source| ChainError::Restore {
                number,
                hash,
                source: Box::new(source),
            })?;
            progress(rebuild.progress());
        }
        chain.shutdown()?;
    }
    if rebuild.wants_addresses() {
        addresses::index_persisted(spec, rebuild.storage().clone(), progress).map_err(ChainError::Addresses)?;
    }
    Ok(rebuild.finish()?)
}

impl Shared {
    fn execute_again(&self, rebuild: &Rebuild, block: RecoveredBlock) -> Result<(), ImportError> {
        let (number, hash) = (block.number(), block.hash);
        let difficulty = self.storage.total_difficulty(&hash).map_err(|error| internal(number, hash, error))?;
        self.flusher.wait_for_room().map_err(|error| internal(number, hash, error))?;
        let recovered = Recovered { td: difficulty.unwrap_or_default(), block: Arc::new(block) };
        let executed = self.execute_here(&recovered)?;
        rebuild.append(executed.0).map_err(|error| internal(number, hash, error))?;
        self.flusher.wake();
        Ok(())
    }
}
