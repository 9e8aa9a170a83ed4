//! After a start: blocks that were canonical but not yet flushed are executed again. It must not accept new ones.

use crate::{
    ChainError, ImportError, InternalError,
    chain::{Shared, internal},
    check::Recovered,
};
use atoll_primitives::RecoveredBlock;
use atoll_storage::fault::{self, Point};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How often progress is logged.
const PROGRESS: Duration = Duration::from_secs(5);

pub(crate) fn restore(shared: &Shared) -> Result<(), ChainError> {
    let blocks = shared.storage.unexecuted();
    let total = blocks.len();
    if total > 0 {
        tracing::info!(blocks = total, "executing blocks that were not flushed before the last stop");
    }
    let mut last = Instant::now();
    for (done, block) in blocks.into_iter().enumerate() {
        let (number, hash) = (block.number(), block.hash);
        restore_one(shared, Arc::new(block)).map_err(|source| ChainError::Restore {
            number,
            hash,
            source: Box::new(source),
        })?;
        fault::point(Point::RestoreBlock);
        if last.elapsed() >= PROGRESS {
            last = Instant::now();
            tracing::info!(done = done + 1, total, number, "executing unflushed blocks");
        }
    }
    shared.storage.finish_restore()?;
    let head = shared.storage.head();
    shared.return_to_left_head().map_err(|source| ChainError::Restore {
        number: head.number,
        hash: head.hash,
        source: Box::new(source),
    })
}

fn restore_one(shared: &Shared, block: Arc<RecoveredBlock>) -> Result<(), ImportError> {
    let (number, hash, parent) = (block.number(), block.hash, block.header().parent_hash);
    let failed = |source: InternalError| internal(number, hash, source);
    let td = shared.storage.total_difficulty(&parent).map_err(|error| failed(error.into()))?;
    let td = td.ok_or_else(|| failed(InternalError::Missing { hash: parent }))?;
    let recovered = Recovered { td: td.saturating_add(block.header().difficulty), block };
    let executed = shared.execute_here(&recovered)?;
    shared.storage.restore(executed.0).map_err(|error| failed(error.into()))
}
