//! Reorganisations that fork off below the persisted base. Their blocks cannot be executed as they come: they are
//! set aside until their chain is preferred, then the state is unwound to the fork and they are executed. If that
//! fails, the old chain comes back. It must not check headers or seals: only checked blocks get here.

use crate::{
    Import, ImportError, InternalError, Origin,
    chain::{Shared, internal},
    check::Recovered,
};
use atoll_primitives::{B256, RecoveredBlock};
use atoll_storage::{
    Reorg, StorageError,
    fault::{self, Point},
};
use std::sync::Arc;

/// Blocks an event lists on either side: of a deeper reorganisation the newest. Receivers that need more ask the
/// storage.
const MAX_EVENT_BLOCKS: u64 = 1024;

/// Flushes that may be faster than a reorganisation over blocks in memory. The head stands still meanwhile, so the base
/// comes near it and stops.
const MAX_TRIES: u32 = 64;

/// A chain to switch to: where it leaves the stored one, and its blocks from there, oldest first.
struct Branch {
    fork: B256,
    fork_number: u64,
    blocks: Vec<B256>,
}

impl Shared {
    /// Keeps a block whose parent's state is not at hand, and switches to its chain if that is preferred.
    /// The caller holds the writer's lock.
    pub(crate) fn set_aside(&self, recovered: Recovered, origin: Origin) -> Result<Import, ImportError> {
        let Recovered { block, td } = recovered;
        let (number, hash) = (block.number(), block.hash);
        self.side.write().insert(block.clone(), td);
        if !self.prefers(td, block.header()) {
            return Ok(Import::SideChain);
        }
        let reorg = self.switch(hash, number)?;
        self.announce(reorg, td, origin).map_err(|source| internal(number, hash, source))?;
        Ok(Import::Canonical)
    }

    /// Walks from a block back to the first ancestor that is canonical or has its state at hand.
    fn branch(&self, tip: B256, number: u64) -> Result<Branch, InternalError> {
        let (mut hash, mut number, mut blocks) = (tip, number, Vec::new());
        loop {
            let at_hand = number >= self.base_number() && self.storage.state_at(&hash)?.is_some();
            if at_hand || self.storage.canonical_hash(number)? == Some(hash) {
                blocks.reverse();
                return Ok(Branch { fork: hash, fork_number: number, blocks });
            }
            let block = self.any_block(&hash)?;
            blocks.push(hash);
            (hash, number) = (block.header().parent_hash, number.saturating_sub(1));
        }
    }

    /// A block set aside, or one the storage keeps from a chain that was canonical once.
    pub(crate) fn any_block(&self, hash: &B256) -> Result<Arc<RecoveredBlock>, InternalError> {
        if let Some(block) = self.side.read().block(hash) {
            return Ok(block);
        }
        self.storage.block(hash)?.ok_or(InternalError::Missing { hash: *hash })
    }

    /// The newest canonical blocks above `fork`, oldest first, as many as an event lists.
    pub(crate) fn newest_canonical(&self, fork: u64) -> Result<Vec<Arc<RecoveredBlock>>, InternalError> {
        let head = self.storage.head_number();
        let oldest = (fork + 1).max((head + 1).saturating_sub(MAX_EVENT_BLOCKS));
        let mut blocks = Vec::new();
        for number in oldest..=head {
            let Some(hash) = self.storage.canonical_hash(number)? else { continue };
            blocks.push(self.any_block(&hash)?);
        }
        Ok(blocks)
    }

    /// Makes a block that is stored or set aside the head. Returns what that changed; of a deep reorganisation the
    /// newest blocks.
    fn switch(&self, tip: B256, number: u64) -> Result<Reorg, ImportError> {
        let failed = |source: InternalError| internal(number, tip, source);
        for _ in 0..MAX_TRIES {
            let branch = self.branch(tip, number).map_err(failed)?;
            let condemn = |error: &ImportError| self.condemn(&branch, error);
            let reorg = if branch.fork == self.storage.head().hash && !branch.blocks.is_empty() {
                // The chain had been set back. Nothing is given up: each block becomes the head at once, so that memory
                // stays in bounds.
                self.replay(&branch.blocks, true).inspect_err(condemn)?;
                Reorg { reverted: Vec::new(), applied: self.newest_of(&branch).map_err(failed)? }
            } else if branch.fork_number < self.base_number() {
                tracing::warn!(fork = branch.fork_number, to = number, "deep reorganisation");
                let reverted = self.newest_canonical(branch.fork_number).map_err(failed)?;
                self.switch_below(&branch).inspect_err(condemn)?;
                Reorg { reverted, applied: self.newest_of(&branch).map_err(failed)? }
            } else if let Some(reorg) = self.switch_above(&branch).inspect_err(condemn)? {
                reorg
            } else {
                self.storage.wait_for_flush();
                continue;
            };
            let mut side = self.side.write();
            branch.blocks.iter().chain([&tip]).for_each(|hash| side.remove(hash));
            return Ok(reorg);
        }
        Err(failed(InternalError::NoState { parent: tip }))
    }

    /// The newest blocks of a branch, oldest first, as many as an event lists.
    fn newest_of(&self, branch: &Branch) -> Result<Vec<Arc<RecoveredBlock>>, InternalError> {
        let newest = branch.blocks.iter().rev().take(MAX_EVENT_BLOCKS as usize).rev();
        newest.map(|hash| self.any_block(hash)).collect()
    }

    /// Executes a branch beside the old chain, which is left only when all of it is good. `None` if a flush moved the
    /// base past the fork meanwhile.
    fn switch_above(&self, branch: &Branch) -> Result<Option<Reorg>, ImportError> {
        let Branch { fork, fork_number, blocks } = branch;
        let switched = self.replay(blocks, false).and_then(|()| {
            let head = self.storage.set_head(blocks.last().unwrap_or(fork));
            head.map_err(|error| internal(*fork_number, *fork, error))
        });
        match switched {
            Ok(reorg) => Ok(Some(reorg)),
            Err(error) if is_passed_by(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Undoes the old chain down to the fork and executes the branch; if that fails the old chain comes back.
    fn switch_below(&self, branch: &Branch) -> Result<(), ImportError> {
        let Branch { fork, fork_number, blocks } = branch;
        let failed = |source: InternalError| internal(*fork_number, *fork, source);
        // Kept before the unwinding: afterwards the numbers lead to the new chain.
        let old = self.canonical_above(*fork_number).map_err(failed)?;
        self.rewind(*fork, *fork_number).map_err(|error| failed(error.into()))?;
        if let Err(error) = self.replay(blocks, true) {
            tracing::error!(%error, "the preferred chain does not execute; returning to the old one");
            self.rewind(*fork, *fork_number).map_err(|error| failed(error.into()))?;
            self.replay(&old, true)?;
            self.storage.settle().map_err(|error| failed(error.into()))?;
            return Err(error);
        }
        self.storage.settle().map_err(|error| failed(error.into()))
    }

    /// After a start: if the process died between unwinding a chain and persisting a heavier one, the chain that was
    /// left comes back. Peers have the heavier one, and will offer it again.
    pub(crate) fn return_to_left_head(&self) -> Result<(), ImportError> {
        let head = self.storage.head();
        let failed = |source: InternalError| internal(head.number, head.hash, source);
        let left = self.storage.left_head().map_err(|error| failed(error.into()))?;
        let Some(left) = left else { return Ok(()) };
        let td = self.td(&left).map_err(failed)?.ok_or_else(|| failed(InternalError::Missing { hash: left }))?;
        if head.hash != left && self.head_td() <= td {
            let header =
                self.header(&left).map_err(failed)?.ok_or_else(|| failed(InternalError::Missing { hash: left }))?;
            let branch = self.branch(left, header.number).map_err(failed)?;
            tracing::warn!(
                fork = branch.fork_number,
                to = header.number,
                "returning to the chain before a broken-off reorganisation"
            );
            self.rewind(branch.fork, branch.fork_number).map_err(|error| failed(error.into()))?;
            self.replay(&branch.blocks, true)?;
        }
        self.storage.settle().map_err(|error| failed(error.into()))
    }

    /// After a block of the branch proved invalid: those above it are invalid too, and no longer worth keeping.
    fn condemn(&self, branch: &Branch, error: &ImportError) {
        let ImportError::Invalid { hash: bad, .. } = error else { return };
        let mut side = self.side.write();
        for hash in branch.blocks.iter().skip_while(|hash| *hash != bad) {
            self.invalid.insert(*hash, ());
            side.remove(hash);
        }
    }

    fn canonical_above(&self, fork: u64) -> Result<Vec<B256>, InternalError> {
        let mut hashes = Vec::new();
        for number in fork + 1..=self.storage.head_number() {
            hashes.extend(self.storage.canonical_hash(number)?);
        }
        Ok(hashes)
    }

    /// Makes an old canonical block the head again.
    pub(crate) fn rewind(&self, to: B256, number: u64) -> Result<(), StorageError> {
        if number < self.base_number() {
            return self.storage.unwind(&to);
        }
        match self.storage.set_head(&to) {
            Ok(_) => Ok(()),
            // The flush was faster.
            Err(StorageError::BelowBase { .. }) => self.storage.unwind(&to),
            Err(error) => Err(error),
        }
    }

    /// Executes and stores blocks one after the other; with `as_head` each becomes the head at once, so that
    /// the flush can keep memory in bounds.
    fn replay(&self, blocks: &[B256], as_head: bool) -> Result<(), ImportError> {
        for hash in blocks {
            let failed = |source: InternalError| internal(0, *hash, source);
            let block = self.any_block(hash).map_err(failed)?;
            let parent = block.header().parent_hash;
            let td = self.storage.total_difficulty(&parent).map_err(|error| failed(error.into()))?;
            let td = td.ok_or(InternalError::Missing { hash: parent }).map_err(failed)?;
            let recovered = Recovered { td: td.saturating_add(block.header().difficulty), block };
            let executed = self.execute_here(&recovered)?;
            fault::point(Point::ReplayBeforeBlock);
            self.storage.append(executed.0).map_err(|error| failed(error.into()))?;
            if as_head {
                self.storage.set_head(hash).map_err(|error| failed(error.into()))?;
                self.flusher.wake();
                self.flusher.wait_for_room().map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// Whether it failed because a flush was faster, and the state it started from is persisted over by now.
fn is_passed_by(error: &ImportError) -> bool {
    let ImportError::Internal { source, .. } = error else { return false };
    matches!(
        source.as_ref(),
        InternalError::NoState { .. }
            | InternalError::Storage(StorageError::UnknownParent { .. } | StorageError::BelowBase { .. })
    )
}
