//! Going back: an operator makes an older canonical block the head again (geth's `debug_setHead`). What lay above it
//! stays on disk and may come back, from peers or files. It must not know why.

use crate::{Chain, InternalError, Origin, chain::Shared};
use atoll_primitives::SealedHeader;
use atoll_storage::{Reorg, StorageError};
use std::sync::{Arc, atomic::Ordering};

/// Why the chain was not set back.
#[derive(Debug, thiserror::Error)]
pub enum RewindError {
    /// There is no such block yet.
    #[error("block {number} is beyond the head, which is {head}")]
    BeyondHead {
        /// The block asked for.
        number: u64,
        /// The newest one.
        head: u64,
    },
    /// Its state cannot be reached: its history was pruned, or the disk failed.
    #[error("the chain cannot be set back to block {number}")]
    Failed {
        /// The block asked for.
        number: u64,
        /// Why.
        #[source]
        source: Box<InternalError>,
    },
    /// The chain was shut down.
    #[error("the chain is shut down")]
    Stopped,
}

impl Chain {
    /// Makes the canonical block `number` the head; everything above leaves the canonical chain. Listeners hear of
    /// it as of a reorganisation that applies nothing. Takes the longer the deeper it goes.
    ///
    /// # Errors
    /// [`RewindError`]; nothing has changed then.
    pub fn set_head(&self, number: u64) -> Result<Arc<SealedHeader>, RewindError> {
        let shared = &*self.shared;
        let _writer = shared.writer.lock();
        if shared.stopped.load(Ordering::Acquire) {
            return Err(RewindError::Stopped);
        }
        let head = shared.storage.head_number();
        if number > head {
            return Err(RewindError::BeyondHead { number, head });
        }
        if number < head {
            let failed = |source| RewindError::Failed { number, source: Box::new(source) };
            shared.go_back(number).map_err(failed)?;
        }
        Ok(shared.storage.head())
    }
}

impl Shared {
    fn go_back(&self, number: u64) -> Result<(), InternalError> {
        let target = self.storage.canonical_hash(number)?;
        let target =
            target.ok_or_else(|| StorageError::Corrupt { what: format!("block {number} has no canonical hash") })?;
        let from = self.storage.head_number();
        let reverted = self.newest_canonical(number)?;
        self.rewind(target, number)?;
        if self.storage.left_head()?.is_some() {
            // The next start must not return to the head that was left.
            self.storage.settle()?;
        }
        tracing::warn!(from, to = number, hash = %target, "the chain was set back");
        self.announce(Reorg { reverted, applied: Vec::new() }, self.head_td(), Origin::Rewind)
    }
}
